"""The view sets that the tests of REST call."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import CursorPagination, LimitOffsetPagination, PageNumberPagination
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.viewsets import ModelViewSet, ReadOnlyModelViewSet

from handleref.rest import HandleRefSerializer, SinceFilter, VersionViewSetMixin
from tests.versions.models import Page


class PageSerializer(HandleRefSerializer):
    class Meta:
        model = Page
        fields = [
            *["id", "title", "body", "kind", "price", "printed"],
            *["extra", "section", "tags", "status"],
        ]


class Numbered(PageNumberPagination):
    page_size = 50
    page_size_query_param = "size"


class PageViewSet(VersionViewSetMixin, ModelViewSet):
    queryset = Page.objects.order_by("pk")
    serializer_class = PageSerializer
    filter_backends = [SinceFilter]
    pagination_class = Numbered
    keeper = "ledger"

    @action(detail=True, methods=["post"])
    def shout(self, request, pk):
        page = self.get_object()
        page.title = page.title.upper()
        page.save()
        if "refuse" in request.data:
            raise ValidationError("Too loud.")
        return Response()


class TitleSerializer(HandleRefSerializer):
    name = PageSerializer().fields["title"].__class__(source="title")

    class Meta:
        model = Page
        fields = ["pk", "name"]


class ScopedViewSet(PageViewSet):
    """Knows of news alone, and shows no more of them than the title."""

    serializer_class = TitleSerializer
    queryset = Page.objects.filter(kind="n")


class LimitedViewSet(PageViewSet):
    pagination_class = type("Limited", (LimitOffsetPagination,), {"default_limit": 2})


class CursorViewSet(PageViewSet):
    pagination_class = type("Cursor", (CursorPagination,), {"page_size": 2})
    filter_backends = [OrderingFilter]
    ordering = ["title"]


class UnpagedViewSet(VersionViewSetMixin, ReadOnlyModelViewSet):
    queryset = Page.objects.all()
    serializer_class = PageSerializer
    keeper = "ledger"


VIEW_SETS = {
    "pages": PageViewSet,
    "news": ScopedViewSet,
    "limited": LimitedViewSet,
    "cursor": CursorViewSet,
    "unpaged": UnpagedViewSet,
}

router = DefaultRouter()
for name, views in VIEW_SETS.items():
    router.register(name, views, basename=name)
urlpatterns = router.urls


def allowed(*verbs, name="carl"):
    """Make a user who may do that, and no more, with pages."""
    user = get_user_model().objects.create_user(name)
    codenames = [f"{verb}_page" for verb in verbs]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user
