"""The admin of the tests' models, alone and beside that of versions."""

from django.contrib.admin import AdminSite, ModelAdmin
from django.urls import path

from handleref.admin import PointInTimeAdmin, VersionAdmin
from tests.pointintime import relations
from tests.pointintime.models import Article, Citation, Note, PointPage, Section, Tag, Tariff


class ArticleAdmin(PointInTimeAdmin):
    list_display = ["header", "row_version"]
    list_filter = ["header"]
    search_fields = ["header"]


class MineAdmin(PointInTimeAdmin):
    """Shows nobody the pages whose titles begin like a secret."""

    def get_queryset(self, request):
        return super().get_queryset(request).exclude(title__startswith="secret")


class BookAdmin(PointInTimeAdmin):
    list_display = ["title", "author"]


class TopicAdmin(PointInTimeAdmin):
    """Asks for more while the page is written down."""

    list_display = ["name", "authors"]

    def authors(self, obj):
        return ", ".join(relations.Author.objects.values_list("name", flat=True))


class VersionedAdmin(VersionAdmin, PointInTimeAdmin):
    """The history in front."""


class TimedAdmin(PointInTimeAdmin, VersionAdmin):
    """The timeline in front."""


site = AdminSite(name="points")
site.register(Article, ArticleAdmin)
site.register(PointPage, MineAdmin)
site.register(relations.Book, BookAdmin)
site.register(relations.Topic, TopicAdmin)
site.register(relations.Author, PointInTimeAdmin)
site.register(Note, VersionedAdmin)
site.register(Tariff, TimedAdmin)
site.register([Section, Citation, Tag], ModelAdmin)

urlpatterns = [path("points/", site.urls)]
