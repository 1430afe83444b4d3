"""The door to REST: what a serializer or a view set needs."""

from handleref.pointintime.rest.permissions import get_pita_permissions_class
from handleref.pointintime.rest.serializers import PointInTimeSerializer
from handleref.pointintime.rest.views import PointInTimeModelViewSet
from handleref.references.rest import HandleRefSerializer, SinceFilter
from handleref.versions.rest.permissions import VersionPermissions
from handleref.versions.rest.views import VersionViewSetMixin

__all__ = [
    "HandleRefSerializer",
    "PointInTimeModelViewSet",
    "PointInTimeSerializer",
    "SinceFilter",
    "VersionPermissions",
    "VersionViewSetMixin",
    "get_pita_permissions_class",
]
