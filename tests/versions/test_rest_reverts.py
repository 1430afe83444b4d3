"""Writing through Django REST framework: what becomes a version, and how one goes back."""

import pytest
from django.contrib.auth import get_user_model
from rest_framework.permissions import BasePermission, DjangoModelPermissions
from rest_framework.test import APIClient

from handleref.versions import Reverter
from tests.versions.models import Page, Section
from tests.versions.rest import PageViewSet, ScopedViewSet, allowed

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.versions.rest")]

EVERYTHING = ("view", "add", "change", "delete")


@pytest.fixture(autouse=True)
def kept(keeper, monkeypatch):
    """Let the view sets write what the keeper under test has."""
    for views in (PageViewSet, ScopedViewSet):
        monkeypatch.setattr(views, "keeper", keeper.name)


@pytest.fixture
def user(db):
    return allowed(*EVERYTHING)


@pytest.fixture
def client(user):
    return client_of(user)


@pytest.fixture
def ids(history):
    """Return the ids of a page's versions, newest first."""
    return lambda page: [version.id for version in history(page)]


@pytest.fixture
def last(history):
    """Return what is known of the last version of a page."""

    def last(page):
        version = history(page).first()
        return version.user, version.comment, version.is_deleted, version.data["title"]

    return last


def client_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


def post(client, address, **body):
    """Return status code and JSON of a posted body."""
    response = client.post(address, body, format="json")
    return response.status_code, response.json()


def change(name, old, new, note=""):
    verbose_name = Page._meta.get_field(name).verbose_name
    return {"name": name, "verbose_name": verbose_name, "old": old, "new": new, "note": note}


# What the view set writes


def test_writes_become_versions(client, user, history, last):
    key = client.post("/pages/", {"title": "one"}, format="json").json()["id"]
    page = Page.objects.get(pk=key)
    said = [last(page)]
    client.patch(f"/pages/{key}/", {"title": "two"}, format="json")
    said.append(last(page))
    client.put(f"/pages/{key}/", {"title": "three"}, format="json")
    said.append(last(page))
    client.post(f"/pages/{key}/shout/")
    said.append(last(page))
    client.delete(f"/pages/{key}/")
    said.append(last(page))

    assert said == [
        (user, "Create", False, "one"),
        (user, "Partial update", False, "two"),
        (user, "Update", False, "three"),
        (user, "Shout", False, "THREE"),
        (user, "Destroy", True, "THREE"),
    ]
    assert history(page).count() == 5


def test_whoever_is_not_logged_in_is_nobody(page, last):
    response = APIClient().patch(f"/pages/{page.pk}/", {"title": "two"}, format="json")

    assert response.status_code == 200
    assert last(page) == (None, "Partial update", False, "two")


def test_user_and_comment_are_for_the_view_set_to_say(client, page, last, users, monkeypatch):
    said = lambda self: self.request.headers["X-Comment"]  # noqa: E731
    monkeypatch.setattr(PageViewSet, "get_version_comment", said)
    monkeypatch.setattr(PageViewSet, "get_version_user", lambda self: users.bob)

    client.post(f"/pages/{page.pk}/shout/", headers={"X-Comment": "because"})

    assert last(page) == (users.bob, "because", False, "ONE")


def test_what_is_refused_is_not_written(client, page, history):
    response = client.post(f"/pages/{page.pk}/shout/", {"refuse": 1}, format="json")

    assert (response.status_code, response.json()) == (400, ["Too loud."])
    assert Page.objects.get(pk=page.pk).title == "one"
    assert history(page).count() == 1


# Revert


def test_fields_are_reverted(client, page, save, ids, user, history):
    save(page, title="two", body="b")
    save(page, title="three", body="c")
    _newest, middle, oldest = ids(page)

    answer = post(
        client, f"/pages/{page.pk}/revert/", fields={"title": oldest, "body": str(middle)}
    )

    page.refresh_from_db()
    version = history(page).first()
    assert (page.title, page.body, version.user) == ("one", "b", user)
    assert answer == (
        200,
        {
            "object": page.pk,
            "version": version.id,
            "changes": [change("title", "three", "one"), change("body", "c", "b")],
        },
    )
    assert version.comment.startswith("Took back ")
    entry = client.get(f"/pages/{page.pk}/history/").json()["results"][0]
    assert (entry["reverted_from"], entry["user"]["name"]) == (middle, "carl")


def test_a_dry_run_tells_and_does_nothing(client, page, save, ids):
    save(page, title="two")
    newest, oldest = ids(page)

    answers = [
        post(client, f"/pages/{page.pk}/revert/", fields={"title": oldest}, dry_run=True),
        post(client, f"/pages/{page.pk}/rollback/", version=oldest, dry_run=True),
    ]

    expected = {"object": page.pk, "version": newest, "changes": [change("title", "two", "one")]}
    assert answers == [(200, expected)] * 2
    assert ids(page) == [newest, oldest]
    assert Page.objects.get(pk=page.pk).title == "two"


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({}, {"fields": ["This field is required."]}),
        ({"fields": {}}, {"fields": ["This dictionary may not be empty."]}),
        ({"fields": "title"}, {"fields": ['Expected a dictionary of items but got type "str".']}),
        ({"fields": {"title": None}}, {"fields": {"title": ["This field may not be null."]}}),
        ({"fields": {"title": True}}, {"fields": {"title": ["Not a valid string."]}}),
        ({"fields": {"title": [1]}}, {"fields": {"title": ["Not a valid string."]}}),
        ({"fields": {"title": "x"}}, {"fields": ["The object has no version “x”."]}),
        ({"fields": {"title": 1e400}}, {"fields": ["The object has no version “inf”."]}),
        (
            {"fields": {"seen": 1}},
            {"fields": ["“seen” is not among the fields that are shown."]},
        ),
    ],
)
def test_a_revert_must_make_sense(client, page, save, ids, body, reasons):
    save(page, title="two")

    # As text, since a client's own JSON has no infinity.
    response = client.post(
        f"/pages/{page.pk}/revert/",
        repr(body)
        .replace("'", '"')
        .replace("None", "null")
        .replace("True", "true")
        .replace("inf", "1e400"),
        content_type="application/json",
    )

    assert (response.status_code, response.json()) == (400, reasons)
    assert len(ids(page)) == 2


@pytest.mark.parametrize("dry_run", [True, False])
def test_fields_that_cannot_be_taken_back(client, page, ids, dry_run):
    [key] = ids(page)

    answer = post(client, f"/pages/{page.pk}/revert/", fields={"id": key}, dry_run=dry_run)

    assert answer == (400, {"id": ["This field cannot be taken back: every write sets it."]})


# Rollback


def test_an_object_is_rolled_back(client, page, save, ids, history):
    save(page, title="two", price=3)
    oldest = ids(page)[-1]

    answer = post(client, f"/pages/{page.pk}/rollback/", version=oldest)

    page.refresh_from_db()
    assert (page.title, page.price) == ("one", None)
    assert answer == (
        200,
        {
            "object": page.pk,
            "version": history(page).first().id,
            "changes": [change("title", "two", "one"), change("price", "3.0000", None)],
        },
    )


def test_where_nothing_differs_nothing_is_written(client, page, ids):
    [key] = ids(page)

    answer = post(client, f"/pages/{page.pk}/rollback/", version=key)

    assert answer == (200, {"object": page.pk, "version": key, "changes": []})
    assert ids(page) == [key]


def test_a_version_of_another_object_is_never_applied(client, page, save, ids):
    [foreign] = ids(save(Page(title="other", body="secret")))

    answers = [
        post(client, f"/pages/{page.pk}/rollback/", version=foreign),
        post(client, f"/pages/{page.pk}/revert/", fields={"body": foreign}),
        post(client, f"/pages/{page.pk}/rollback/", version=ids(page)[0], expected_version=foreign),
    ]

    reason = [f"The object has no version “{foreign}”."]
    names = ["version", "fields", "expected_version"]
    assert answers == [(400, {name: reason}) for name in names]
    assert Page.objects.get(pk=page.pk).body == ""


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({}, {"version": ["This field is required."]}),
        ({"version": None}, {"version": ["This field may not be null."]}),
        ({"version": False}, {"version": ["Not a valid string."]}),
        ({"version": {"id": 1}}, {"version": ["Not a valid string."]}),
        ({"version": 10**30}, {"version": [f"The object has no version “{10**30}”."]}),
        ({"version": "a\0"}, {"version": ["Null characters are not allowed."]}),
        ({"version": 1, "dry_run": "?"}, {"dry_run": ["Must be a valid boolean."]}),
        (
            {"version": 1, "expected_version": []},
            {"expected_version": ["Not a valid string."]},
        ),
    ],
)
def test_a_rollback_must_make_sense(client, page, body, reasons):
    assert post(client, f"/pages/{page.pk}/rollback/", **body) == (400, reasons)


def test_an_unknown_object_is_not_rolled_back(client, page, ids):
    [key] = ids(page)

    assert post(client, "/pages/nonsense/rollback/", version=key)[0] == 404
    assert post(client, f"/news/{page.pk}/rollback/", version=key)[0] == 404
    assert post(client, f"/news/{page.pk}/revert/", fields={"title": key})[0] == 404


def test_a_newer_version_is_a_conflict(client, page, save, ids):
    [seen] = ids(page)
    save(page, title="two", body="b")
    detail = "The object has changed since the version that was expected."

    for dry_run in (True, False):
        body = {"expected_version": seen, "dry_run": dry_run}
        answers = [
            post(client, f"/pages/{page.pk}/rollback/", version=seen, **body),
            post(client, f"/pages/{page.pk}/revert/", fields={"title": seen}, **body),
        ]
        diff = [change("title", "one", "two"), change("body", "", "b")]
        assert answers == [(409, {"detail": detail, "diff": diff})] * 2

    assert Page.objects.get(pk=page.pk).title == "two"
    assert len(ids(page)) == 2


def test_a_conflict_shows_no_more_than_the_rest(client, save, ids):
    page = save(Page(title="one", kind="n"))
    save(page, body="secret")
    oldest = ids(page)[-1]

    status, answer = post(
        client, f"/news/{page.pk}/rollback/", version=oldest, expected_version=oldest
    )

    assert (status, answer["diff"], "body" in answer["detail"]) == (409, [], False)


def test_the_version_expected_is_no_conflict(client, page, save, ids):
    save(page, title="two")
    newest, oldest = ids(page)

    answer = post(
        client, f"/pages/{page.pk}/rollback/", version=oldest, expected_version=str(newest)
    )

    assert answer[0] == 200
    assert Page.objects.get(pk=page.pk).title == "one"


def test_a_change_between_the_look_and_the_write_is_a_conflict(
    client, page, save, ids, monkeypatch
):
    save(page, title="two")
    rollback = Reverter.rollback

    def interrupted(self, *args, **kwargs):
        if not kwargs.get("dry_run"):
            Page.objects.filter(pk=page.pk).update(body="behind our back")
        return rollback(self, *args, **kwargs)

    monkeypatch.setattr(Reverter, "rollback", interrupted)

    status, _answer = post(client, f"/pages/{page.pk}/rollback/", version=ids(page)[-1])

    assert (status, Page.objects.get(pk=page.pk).title) == (409, "two")


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_value_that_breaks_a_rule_is_refused(client, page, save, ids, dry_run):
    save(page, title="two")
    save(Page(title="one"))

    answer = post(client, f"/pages/{page.pk}/rollback/", version=ids(page)[-1], dry_run=dry_run)

    assert answer == (400, {"title": ["Page with this Title already exists."]})


def test_a_deleted_parent_is_in_the_way(client, save, record, ids):
    section = Section.objects.create(name="s")
    page = save(Page(title="one", section=section))
    record(section.delete)
    version = ids(page)[-1]

    answers = [
        post(client, f"/pages/{page.pk}/rollback/", version=version),
        post(client, "/pages/restore/", version=version),
    ]

    assert [status for status, _ in answers] == [400, 400]
    for _, reasons in answers:
        assert [*reasons] == ["non_field_errors"]
        assert reasons["non_field_errors"][0].startswith(
            f"versions_tests.Page {page.pk} cannot be restored while its parent"
        )
    assert Page.objects.get(pk=page.pk).status == "deleted"


# Restore


def test_a_soft_deleted_object_is_restored(client, page, save, record, history, user):
    save(page, title="two")
    record(page.delete)
    deleted = client.get("/pages/deleted/").json()["results"][0]

    status, answer = post(client, "/pages/restore/", version=deleted["id"])

    page.refresh_from_db()
    version = history(page).first()
    assert (page.status, page.title, version.user) == ("ok", "two", user)
    assert (status, answer["object"], answer["version"]) == (200, page.pk, version.id)
    assert answer["changes"] == [change("status", "deleted", "ok")]
    assert client.get("/pages/deleted/").json()["results"] == []


@pytest.mark.parametrize("kind", [str, int])
def test_what_is_gone_is_restored_by_its_key(client, page, record, kind):
    key = page.pk
    record(lambda: page.delete(hard=True))

    planned = post(client, "/pages/restore/", object=kind(key), dry_run=True)
    assert not Page.objects.exists()
    status, answer = post(client, "/pages/restore/", object=kind(key))

    assert Page.objects.get(pk=key).title == "one"
    assert (planned[0], status, answer["object"]) == (200, 200, key)
    assert change("title", None, "one", "This field did not exist then.") in answer["changes"]


def test_an_object_is_restored_as_in_an_older_version(client, page, save, record, ids):
    save(page, title="two")
    key, oldest = page.pk, ids(page)[-1]
    record(lambda: page.delete(hard=True))

    status, _answer = post(client, "/pages/restore/", version=oldest)

    assert (status, Page.objects.get(pk=key).title) == (200, "one")


def test_a_newer_version_is_a_conflict_for_what_is_restored(client, page, record, ids):
    seen = ids(page)[0]
    record(page.delete)

    status, answer = post(client, "/pages/restore/", object=page.pk, expected_version=seen)

    assert (status, answer["diff"]) == (409, [change("status", "ok", "deleted")])
    assert Page.objects.get(pk=page.pk).status == "deleted"


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({}, {"non_field_errors": ["Give either version or object."]}),
        (
            {"version": 1, "object": 1},
            {"non_field_errors": ["Give either version or object."]},
        ),
        ({"version": 0}, {"version": ["There is no such deleted object."]}),
        ({"version": "nonsense"}, {"version": ["There is no such deleted object."]}),
        ({"object": 0}, {"object": ["There is no such deleted object."]}),
        ({"object": "nonsense"}, {"object": ["There is no such deleted object."]}),
        ({"object": 10**30}, {"object": ["There is no such deleted object."]}),
        ({"object": True}, {"object": ["Not a valid string."]}),
        ({"object": ""}, {"object": ["This field may not be blank."]}),
    ],
)
def test_a_restoration_must_make_sense(client, page, body, reasons):
    assert post(client, "/pages/restore/", **body) == (400, reasons)


def test_what_is_live_or_out_of_scope_is_not_restored(client, page, save, record, ids):
    unseen = save(Page(title="unseen"))
    record(unseen.delete)

    answers = [post(client, "/news/restore/", version=ids(found)[0]) for found in (page, unseen)]
    answers.append(post(client, "/news/restore/", object=unseen.pk))

    reason = ["There is no such deleted object."]
    assert answers == [(400, {name: reason}) for name in ("version", "version", "object")]
    assert Page.objects.get(pk=unseen.pk).status == "deleted"


def test_what_the_view_set_hides_is_not_restored(client, page, record, ids, monkeypatch):
    version = ids(page)[0]
    record(lambda: page.delete(hard=True))
    other = lambda self, history: history.search("other")  # noqa: E731
    monkeypatch.setattr(PageViewSet, "filter_deleted", other)

    answer = post(client, "/pages/restore/", version=version)

    assert answer == (400, {"version": ["There is no such deleted object."]})
    assert not Page.objects.exists()


# Permissions


def statuses(user, page, version):
    """Return what a user is answered who wants to revert, roll back, and restore."""
    client = client_of(user)
    return [
        post(client, f"/pages/{page.pk}/revert/", fields={"title": version}, dry_run=True)[0],
        post(client, f"/pages/{page.pk}/rollback/", version=version, dry_run=True)[0],
        post(client, "/pages/restore/", version=version, dry_run=True)[0],
    ]


def test_going_back_needs_permissions_of_its_own(page, save, ids):
    save(page, title="two")
    version = ids(page)[-1]

    nobody = statuses(None, page, version)
    others = [
        statuses(allowed(*verbs, name=f"user {number}"), page, version)
        for number, verbs in enumerate([("view", "delete"), ("add",), ("change",), EVERYTHING])
    ]

    # The page is not deleted, so that whoever may restore is told so: 400.
    assert nobody == [403, 403, 403]
    assert others == [[403, 403, 403], [403, 403, 400], [200, 200, 403], [200, 200, 400]]


def test_the_view_set_s_model_permissions_take_a_revert_for_a_change(page, save, ids, monkeypatch):
    monkeypatch.setattr(PageViewSet, "permission_classes", [DjangoModelPermissions])
    save(page, title="two")

    assert statuses(allowed("change"), page, ids(page)[-1]) == [200, 200, 403]


def test_objects_have_permissions_too(client, page, save, ids, record, monkeypatch):
    class Mine(BasePermission):
        def has_object_permission(self, request, view, obj):
            asked.append((request.method, view.action, obj.title))
            return False

    asked = []
    monkeypatch.setattr(PageViewSet, "permission_classes", [Mine])
    save(page, title="two")
    record(page.delete)

    answered = [
        post(client, f"/pages/{page.pk}/revert/", fields={"title": ids(page)[-1]})[0],
        post(client, f"/pages/{page.pk}/rollback/", version=ids(page)[-1])[0],
        post(client, "/pages/restore/", object=page.pk)[0],
    ]

    assert answered == [403, 403, 403]
    assert asked == [
        ("PATCH", "revert", "two"),
        ("PATCH", "rollback", "two"),
        ("POST", "restore", "two"),
    ]


def test_a_rollback_deletes_for_those_only_who_may_delete(page, record, ids):
    record(page.delete)
    deleted = ids(page)[0]
    record(page.restore)
    address = f"/pages/{page.pk}/rollback/"

    dora = client_of(allowed("view", "add", "change", name="dora"))
    refused = [post(dora, address, version=deleted, dry_run=dry)[0] for dry in (True, False)]
    status, _answer = post(client_of(allowed("change", "delete")), address, version=deleted)

    assert (refused, status) == ([403, 403], 200)
    assert Page.objects.get(pk=page.pk).status == "deleted"


def test_an_undelete_in_disguise_needs_the_permission_to_add(page, record, ids):
    live = ids(page)[0]
    record(page.delete)
    disguises = [("rollback", {"version": live}), ("revert", {"fields": {"status": live}})]

    dora = client_of(allowed("view", "change", "delete", name="dora"))
    refused = [post(dora, f"/pages/{page.pk}/{name}/", **body)[0] for name, body in disguises]
    client = client_of(allowed("change", "add"))
    status, _answer = post(client, f"/pages/{page.pk}/revert/", fields={"status": live})

    assert (refused, status) == ([403, 403], 200)
    assert Page.objects.get(pk=page.pk).status == "ok"


def test_a_deletion_in_disguise_is_one_to_the_view_set_too(client, page, record, ids, monkeypatch):
    class Keep(BasePermission):
        def has_permission(self, request, view):
            return (request.method, view.action) != ("DELETE", "destroy")

    monkeypatch.setattr(PageViewSet, "permission_classes", [Keep])
    record(page.delete)
    deleted = ids(page)[0]
    record(page.restore)

    assert post(client, f"/pages/{page.pk}/rollback/", version=deleted)[0] == 403


def test_a_session_needs_its_token(page, save, ids):
    save(page, title="two")
    user = get_user_model().objects.create_superuser("root")
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)

    status, answer = post(client, f"/pages/{page.pk}/rollback/", version=ids(page)[-1])

    assert (status, answer) == (403, {"detail": "CSRF Failed: CSRF cookie not set."})
    assert Page.objects.get(pk=page.pk).title == "two"


def test_the_pages_of_the_framework_show_the_forms(client, page, ids, monkeypatch):
    class Mine(BasePermission):
        def has_object_permission(self, request, view, obj):
            return obj.title == "one"

    monkeypatch.setattr(PageViewSet, "permission_classes", [Mine])
    [key] = ids(page)
    detail, html = f"/pages/{page.pk}", {"accept": "text/html"}

    reading = [
        client.get(f"{detail}/{end}", headers=html)
        for end in ("history/", f"history/{key}/", f"compare/?from={key}&to={key}")
    ]
    writing = client.post(f"{detail}/rollback/", {"version": key}, headers=html)
    options = client.options(f"{detail}/revert/", headers={"accept": "application/json"}).json()

    assert [response.status_code for response in [*reading, writing]] == [200] * 4
    assert 'name="expected_version"' in writing.content.decode()
    assert [*options["actions"]["POST"]] == ["fields", "expected_version", "dry_run"]
