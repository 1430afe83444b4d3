"""The REST actions of versions, over rows that are versions."""

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from rest_framework.pagination import CursorPagination
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIClient
from rest_framework.viewsets import ModelViewSet

from handleref.pointintime.recording import recording
from handleref.rest import VersionViewSetMixin
from handleref.versions import history
from tests.pointintime.models import PointPage

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

VALUES = ["id", "title", "body", "kind", "price", "extra", "section", "end_at"]


class PageSerializer(ModelSerializer):
    class Meta:
        model = PointPage
        fields = VALUES


class PageViewSet(VersionViewSetMixin, ModelViewSet):
    queryset = PointPage.objects.order_by("pk")
    serializer_class = PageSerializer


class NewsViewSet(PageViewSet):
    """Knows of news alone, the deleted ones too."""

    queryset = PointPage.objects.filter(kind="n")
    pagination_class = type("Cursor", (CursorPagination,), {"page_size": 1})

    def filter_deleted(self, history):
        return history.search("news")


router = DefaultRouter()
router.register("points", PageViewSet, basename="points")
router.register("news", NewsViewSet, basename="news")
urlpatterns = router.urls


@pytest.fixture
def user(db):
    user = get_user_model().objects.create_user("carl")
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_pointpage"))
    return user


@pytest.fixture
def client(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def page(user):
    with recording(comment="first"):
        page = PointPage.objects.create(title="one", price=Decimal("1.5"))
    with recording(user, "second"):
        page.title, page.body = "two", "b"
        page.save()
    return page


def change(name, old, new):
    return {"name": name, "verbose_name": name, "old": old, "new": new, "note": ""}


def told(response):
    return [(row["id"], row["comment"], row["deleted"]) for row in response.json()]


def test_writes_become_versions_of_their_user(client, user):
    key = client.post("/points/", {"title": "one"}, format="json").json()["id"]
    client.patch(f"/points/{key}/", {"title": "two"}, format="json")
    client.delete(f"/points/{key}/")

    known = [(v.user, v.comment, v.data["title"]) for v in history(PointPage, key)]
    assert known == [(user, "Partial update", "two"), (user, "Create", "one")]
    assert not PointPage.objects.filter(pk=key).exists()


def test_the_history_has_every_row(client, user, page):
    response = client.get(f"/points/{page.pk}/history/")

    newest, oldest = history(page)
    assert (newest.id, oldest.id) == (f"{page.pk}.2", f"{page.pk}.1")
    first, second = response.json()
    assert (first["id"], first["user"]) == (newest.id, {"id": user.pk, "name": "carl"})
    assert first["changes"] == [change("title", "one", "two"), change("body", "", "b")]
    assert (second["id"], second["user"], second["changes"]) == (oldest.id, None, [])
    assert told(response) == [(newest.id, "second", False), (oldest.id, "first", False)]


def test_it_is_narrowed_and_comes_in_pages(client, user, page):
    PointPage.objects.filter(pk=page.pk).update(kind="n")
    address = f"/news/{page.pk}/history/"

    by = client.get(f"{address}?user={user.pk}").json()["results"]
    changing = client.get(f"{address}?field=kind").json()["results"]
    pages = [client.get(address).json()]
    while following := pages[-1]["next"]:
        pages.append(client.get(following).json())

    assert [row["id"] for row in by] == [f"{page.pk}.2"]
    assert [row["id"] for row in changing] == [f"{page.pk}.3"]
    assert [row["id"] for each in pages for row in each["results"]] == [
        f"{page.pk}.{number}" for number in (3, 2, 1)
    ]


def test_one_version_has_all_values(client, page):
    response = client.get(f"/points/{page.pk}/history/{page.pk}.1/")

    data = response.json()["data"]
    assert (response.status_code, response.json()["object"]) == (200, page.pk)
    assert data == {
        "id": page.pk,
        "title": "one",
        "body": "",
        "kind": "a",
        "price": "1.5000",
        "extra": {},
        "section": None,
        "end_at": None,
    }


def test_two_versions_are_compared(client, page):
    response = client.get(f"/points/{page.pk}/compare/?from={page.pk}.2&to={page.pk}.1")

    assert response.json() == {
        "from": f"{page.pk}.2",
        "to": f"{page.pk}.1",
        "changes": [change("title", "two", "one"), change("body", "b", "")],
    }


def test_a_format_may_follow_the_id(client, page):
    statuses = [
        client.get(f"/points/{page.pk}/history/{page.pk}.{ending}").status_code
        for ending in ("1.json", "1/", "99/", "json", "x/")
    ]

    assert statuses == [200, 200, 404, 404, 404]


def test_fields_are_reverted_as_a_new_version(client, user, page):
    oldest = f"{page.pk}.1"
    body = {"fields": {"title": oldest}, "expected_version": f"{page.pk}.2"}

    planned = client.post(f"/points/{page.pk}/revert/", {**body, "dry_run": True}, format="json")
    done = client.post(f"/points/{page.pk}/revert/", body, format="json")

    changes = [change("title", "two", "one")]
    assert planned.json() == {"object": page.pk, "version": f"{page.pk}.2", "changes": changes}
    assert done.json() == {"object": page.pk, "version": f"{page.pk}.3", "changes": changes}
    page.refresh_from_db()
    assert (page.title, page.body, page.row_version, page.modified_by) == ("one", "b", 3, user)
    entry = client.get(f"/points/{page.pk}/history/{page.pk}.3/").json()
    assert (entry["reverted_from"], entry["changes"]) == (oldest, changes)


def test_a_rollback_takes_back_everything(client, page):
    oldest = f"{page.pk}.1"

    response = client.post(f"/points/{page.pk}/rollback/", {"version": oldest}, format="json")

    assert response.json() == {
        "object": page.pk,
        "version": f"{page.pk}.3",
        "changes": [change("title", "two", "one"), change("body", "b", "")],
    }
    assert PointPage.objects.get(pk=page.pk).title == "one"


def test_a_newer_version_than_the_one_expected_is_a_conflict(client, page):
    body = {"version": f"{page.pk}.1", "expected_version": f"{page.pk}.1"}

    response = client.post(f"/points/{page.pk}/rollback/", body, format="json")

    assert (response.status_code, response.json()["diff"]) == (
        409,
        [change("title", "one", "two"), change("body", "", "b")],
    )
    assert PointPage.objects.get(pk=page.pk).row_version == 2


def test_what_is_deleted_is_listed_and_comes_back_with_its_key(client, user, page):
    key, last = page.pk, f"{page.pk}.2"
    client.delete(f"/points/{key}/")

    listed = client.get("/points/deleted/")
    found = client.get("/points/deleted/?search=tw")
    nothing = client.get("/points/deleted/?search=one")
    statuses = [client.get(f"/points/{key}/{what}").status_code for what in ("", "history/")]
    response = client.post("/points/restore/", {"object": key}, format="json")

    assert told(listed) == told(found) == [(last, "second", False)]
    assert (listed.json()[0]["object"], listed.json()[0]["data"]["title"]) == (key, "two")
    assert (nothing.json(), statuses) == ([], [404, 404])
    answer = response.json()
    assert (response.status_code, answer["object"], answer["version"]) == (200, key, f"{key}.3")
    back = PointPage.objects.get(pk=key)
    assert (back.title, back.row_version, back.modified_by) == ("two", 3, user)
    assert client.get("/points/deleted/").json() == []


def test_it_comes_back_as_it_was_in_any_version(client, page):
    key = page.pk
    page.delete()
    body = {"version": f"{key}.1"}

    planned = client.post("/points/restore/", {**body, "dry_run": True}, format="json")
    there = PointPage.objects.filter(pk=key).exists()
    client.post("/points/restore/", body, format="json")

    assert (planned.status_code, there) == (200, False)
    assert PointPage.objects.get(pk=key).title == "one"
    again = client.post("/points/restore/", body, format="json")
    assert (again.status_code, again.json()) == (
        400,
        {"version": ["There is no such deleted object."]},
    )


def test_deleted_objects_are_for_those_to_see_who_may(client, page):
    key = page.pk
    page.delete()

    listed = client.get("/news/deleted/")
    restored = client.post("/news/restore/", {"object": key}, format="json")

    assert listed.json()["results"] == []
    assert restored.status_code == 400
    assert not PointPage.objects.filter(pk=key).exists()


@pytest.mark.parametrize("key", ["nonsense", "7", "7.", ".1", f"7.{10**30}", f"{10**30}.1", "%00"])
def test_what_is_no_version_is_not_found(client, page, key):
    there = f"{page.pk}.1"

    assert client.get(f"/points/{page.pk}/history/{key}/").status_code == 404
    compared = client.get(f"/points/{page.pk}/compare/?from={key}&to={there}")
    assert compared.status_code in {400, 404}
    assert client.get(f"/points/{key}/history/").status_code == 404
    body = {"version": key}
    assert client.post(f"/points/{page.pk}/rollback/", body, format="json").status_code == 400


def test_the_row_of_a_replaced_version_is_no_object(client, page):
    replaced = PointPage.records.get(row_id=page.pk, row_version=1)

    assert client.get(f"/points/{replaced.pk}/history/").status_code == 404


def test_the_schema_tells_of_the_actions_without_warnings(capsys):
    GENERATOR_STATS.reset()

    schema = SchemaGenerator().get_schema(public=True)

    assert not GENERATOR_STATS, capsys.readouterr().err
    paths = {p.removeprefix("/points/") for p in schema["paths"] if p.startswith("/points/")}
    assert paths == {
        "",
        "deleted/",
        "restore/",
        "{id}/",
        "{id}/compare/",
        "{id}/history/",
        "{id}/history/{version_id}/",
        "{id}/revert/",
        "{id}/rollback/",
    }
