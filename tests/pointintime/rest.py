"""The view sets that the tests of REST call."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from rest_framework import permissions
from rest_framework.decorators import action
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import ModelSerializer

from handleref.rest import (
    PointInTimeModelViewSet,
    PointInTimeSerializer,
    VersionViewSetMixin,
    get_pita_permissions_class,
)
from tests.pointintime.models import Article, Note, PointPage, Tariff, Verdict
from tests.pointintime.relations import Author, Book


class ArticleViewSet(PointInTimeModelViewSet):
    """As in the documentation of the original, in which a user sees what an author wrote."""

    model_class = Article

    def filter_queryset(self, qs):
        if self.request.data.get("author") is not None:
            return qs.filter(modified_by__id=self.request.data.get("author"))
        return qs


class DraftSerializer(ModelSerializer):
    """DRF's own, which knows nothing of rows that are versions."""

    class Meta:
        model = Article
        fields = "__all__"


class DraftViewSet(PointInTimeModelViewSet):
    """Knows of drafts alone."""

    model_class = Article
    serializer_class = DraftSerializer

    def filter_queryset(self, qs):
        return qs.filter(header__startswith="draft")

    @action(detail=False)
    def headers(self, request):
        return Response([article.header for article in self.get_queryset()])

    @action(detail=True, methods=["post"])
    def shout(self, request, pk):
        article = self.get_object()
        article.body = "!"
        article.save()
        return Response(article.body)


class CustomViewSet(PointInTimeModelViewSet):
    """As in the documentation of the original."""

    model_class = Article

    class CustomPermissions(get_pita_permissions_class(Article), permissions.BasePermission):
        def has_permission(self, request, view):
            if view.action == "my_action":
                return request.user.has_perm("auth.view_group")
            return super().has_permission(request, view)

        def has_object_permission(self, request, view, obj):
            return obj.header != "locked"

    def get_permissions(self):
        permission_classes = [IsAuthenticated, self.CustomPermissions]
        return [permission() for permission in permission_classes]

    @action(detail=False)
    def my_action(self, request):
        return Response("mine")


class AuthorSerializer(PointInTimeSerializer):
    class Meta:
        model = Author
        fields = ["id", "name"]


class BookSerializer(PointInTimeSerializer):
    author = AuthorSerializer(read_only=True)

    class Meta:
        model = Book
        fields = ["id", "row_version", "title", "pages", "author"]


class BookViewSet(PointInTimeModelViewSet):
    """Searched, sorted and in pages as DRF does it."""

    model_class = Book
    serializer_class = BookSerializer
    filter_backends = [SearchFilter, OrderingFilter]
    search_fields = ["title", "author__name"]
    pagination_class = type("Paged", (PageNumberPagination,), {"page_size": 2})

    def filter_queryset(self, qs):
        return super().filter_queryset(qs.select_related("author").order_by("pk"))


class TariffViewSet(PointInTimeModelViewSet):
    model_class = Tariff


class PageViewSet(PointInTimeModelViewSet):
    model_class = PointPage


class NoteViewSet(PointInTimeModelViewSet):
    model_class = Note


class VerdictViewSet(PointInTimeModelViewSet):
    model_class = Verdict


class BothViewSet(PointInTimeModelViewSet, VersionViewSetMixin):
    """Goes back by forgetting."""

    model_class = Article


class UndoViewSet(VersionViewSetMixin, PointInTimeModelViewSet):
    """Goes back by another version."""

    model_class = Article


class NarrowHistoryViewSet(PointInTimeModelViewSet, VersionViewSetMixin):
    """Tells nothing of drafts, not of what they were before either."""

    model_class = Article

    def filter_queryset(self, qs):
        return super().filter_queryset(qs).exclude(header="draft")


VIEW_SETS = {
    "articles": ArticleViewSet,
    "drafts": DraftViewSet,
    "custom": CustomViewSet,
    "books": BookViewSet,
    "tariffs": TariffViewSet,
    "pages": PageViewSet,
    "notes": NoteViewSet,
    "verdicts": VerdictViewSet,
    "both": BothViewSet,
    "undo": UndoViewSet,
    "narrow": NarrowHistoryViewSet,
}

router = DefaultRouter()
for name, views in VIEW_SETS.items():
    router.register(name, views, basename=name)
urlpatterns = router.urls


def allowed(*codenames, name="carl"):
    """Make a user who may do that, and no more."""
    user = get_user_model().objects.create_user(name)
    found = Permission.objects.filter(
        codename__in=codenames, content_type__app_label="pointintime_tests"
    )
    assert len(found) == len(codenames)
    user.user_permissions.set(found)
    return user
