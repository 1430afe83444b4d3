"""The door to REST: what a serializer or a view set of a reference model needs."""

from handleref.references.rest import HandleRefSerializer, SinceFilter
from handleref.versions.rest.permissions import VersionPermissions
from handleref.versions.rest.views import VersionViewSetMixin

__all__ = ["HandleRefSerializer", "SinceFilter", "VersionPermissions", "VersionViewSetMixin"]
