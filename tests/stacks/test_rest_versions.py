"""The REST actions of versions, over rows that are versions."""

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from rest_framework.pagination import PageNumberPagination
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIClient
from rest_framework.viewsets import ModelViewSet

from handleref.rest import VersionViewSetMixin
from handleref.stacks.context import recording
from handleref.versions import history
from tests.stacks.models import StackPage
from tests.versions.models import Tag

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class PageSerializer(ModelSerializer):
    class Meta:
        model = StackPage
        fields = ["id", "title", "body", "kind", "price", "extra", "section", "tags"]


class RowViewSet(VersionViewSetMixin, ModelViewSet):
    """Every version has an address."""

    queryset = StackPage.objects.order_by("pk")
    serializer_class = PageSerializer
    pagination_class = type(
        "Numbered", (PageNumberPagination,), {"page_size": 50, "page_size_query_param": "size"}
    )


class StackViewSet(VersionViewSetMixin, ModelViewSet):
    """Every stack has one address, whichever version is its latest."""

    queryset = StackPage.objects.latest_from_stack_group()
    serializer_class = PageSerializer
    lookup_field = "stack_group_uuid"


router = DefaultRouter()
router.register("rows", RowViewSet, basename="rows")
router.register("stacks", StackViewSet, basename="stacks")
urlpatterns = router.urls


@pytest.fixture
def user(db):
    user = get_user_model().objects.create_user("carl")
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_stackpage"))
    return user


@pytest.fixture
def client(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def page(user):
    with recording(comment="first"):
        page = StackPage.objects.create(title="one", price=Decimal("1.5"))
    with recording(user, "second"):
        page.title, page.body = "two", "b"
        page.save()
    return page


@pytest.fixture
def address(page):
    return f"/stacks/{page.stack_group_uuid}"


def ids(page):
    return [version.id for version in history(page)]


def change(name, old, new):
    return {"name": name, "verbose_name": name, "old": old, "new": new, "note": ""}


def test_writes_become_versions_of_their_user(client, user):
    key = client.post("/stacks/", {"title": "one"}, format="json").json()["id"]
    group = StackPage.objects.get(pk=key).stack_group_uuid
    client.patch(f"/stacks/{group}/", {"title": "two"}, format="json")
    client.put(f"/stacks/{group}/", {"title": "three", "tags": []}, format="json")

    known = [(v.user, v.comment, v.data["title"]) for v in history(StackPage, group)]
    assert known == [
        (user, "Update", "three"),
        (user, "Partial update", "two"),
        (user, "Create", "one"),
    ]


def test_the_history_is_that_of_the_stack(client, user, page, address):
    newest, oldest = ids(page)

    response = client.get(f"{address}/history/")

    first, second = response.json()
    assert (first["id"], first["user"]) == (newest, {"id": user.pk, "name": "carl"})
    assert (first["comment"], first["deleted"]) == ("second", False)
    assert first["changes"] == [change("title", "one", "two"), change("body", "", "b")]
    assert (second["id"], second["user"], second["changes"]) == (oldest, None, [])
    for key in (newest, oldest):
        by_row = client.get(f"/rows/{key}/history/").json()["results"]
        assert [row["id"] for row in by_row] == [newest, oldest]


def test_it_takes_the_same_queries_for_any_number(client, page, django_assert_num_queries):
    tag = Tag.objects.create(name="t")
    for number in range(20):
        page.title = f"title {number}"
        page.save()
        page.tags.set([tag] if number % 2 else [])
    client.get(f"/rows/{page.pk}/history/")

    for size in (3, 20):
        # The object, the count, the page and its links, what was before it (2; without links).
        with django_assert_num_queries(6):
            listed = client.get(f"/rows/{page.pk}/history/?size={size}")
        assert len(listed.json()["results"]) == size


def test_it_is_narrowed(client, user, page, address):
    newest, oldest = ids(page)
    found = {
        query: [row["id"] for row in client.get(f"{address}/history/?{query}").json()]
        for query in (f"user={user.pk}", "user=none", "field=title", "field=kind", "field=tags")
    }

    assert found == {
        f"user={user.pk}": [newest],
        "user=none": [oldest],
        "field=title": [newest],
        "field=kind": [],
        "field=tags": [],
    }


def test_one_version_has_all_values(client, page, address):
    oldest = ids(page)[1]

    response = client.get(f"{address}/history/{oldest}/")

    assert response.json()["object"] == str(page.stack_group_uuid)
    assert response.json()["data"] == {
        "id": oldest,
        "title": "one",
        "body": "",
        "kind": "a",
        "price": "1.5000",
        "extra": {},
        "section": None,
        "tags": [],
    }


def test_two_versions_are_compared(client, page, address):
    newest, oldest = ids(page)

    response = client.get(f"{address}/compare/?from={newest}&to={oldest}")

    assert response.json() == {
        "from": newest,
        "to": oldest,
        "changes": [change("title", "two", "one"), change("body", "b", "")],
    }


def test_fields_are_reverted_as_a_new_version(client, user, page, address):
    newest, oldest = ids(page)
    body = {"fields": {"title": oldest}, "expected_version": newest}

    planned = client.post(f"{address}/revert/", {**body, "dry_run": True}, format="json")
    done = client.post(f"{address}/revert/", body, format="json")

    latest = page.latest_instance()
    answer = {
        "object": str(page.stack_group_uuid),
        "changes": [change("title", "two", "one")],
    }
    assert planned.json() == {**answer, "version": newest}
    assert done.json() == {**answer, "version": latest.pk}
    assert (latest.title, latest.body, latest.stack_number) == ("one", "b", 3)
    assert latest.stack_user == user
    entry = client.get(f"{address}/history/{latest.pk}/").json()
    assert (entry["reverted_from"], entry["changes"]) == (oldest, answer["changes"])


def test_from_the_address_of_an_old_version_it_is_the_latest_that_is_rolled_back(client, page):
    newest, oldest = ids(page)

    response = client.post(f"/rows/{oldest}/rollback/", {"version": oldest}, format="json")

    latest = page.latest_instance()
    assert response.json() == {
        "object": str(page.stack_group_uuid),
        "version": latest.pk,
        "changes": [change("title", "two", "one"), change("body", "b", "")],
    }
    assert ids(page) == [latest.pk, newest, oldest]


def test_a_newer_version_than_the_one_expected_is_a_conflict(client, page, address):
    oldest = ids(page)[1]
    body = {"version": oldest, "expected_version": oldest}

    response = client.post(f"{address}/rollback/", body, format="json")

    assert (response.status_code, response.json()["diff"]) == (
        409,
        [change("title", "one", "two"), change("body", "", "b")],
    )
    assert page.latest_instance() == page


def test_nothing_is_among_the_deleted(client, page):
    gone = StackPage.objects.create(title="gone")
    key, group = gone.pk, gone.stack_group_uuid
    gone.force_delete()

    listed = client.get("/stacks/deleted/")
    refused = [
        client.post("/stacks/restore/", body, format="json").status_code
        for body in ({"object": group}, {"version": key}, {"version": page.pk}, {"object": "x"})
    ]

    assert (listed.json(), refused) == ([], [400] * 4)


@pytest.mark.parametrize("key", ["nonsense", 10**30, "%00"])
def test_what_is_no_version_is_not_found(client, page, address, key):
    assert client.get(f"{address}/history/{key}/").status_code == 404
    compared = client.get(f"{address}/compare/?from={key}&to={page.pk}")
    assert compared.status_code in {400, 404}
    assert client.get(f"/rows/{key}/history/").status_code == 404
    assert client.get(f"/stacks/{key}/history/").status_code == 404
    body = {"version": key}
    assert client.post(f"{address}/rollback/", body, format="json").status_code == 400


def test_the_schema_tells_of_the_actions_without_warnings(capsys):
    GENERATOR_STATS.reset()

    schema = SchemaGenerator().get_schema(public=True)

    assert not GENERATOR_STATS, capsys.readouterr().err
    paths = {p.removeprefix("/stacks/") for p in schema["paths"] if p.startswith("/stacks/")}
    assert paths == {
        "",
        "deleted/",
        "restore/",
        "{stack_group_uuid}/",
        "{stack_group_uuid}/compare/",
        "{stack_group_uuid}/history/",
        "{stack_group_uuid}/history/{version_id}/",
        "{stack_group_uuid}/revert/",
        "{stack_group_uuid}/rollback/",
    }
