"""Reading versions through Django REST framework; test_rest_reverts.py has the writing."""

import json
import sys
import warnings
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.core.management import call_command
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from rest_framework.authentication import BasicAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.test import APIClient

from handleref.rest import VersionPermissions
from handleref.versions import MISSING, Misfit
from handleref.versions.diff import relabelled
from handleref.versions.rest.values import described, plain
from tests.versions.models import Page, Section, Tag
from tests.versions.rest import VIEW_SETS, PageViewSet, ScopedViewSet, allowed

ISO = "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]"

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.versions.rest")]


@pytest.fixture(autouse=True)
def kept(keeper, monkeypatch):
    """Let the view sets read what the keeper under test has."""
    for views in VIEW_SETS.values():
        monkeypatch.setattr(views, "keeper", keeper.name)


@pytest.fixture
def client():
    """Return a client who may only look."""
    client = APIClient()
    client.force_authenticate(allowed("view"))
    return client


@pytest.fixture
def ids(history):
    """Return the ids of a page's versions, newest first."""
    return lambda page: [version.id for version in history(page)]


def results(response):
    assert response.status_code == 200, response.content
    return response.json()["results"]


def titles(response):
    """Return the new title of each version, None where it did not change."""
    changes = [{c["name"]: c["new"] for c in row["changes"]} for row in results(response)]
    return [changed.get("title") for changed in changes]


# History


def test_history_lists_versions_newest_first(client, page, save, users, ids, clock):
    first = clock.now
    save(page, title="two", price=Decimal("2.5"), user=users.ann, comment="why")
    newest, oldest = ids(page)

    response = client.get(f"/pages/{page.pk}/history/")

    assert response.json() == {
        "count": 2,
        "next": None,
        "previous": None,
        "results": [
            {
                "id": newest,
                "date": "2026-01-01T15:00:00+01:00",
                "user": {"id": users.ann.pk, "name": "ann"},
                "comment": "why",
                "deleted": False,
                "reverted_from": None,
                "changes": [
                    {
                        "name": "title",
                        "verbose_name": "title",
                        "old": "one",
                        "new": "two",
                        "note": "",
                    },
                    {
                        "name": "price",
                        "verbose_name": "price",
                        "old": None,
                        "new": "2.5000",
                        "note": "",
                    },
                ],
            },
            {
                "id": oldest,
                "date": "2026-01-01T14:00:00+01:00",
                "user": None,
                "comment": "first",
                "deleted": False,
                "reverted_from": None,
                "changes": [],
            },
        ],
    }
    assert datetime.fromisoformat(response.json()["results"][1]["date"]) == first


def test_history_comes_in_pages_of_the_view_set(client, page, save):
    save(page, title="two")
    save(page, title="three")

    second = client.get(f"/pages/{page.pk}/history/?size=2&page=2")
    limited = client.get(f"/limited/{page.pk}/history/?offset=1")
    cursor = client.get(f"/cursor/{page.pk}/history/?ordering=-title")
    further = client.get(cursor.json()["next"])
    whole = client.get(f"/unpaged/{page.pk}/history/")

    assert (second.json()["count"], titles(second)) == (3, [None])
    assert titles(limited) == ["two", None]
    assert (titles(cursor), titles(further)) == (["three", "two"], [None])
    assert [row["deleted"] for row in whole.json()] == [False, False, False]


def test_history_is_narrowed_by_user_field_and_moment(client, page, save, users, clock):
    save(page, body="b", user=users.ann)
    moment = clock.now.isoformat().replace("+", "%2B")
    save(page, title="two", user=users.bob)
    address = f"/pages/{page.pk}/history/"

    assert titles(client.get(f"{address}?user={users.bob.pk}")) == ["two"]
    assert titles(client.get(f"{address}?user=none")) == [None]
    assert titles(client.get(f"{address}?field=title")) == ["two"]
    assert titles(client.get(f"{address}?from={moment}")) == ["two", None]
    assert titles(client.get(f"{address}?to={moment}")) == [None]
    assert titles(client.get(f"{address}?from=2027-01-01")) == []
    assert titles(client.get(f"{address}?user={users.ann.pk}&field=title")) == []


@pytest.mark.parametrize(
    ("query", "reasons"),
    [
        ("user=somebody", {"user": ["“somebody” is the key of no user."]}),
        ("field=seen", {"field": ["“seen” is not among the fields that are shown."]}),
        ("from=0001-01-01", {"from": ["Datetime value out of range."]}),
        ("to=9999-12-31T23:59-10:00", {"to": ["Datetime value out of range."]}),
        (
            "from=yesterday",
            {"from": [f"Datetime has wrong format. Use one of these formats instead: {ISO}."]},
        ),
    ],
)
def test_history_refuses_what_it_does_not_understand(client, page, query, reasons):
    response = client.get(f"/pages/{page.pk}/history/?{query}")

    assert (response.status_code, response.json()) == (400, reasons)


@pytest.mark.parametrize("user", [10**30, -1, "%F0%9F%92%A9"])
def test_history_by_a_user_whom_there_cannot_be(client, page, user):
    response = client.get(f"/pages/{page.pk}/history/?user={user}")

    assert response.status_code == 400 or titles(response) == []


def test_history_takes_the_same_queries_for_any_number(
    client, page, save, record, keeper, django_assert_num_queries
):
    tag, section = Tag.objects.create(name="a"), Section.objects.create(name="s")
    for number in range(20):
        save(page, title=f"title {number}", body=str(number), price=number, section=section)
        record(lambda number=number: page.tags.set([tag] if number % 2 else []))
    address = f"/pages/{page.pk}/history/"
    client.get(address)

    for size in (3, 30):
        # The object, the count, the page, what was before it (2); permissions are known.
        # Of events, the links are read for themselves: of the page, and of what was before it.
        with django_assert_num_queries(7 if keeper.name == "events" else 5):
            listed = client.get(f"{address}?size={size}")
        assert len(results(listed)) == size


def test_history_of_a_soft_deleted_object(client, page, record):
    record(page.delete)

    response = client.get(f"/pages/{page.pk}/history/")

    assert [row["deleted"] for row in results(response)] == [True, False]
    assert client.get(f"/pages/{page.pk}/").status_code == 404


def test_no_history_of_what_is_out_of_scope_or_gone(client, page, save, record):
    news = save(Page(title="news", kind="n"))
    key = news.pk

    assert client.get(f"/news/{page.pk}/history/").status_code == 404
    assert client.get(f"/news/{key}/history/").status_code == 200
    record(lambda: news.delete(hard=True))
    assert client.get(f"/news/{key}/history/").status_code == 404


def test_filters_of_the_view_set_do_not_read_the_parameters_of_the_history(client, page, save):
    save(page, title="two")

    response = client.get(f"/pages/{page.pk}/history/?since=2099-01-01&deleted=maybe")

    assert titles(response) == ["two", None]


def test_only_fields_of_the_serializer_are_shown(client, save, ids):
    page = save(Page(title="one", kind="n"))
    save(page, title="two", body="secret")
    newest, oldest = ids(page)

    listed = client.get(f"/news/{page.pk}/history/").json()["results"]
    detail = client.get(f"/news/{page.pk}/history/{newest}/").json()
    compared = client.get(f"/news/{page.pk}/compare/?from={oldest}&to={newest}").json()

    changes = [{"name": "title", "verbose_name": "title", "old": "one", "new": "two", "note": ""}]
    assert [row["changes"] for row in listed] == [changes, []]
    assert (detail["changes"], detail["data"]) == (changes, {"id": page.pk, "title": "two"})
    assert compared["changes"] == changes


def test_a_view_set_may_show_all_fields(client, page, save, ids, monkeypatch):
    monkeypatch.setattr(ScopedViewSet, "get_version_fields", lambda self: None)
    save(page, kind="n", body="b")

    response = client.get(f"/news/{page.pk}/history/{ids(page)[0]}/")

    assert [change["name"] for change in response.json()["changes"]] == ["body", "kind"]
    assert {"version", "created", "body"} <= response.json()["data"].keys()


def test_hooks_have_a_say_in_every_change(client, page, save, monkeypatch):
    hooks = {"title": lambda change: relabelled(change, new="…"), "body": lambda change: None}
    monkeypatch.setattr(PageViewSet, "diff_hooks", hooks)
    save(page, title="two", body="b")

    response = client.get(f"/pages/{page.pk}/history/")

    assert titles(response) == ["…", None]
    assert len(results(response)[0]["changes"]) == 1


# One version, and two


def test_one_version_has_all_values(client, save, record, history):
    section = Section.objects.create(name="s")
    tags = [Tag.objects.create(name=name) for name in "ab"]
    printed = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
    page = save(Page(title="<b>", price=Decimal("1.1000"), printed=printed, section=section))
    page.extra = {"a": [1, None, "ü"]}
    save(page)
    record(lambda: page.tags.set(tags))
    version = history(page).first()

    response = client.get(f"/pages/{page.pk}/history/{version.id}/")

    assert response.status_code == 200
    keys = [tag.pk for tag in tags]
    assert response.json() == {
        "id": version.id,
        "date": "2026-01-01T16:00:00+01:00",
        "user": None,
        "comment": "",
        "deleted": False,
        "reverted_from": None,
        "changes": [{"name": "tags", "verbose_name": "tags", "old": [], "new": keys, "note": ""}],
        "object": page.pk,
        "data": {
            "id": page.pk,
            "status": "ok",
            "title": "<b>",
            "body": "",
            "kind": "a",
            "price": "1.1000",
            "printed": "2026-05-01T14:00:00.123456+02:00",
            "extra": {"a": [1, None, "ü"]},
            "section": section.pk,
            "tags": keys,
        },
    }


def test_two_versions_are_compared(client, page, save, ids):
    save(page, title="two", body="b")
    save(page, title="three", body="")
    newest, _middle, oldest = ids(page)

    forth = client.get(f"/pages/{page.pk}/compare/?from={oldest}&to={newest}")
    back = client.get(f"/pages/{page.pk}/compare/?from={newest}&to={oldest}")

    change = {"name": "title", "verbose_name": "title", "note": ""}
    assert forth.json() == {
        "from": oldest,
        "to": newest,
        "changes": [change | {"old": "one", "new": "three"}],
    }
    assert back.json()["changes"] == [change | {"old": "three", "new": "one"}]


def test_two_versions_must_be_named(client, page):
    response = client.get(f"/pages/{page.pk}/compare/?to=")

    assert response.status_code == 400
    assert response.json() == {
        "from": ["This field is required."],
        "to": ["This field may not be blank."],
    }


@pytest.mark.parametrize("key", [10**30, -1, "nonsense", "1e3", "%00", "%F0%9F%92%A9", "null"])
def test_versions_that_do_not_exist(client, page, ids, key):
    there, address = ids(page)[0], f"/pages/{page.pk}"

    assert client.get(f"{address}/history/{key}/").status_code == 404
    assert client.get(f"{address}/compare/?from={key}&to={there}").status_code in {404, 400}
    assert client.get(f"/pages/{key}/history/").status_code == 404


def test_versions_of_another_object(client, page, save, ids):
    [foreign], [own] = ids(save(Page(title="other"))), ids(page)

    assert client.get(f"/pages/{page.pk}/history/{foreign}/").status_code == 404
    assert client.get(f"/pages/{page.pk}/compare/?from={own}&to={foreign}").status_code == 404


# Deleted objects


def names(response):
    return [row["data"]["title"] for row in results(response)]


def test_deleted_objects_are_listed_and_searched(client, page, save, record):
    gone, hidden = save(Page(title="gone")), save(Page(title="hidden"))
    key = gone.pk
    record(lambda: gone.delete(hard=True))
    record(hidden.delete)

    response = client.get("/pages/deleted/")

    assert names(response) == ["hidden", "gone"]
    assert [row["object"] for row in results(response)] == [hidden.pk, key]
    assert [row["deleted"] for row in results(response)] == [True, True]
    assert names(client.get("/pages/deleted/?search=HID")) == ["hidden"]
    assert names(client.get("/pages/deleted/?size=1&page=2")) == ["gone"]


def test_soft_deleted_rows_out_of_scope_are_left_out(client, save, record):
    kinds = {"seen": "n", "unseen": "a", "gone": "a"}
    pages = [save(Page(title=title, kind=kind)) for title, kind in kinds.items()]
    for page in pages[:2]:
        record(page.delete)
    record(lambda: pages[2].delete(hard=True))

    assert names(client.get("/news/deleted/")) == ["gone", "seen"]


def test_what_is_gone_is_for_the_view_set_to_hide(client, save, record, monkeypatch):
    for title in ("gone", "secret"):
        page = save(Page(title=title))
        record(lambda page=page: page.delete(hard=True))
    search = lambda self, history: history.search("gone")  # noqa: E731
    monkeypatch.setattr(PageViewSet, "filter_deleted", search)

    assert names(client.get("/pages/deleted/")) == ["gone"]


def test_deleted_objects_take_the_same_queries_for_any_number(
    client, save, record, django_assert_num_queries
):
    for number in range(31):
        page = save(Page(title=f"title {number}"))
        record(page.delete if number % 2 else lambda page=page: page.delete(hard=True))
    client.get("/pages/deleted/")

    for size in (3, 30):
        # The count, the page, what was before it (2), which rows are there, and which in scope.
        with django_assert_num_queries(6):
            listed = client.get(f"/pages/deleted/?size={size}")
        assert len(results(listed)) == size


# Permissions

READING = ["history/", "history/{id}/", "compare/?from={id}&to={id}"]


@pytest.mark.parametrize("address", [*(f"{{pk}}/{end}" for end in READING), "deleted/"])
def test_reading_needs_the_permission_to_view(page, ids, address):
    address = "/pages/" + address.format(pk=page.pk, id=ids(page)[0])
    client, statuses = APIClient(), []

    for user in (None, allowed("add", "change", "delete", name="dora"), allowed("view")):
        client.force_authenticate(user)
        statuses.append((client.get(address).status_code, client.head(address).status_code))

    assert statuses == [(403, 403), (403, 403), (200, 200)]


def test_whoever_could_say_who_they_are_is_asked(page, monkeypatch):
    monkeypatch.setattr(PageViewSet, "authentication_classes", [BasicAuthentication])

    response = APIClient().get(f"/pages/{page.pk}/history/")

    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Basic realm="api"')


def test_the_view_set_s_own_permissions_are_asked_too(client, page, monkeypatch):
    class Mine(IsAuthenticated):
        message = "Not yours."

        def has_object_permission(self, request, view, obj):
            return (request.method, view.action, obj.title) != ("GET", "history", "one")

    monkeypatch.setattr(PageViewSet, "get_permissions", lambda self: [Mine()])

    response = client.get(f"/pages/{page.pk}/history/")

    assert (response.status_code, response.json()) == (403, {"detail": "Not yours."})


def test_permissions_of_the_view_set_s_own_making_do_not_replace_ours(page, monkeypatch):
    monkeypatch.setattr(PageViewSet, "get_permissions", lambda self: [IsAuthenticated()])
    client = APIClient()
    client.force_authenticate(allowed("change"))

    assert client.get(f"/pages/{page.pk}/history/").status_code == 403
    assert client.get(f"/pages/{page.pk}/").status_code == 200


def test_other_permissions_can_be_asked_for(page, monkeypatch):
    monkeypatch.setattr(PageViewSet, "version_permission_classes", [])

    assert APIClient().get(f"/pages/{page.pk}/history/").status_code == 200


def test_permissions_are_asked_by_method():
    assert VersionPermissions().get_required_permissions("GET", Page) == [
        "versions_tests.view_page"
    ]
    assert VersionPermissions().get_required_permissions("PATCH", Page) == [
        "versions_tests.change_page"
    ]


def test_nothing_is_changed_by_reading(client, page, ids):
    [key] = ids(page)

    statuses = [
        client.get(f"/pages/{page.pk}/{name}/").status_code for name in ("revert", "rollback")
    ]

    assert [*statuses, client.get("/pages/restore/").status_code] == [405, 405, 405]
    assert ids(page) == [key]


# Values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (MISSING, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (Decimal("1E+3"), "1000"),
        ("text", "text"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(1, 2, 3), "01:02:03"),
        (timedelta(days=1, seconds=2), "1 00:00:02"),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), "2026-01-01T13:00:00+01:00"),
        (datetime(9999, 12, 31, 23, 30, tzinfo=UTC), "9999-12-31T23:30:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\xff\x00", "/wA="),
        (memoryview(b"\xff\x00"), "/wA="),
        ((1, Decimal("2.50")), [1, "2.50"]),
        ({1: [float("nan")], "b": None}, {"1": ["nan"], "b": None}),
        (Misfit("x"), "x"),
        (Misfit([b"a"]), ["YQ=="]),
    ],
)
def test_values_fit_into_json(value, expected):
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == expected


# The schema


@pytest.fixture
def schema(capsys):
    GENERATOR_STATS.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schema = SchemaGenerator().get_schema(public=True)
    assert not GENERATOR_STATS, capsys.readouterr().err
    return schema


def test_schema_is_valid_and_free_of_warnings(tmp_path, settings):
    settings.ROOT_URLCONF = "tests.versions.rest"
    path = tmp_path / "schema.yml"

    call_command("spectacular", file=str(path), validate=True, fail_on_warn=True)

    assert "VersionReversal" in path.read_text(encoding="utf-8")


def test_schema_tells_what_is_asked_and_answered(schema):
    paths = {
        path.removeprefix("/pages/"): methods
        for path, methods in schema["paths"].items()
        if path.startswith("/pages/")
    }
    parameters = {
        path: [parameter["name"] for parameter in methods["get"]["parameters"]]
        for path, methods in paths.items()
        if "get" in methods and path not in {"", "{id}/"}
    }
    answers = {
        path: sorted(methods["post"]["responses"])
        for path, methods in paths.items()
        if path in {"{id}/revert/", "{id}/rollback/", "restore/"}
    }

    assert parameters == {
        "deleted/": ["page", "search", "size"],
        "{id}/compare/": ["from", "id", "to"],
        "{id}/history/": ["field", "from", "id", "page", "size", "to", "user"],
        "{id}/history/{version_id}/": ["id", "version_id"],
    }
    assert [*answers.values()] == [["200", "400", "409"]] * 3
    fields = schema["components"]["schemas"]["VersionRevert"]["properties"]
    assert fields["fields"]["additionalProperties"] == {
        "oneOf": [{"type": "integer"}, {"type": "string"}]
    }


def test_without_drf_spectacular_nothing_is_described(monkeypatch):
    monkeypatch.setitem(sys.modules, "drf_spectacular", None)

    assert described(field={})(plain) is plain
