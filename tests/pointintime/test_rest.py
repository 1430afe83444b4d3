"""Point-in-time objects over Django REST framework."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient, APIRequestFactory

from handleref.pointintime.recording import recording
from handleref.pointintime.signals import purged, rolled_back
from handleref.rest import PointInTimeModelViewSet
from handleref.versions import history
from tests.pointintime import relations
from tests.pointintime.library import change, moment
from tests.pointintime.models import Article, Citation, Counter, PointPage, Tag, Tariff, Verdict
from tests.pointintime.rest import allowed

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.pointintime.rest")]

ARTICLE = [f"{verb}_article" for verb in ("view", "add", "change", "delete", "rollback", "purge")]
ANYTHING_ELSE = ["yesterday", "", "7", "1700000000", "2024-13-01", "2024-01-01T25:00"]


@pytest.fixture
def user():
    return allowed(*ARTICLE)


@pytest.fixture
def client(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def root():
    """Return a client who may do everything."""
    client = APIClient()
    client.force_authenticate(get_user_model().objects.create_superuser("root"))
    return client


@pytest.fixture
def receiver():
    """Listen to a signal, and return what it says."""
    heard, connected = [], []

    def listen(signal):
        def hear(**said):
            heard.append(said)

        signal.connect(hear, sender=Article)
        connected.append((signal, hear))
        return heard

    yield listen
    for signal, hear in connected:
        signal.disconnect(hear, sender=Article)


@pytest.fixture
def article():
    """Return an article of two versions, and the moments before each."""
    article = Article.objects.create(header="one", body="b")
    article.early = moment()
    change(article, header="two")
    return article


def headers(response):
    assert response.status_code == 200, response.content
    return [row["header"] for row in response.json()]


# Reading


def test_objects_are_served_as_they_are(client, article):
    Article.objects.create(header="gone").delete()

    listed = client.get("/articles/")
    shown = client.get(f"/articles/{article.pk}/")

    assert headers(listed) == ["two"]
    assert {name: shown.json()[name] for name in ("id", "row_id", "row_version", "header")} == {
        "id": article.pk,
        "row_id": article.pk,
        "row_version": 2,
        "header": "two",
    }


def test_version_at_shows_what_was_known_under_the_key_of_the_object(client, article):
    later = Article.objects.create(header="later")
    given = {"version_at": article.early.isoformat()}

    listed = client.get("/articles/", given)
    shown = client.get(f"/articles/{article.pk}/", given)

    assert [(row["id"], row["header"]) for row in listed.json()] == [(article.pk, "one")]
    assert (shown.json()["id"], shown.json()["header"], shown.json()["row_version"]) == (
        article.pk,
        "one",
        1,
    )
    assert client.get(f"/articles/{later.pk}/", given).status_code == 404
    assert client.head(f"/articles/{later.pk}/", given).status_code == 404
    assert client.head(f"/articles/{article.pk}/", given).status_code == 200


def test_a_replaced_row_has_no_address(client, article):
    replaced = Article.records.get(row_id=article.pk, row_version=1)

    assert client.get(f"/articles/{replaced.pk}/").status_code == 404
    given = {"version_at": article.early.isoformat()}
    assert client.get(f"/articles/{replaced.pk}/", given).status_code == 404


@pytest.mark.parametrize("key", ["x", "%00", 10**30, "-1"])
def test_what_is_no_key_is_not_found(client, article, key):
    for given in ({}, {"version_at": article.early.isoformat()}):
        assert client.get(f"/articles/{key}/", given).status_code == 404


def test_what_is_deleted_is_there_in_the_past(client, article):
    article.delete()

    assert client.get(f"/articles/{article.pk}/").status_code == 404
    past = client.get(f"/articles/{article.pk}/", {"version_at": article.early.isoformat()})
    assert past.json()["header"] == "one"


def test_active_at_shows_what_is_true_then(client):
    start = datetime(2030, 1, 1, tzinfo=UTC)
    Article.objects.create(header="old", end_at=start)
    Article.objects.create(header="new", start_at=start)

    assert headers(client.get("/articles/", {"active_at": now().isoformat()})) == ["old"]
    assert headers(client.get("/articles/", {"active_at": "2030-01-01T00:00:00Z"})) == ["new"]
    assert sorted(headers(client.get("/articles/"))) == ["new", "old"]


def test_both_times_are_asked_at_once(client):
    article = Article.objects.create(header="one", end_at=datetime(2030, 1, 1, tzinfo=UTC))
    early = moment()
    change(article, header="two", end_at=None)

    def told(version_at, active_at):
        return headers(client.get("/articles/", {"version_at": version_at, "active_at": active_at}))

    assert told(early.isoformat(), "2029-12-31") == ["one"]
    assert told(early.isoformat(), "2031-01-01") == []
    assert told(moment().isoformat(), "2031-01-01") == ["two"]


def test_a_date_means_its_end_and_a_naive_time_the_current_zone(client):
    # In Berlin, in winter, the day ends an hour earlier than elsewhere.
    ends = datetime(2030, 1, 1, 23, 0, tzinfo=UTC)
    Article.objects.create(header="until", end_at=ends)
    Article.objects.create(header="from", start_at=ends)

    assert headers(client.get("/articles/", {"active_at": "2030-01-01"})) == ["until"]
    assert headers(client.get("/articles/", {"active_at": "2030-01-01T23:59:59"})) == ["until"]
    assert headers(client.get("/articles/", {"active_at": "2030-01-02T00:00"})) == ["from"]
    assert headers(client.get("/articles/?active_at=2030-01-02T00:00:00+01:00")) == ["from"]


@pytest.mark.parametrize("text", ANYTHING_ELSE)
@pytest.mark.parametrize("name", ["active_at", "version_at"])
def test_anything_else_is_refused_with_the_reason(client, article, name, text):
    for address in ("/articles/", f"/articles/{article.pk}/"):
        response = client.get(address, {name: text})

        why = f"{name} takes a date or datetime in ISO 8601, not “{text}”."
        assert (response.status_code, response.json()) == (400, {name: [why]})


def test_what_is_out_of_the_calendar_is_refused(client):
    response = client.get("/articles/", {"version_at": "0001-01-01T00:00:00+14:00"})

    assert (response.status_code, response.json()) == (
        400,
        {"version_at": ["version_at is out of range: “0001-01-01T00:00:00+14:00”."]},
    )


def test_relations_show_the_same_moment(root):
    author = relations.Author.objects.create(name="Ann")
    book = relations.Book.objects.create(title="One", author=author)
    early = moment().isoformat()
    change(author, name="Anna")

    [then] = root.get("/books/", {"version_at": early}).json()["results"]
    by_name = root.get("/books/", {"version_at": early, "search": "Anna"}).json()

    assert then["author"] == {"id": author.pk, "name": "Ann"}
    assert root.get(f"/books/{book.pk}/").json()["author"]["name"] == "Anna"
    assert by_name["results"] == []


def test_filters_and_pages_of_drf_work_at_any_time(root):
    author = relations.Author.objects.create(name="Ann")
    for title in ("a1", "a2", "a3", "b"):
        relations.Book.objects.create(title=title, author=author)
    early = moment().isoformat()
    relations.Book.objects.filter(title="a3").update(title="c")
    given = {"search": "a", "ordering": "-title"}
    # The author's name has an a as well.
    titles = lambda response: [row["title"] for row in response.json()["results"]]  # noqa: E731

    first = root.get("/books/", {**given, "version_at": early})
    second = root.get(first.json()["next"])
    current = root.get("/books/", {"search": "c"})

    assert (first.json()["count"], titles(first), titles(second)) == (4, ["b", "a3"], ["a2", "a1"])
    assert titles(current) == ["c"]


def test_a_list_takes_as_many_queries_whatever_it_lists(root):
    def make(count):
        for number in range(count):
            author = relations.Author.objects.create(name=f"author {number}")
            relations.Book.objects.create(title=f"book {number}", author=author)

    def asked():
        with CaptureQueriesContext(connection) as queries:
            root.get("/books/", {"version_at": now().isoformat()})
        return len(queries)

    make(2)
    few = asked()
    make(8)

    # The number of rows, and one page of them.
    assert (few, asked()) == (2, 2)


# Writing


def test_what_is_written_is_by_the_user_of_the_request(client, user):
    key = client.post("/articles/", {"header": "one"}, format="json").json()["id"]
    other = allowed("change_article", name="dora")
    client.force_authenticate(other)
    client.patch(f"/articles/{key}/", {"header": "two"}, format="json")
    client.force_authenticate(user)
    response = client.put(f"/articles/{key}/", {"header": "three"}, format="json")

    assert response.json()["modified_by"] == user.pk
    assert [(row.header, row.modified_by) for row in Article.records.order_by("row_version")] == [
        ("one", user),
        ("two", other),
        ("three", user),
    ]


def test_actions_of_the_view_set_are_by_the_user_too(client, user):
    draft = Article.objects.create(header="draft")

    client.post(f"/drafts/{draft.pk}/shout/")

    draft.refresh_from_db()
    assert (draft.body, draft.modified_by, draft.row_version) == ("!", user, 2)


def test_a_block_around_the_request_says_no_other_user(client, user):
    with recording(get_user_model().objects.create_user("eve")):
        client.post("/articles/", {"header": "one"}, format="json")

    assert Article.objects.get().modified_by == user


@pytest.mark.parametrize("address", ["/articles/", "/drafts/"])
def test_what_is_kept_about_a_row_is_only_read(client, user, address):
    given = {
        "header": "draft",
        "row_id": 77,
        "row_version": 78,
        "created_at": "2001-01-01T00:00:00Z",
        "replaced_at": "2001-01-02T00:00:00Z",
        "modified_by": 79,
        "change_comment": "no",
        "reverted_from": 80,
        "start_at": "2001-01-01T00:00:00+01:00",
    }
    before = now()

    response = client.post(address, given, format="json")

    [row] = Article.records.all()
    assert response.status_code == 201
    assert (row.row_id, row.row_version, row.replaced_at) == (row.pk, 1, None)
    assert (row.modified_by, row.change_comment, row.reverted_from) == (user, "", None)
    assert row.created_at >= before
    # But when it is true is part of what is said.
    assert row.start_at == datetime(2000, 12, 31, 23, tzinfo=UTC)


def test_a_deletion_closes_the_row(client, article):
    response = client.delete(f"/articles/{article.pk}/")

    assert response.status_code == 204
    assert not Article.objects.exists()
    assert [row.header for row in Article.records.order_by("row_version")] == ["one", "two"]
    assert client.delete(f"/articles/{article.pk}/").status_code == 404


def test_version_at_counts_for_looking_alone(client, article):
    address = f"/articles/{article.pk}/?version_at={article.early:%Y-%m-%dT%H:%M:%SZ}"

    response = client.patch(address, {"body": "c"}, format="json")

    assert (response.json()["header"], response.json()["row_version"]) == ("two", 3)


def test_what_constraints_hold_is_refused_by_field(root):
    page = {"title": "one", "extra": {}}
    taken = PointPage.objects.create(title="taken")
    replaced = PointPage.objects.create(title="old")
    change(replaced, title="new")
    tariff = {"code": "a", "start_at": "2030-01-01T00:00:00Z", "end_at": "2031-01-01T00:00:00Z"}
    root.post("/tariffs/", {**tariff, "tags": []}, format="json")

    def refused(address, given):
        response = root.post(address, given, format="json")
        return response.status_code, response.json()

    assert refused("/pages/", {**page, "title": "taken"}) == (
        400,
        {"title": ["Point page with this Title already exists."]},
    )
    assert refused("/pages/", {**page, "end_at": "2001-01-01T00:00:00Z"}) == (
        400,
        {"end_at": ["The end must be later than the start."]},
    )
    assert refused("/tariffs/", {**tariff, "start_at": "2030-06-01T00:00:00Z", "tags": []}) == (
        400,
        {"code": ["Tariff with this Code already exists."]},
    )
    assert refused("/pages/", {**page, "title": "old"})[0] == 201
    assert root.patch(f"/pages/{taken.pk}/", {"title": "taken"}, format="json").status_code == 200
    later = {**tariff, "start_at": "2031-01-01T00:00:00Z", "end_at": None, "tags": []}
    assert refused("/tariffs/", later)[0] == 201
    assert (PointPage.objects.count(), Tariff.objects.count()) == (3, 2)


def test_relations_to_many_are_written(root):
    tag = Tag.objects.create(name="blue")

    response = root.post("/tariffs/", {"code": "a", "tags": [tag.pk]}, format="json")

    assert response.json()["tags"] == [tag.pk]
    assert [*Tariff.objects.get().tags.all()] == [tag]


def test_what_is_shown_of_a_frozen_key_can_be_sent_back(root, article):
    verdict = Verdict.objects.create(article=article, text="good")
    change(article, header="three")
    shown = root.get(f"/verdicts/{verdict.pk}/").json()

    response = root.put(f"/verdicts/{verdict.pk}/", {**shown, "text": "bad"}, format="json")

    verdict = Verdict.objects.get()
    assert (response.status_code, shown["article"] != article.pk) == (200, True)
    assert (verdict.text, verdict.article.header) == ("bad", "two")


def test_a_key_may_be_known_before(root):
    response = root.post("/notes/", {"text": "one"}, format="json").json()

    assert response["id"] == response["row_id"]
    assert root.get(f"/notes/{response['id']}/").json() == response


def test_a_row_that_somebody_else_saved_is_a_conflict(root, user):
    class CounterViewSet(PointInTimeModelViewSet):
        model_class = Counter

        def perform_update(self, serializer):
            change(Counter.objects.get(pk=serializer.instance.pk), number=5)
            super().perform_update(serializer)

    counter = Counter.objects.create()
    request = APIRequestFactory().patch("/", {"number": 7}, format="json")
    user.is_superuser = True
    request.user = request._force_auth_user = user

    response = CounterViewSet.as_view({"patch": "partial_update"})(request, pk=counter.pk)

    assert response.status_code == 409
    assert response.data["detail"] == (
        f"pointintime_tests.Counter {counter.pk} has version 2, and not 1: somebody else has saved"
        " it. Nothing is saved; refresh_from_db() reads the row as it is."
    )
    assert Counter.objects.get().number == 5


# Going back


def roll_back(client, article, **given):
    return client.post(f"/articles/{article.pk}/rollback/", given, format="json")


def test_the_latest_change_is_rolled_back(client, user, article, receiver):
    heard = receiver(rolled_back)

    response = roll_back(client, article)

    assert response.status_code == 200
    assert {name: response.json()[name] for name in ("id", "header", "row_version")} == {
        "id": article.pk,
        "header": "one",
        "row_version": 1,
    }
    assert [(row.header, row.row_version) for row in Article.records.all()] == [("one", 1)]
    assert [(sent["row_ids"], sent["user"]) for sent in heard] == [([article.pk], user)]


def test_it_goes_back_to_a_time(client, article):
    change(article, header="three")

    response = roll_back(client, article, time=article.early.isoformat())

    assert (response.status_code, response.json()["header"]) == (200, "one")
    assert Article.records.count() == 1


def test_what_others_have_by_now_is_not_had_again(root):
    page = PointPage.objects.create(title="one")
    page.title = "two"
    page.save()
    PointPage.objects.create(title="one")

    response = root.post(f"/pages/{page.pk}/rollback/")

    assert (response.status_code, response.json()) == (
        409,
        {"detail": "What it was does not go together with what else there is."},
    )
    page.refresh_from_db()
    assert (page.title, page.row_version) == ("two", 2)


def test_a_date_to_go_back_to_means_its_end(client, article):
    today = now().astimezone().date()

    assert roll_back(client, article, time=f"{today + timedelta(days=1)}").json()["header"] == "two"
    response = roll_back(client, article, time=f"{today - timedelta(days=2)}")

    assert response.status_code == 204
    assert not Article.records.exists()


@pytest.mark.parametrize(
    ("given", "header", "body"),
    [
        ({"fields": ["header"]}, "one", "c"),
        ({"exclude": ["header"]}, "two", "b"),
        ({"fields": ["header", "body"], "exclude": ["body"]}, "one", "c"),
        ({"fields": None, "exclude": None, "time": None}, "one", "b"),
        ({"exclude": []}, "one", "b"),
    ],
)
def test_some_fields_go_back(client, given, header, body):
    article = Article.objects.create(header="one", body="b")
    change(article, header="two", body="c")

    response = roll_back(client, article, **given)

    assert (response.json()["header"], response.json()["body"]) == (header, body)


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({"time": "soon"}, {"time": ["time takes a date or datetime in ISO 8601, not “soon”."]}),
        ({"time": 7}, {"time": ["time takes a date or datetime in ISO 8601, not “7”."]}),
        ({"fields": "header"}, {"fields": ['Expected a list of items but got type "str".']}),
        ({"fields": []}, {"fields": ["This list may not be empty."]}),
        (
            {"fields": ["x"], "exclude": ["y", "header"]},
            {
                "fields": ["Article has no column called “x”."],
                "exclude": ["Article has no column called “y”."],
            },
        ),
    ],
)
def test_what_is_asked_wrongly_is_refused_by_field(client, article, given, reasons):
    response = roll_back(client, article, **given)

    assert (response.status_code, response.json()) == (400, reasons)
    assert Article.records.count() == 2


def test_what_is_gone_afterwards_is_not_shown(client):
    article = Article.objects.create(header="one")

    response = roll_back(client, article)

    assert (response.status_code, response.content) == (204, b"")
    assert not Article.records.exists()


def test_what_goes_out_of_sight_is_not_shown(client, article):
    change(article, header="draft")

    response = client.post(f"/drafts/{article.pk}/rollback/")

    assert (response.status_code, response.content) == (204, b"")
    assert Article.objects.get().header == "two"


def test_a_form_will_do(client, article):
    response = client.post(
        f"/articles/{article.pk}/rollback/", {"fields": ["header"]}, format="multipart"
    )

    assert response.json()["header"] == "one"


def test_it_is_purged(client, user, article, receiver):
    heard = receiver(purged)

    response = client.delete(f"/articles/{article.pk}/purge/")

    assert (response.status_code, response.content) == (204, b"")
    assert not Article.records.exists()
    assert [(sent["row_ids"], sent["user"]) for sent in heard] == [([article.pk], user)]


def test_what_stands_in_the_way_is_a_conflict(client, article):
    Citation.objects.create(article=article)

    response = client.delete(f"/articles/{article.pk}/purge/")

    assert (response.status_code, response.json()) == (
        409,
        {"detail": "Other rows stand in the way: citations."},
    )
    assert Article.records.count() == 2


# Who may do what


def asked(client, article):
    """Return what each request comes to."""
    address = f"/articles/{article.pk}/"
    send = {
        "list": lambda: client.get("/articles/"),
        "head": lambda: client.head("/articles/"),
        "view": lambda: client.get(address),
        "options": lambda: client.options(address),
        "add": lambda: client.post("/articles/", {"header": "new"}, format="json"),
        "put": lambda: client.put(address, {"header": "put"}, format="json"),
        "change": lambda: client.patch(address, {"header": "patched"}, format="json"),
        "rollback": lambda: client.post(f"{address}rollback/"),
        "delete": lambda: client.delete(address),
    }
    return {name for name, request in send.items() if request().status_code < 400}


@pytest.mark.parametrize(
    ("codename", "done"),
    [
        ("view", {"list", "head", "view"}),
        ("add", {"add"}),
        ("change", {"put", "change"}),
        ("delete", {"delete"}),
        ("rollback", {"rollback"}),
        ("purge", set()),
    ],
)
def test_each_permission_opens_its_own_doors(article, codename, done):
    client = APIClient()
    client.force_authenticate(allowed(f"{codename}_article"))

    assert asked(client, article) == {"options", *done}
    purged = client.delete(f"/articles/{article.pk}/purge/").status_code
    assert purged == (204 if codename == "purge" else 403)


def test_who_may_not_purge_goes_back_to_nothing_before_there_was_anything(article):
    client = APIClient()
    client.force_authenticate(allowed("rollback_article"))

    refused = roll_back(client, article, time="1970-01-01")

    assert refused.status_code == 403
    assert Article.records.filter(row_id=article.pk).count() == 2
    client.force_authenticate(allowed("rollback_article", "purge_article", name="dora"))
    assert roll_back(client, article, time="1970-01-01").status_code == 204
    assert not Article.records.exists()


def test_nobody_in_particular_may_do_nothing(article):
    assert asked(APIClient(), article) == set()
    assert APIClient().get("/articles/?version_at=nonsense").status_code in {401, 403}


def test_who_may_not_look_is_told_nothing_of_parameters(article):
    client = APIClient()
    client.force_authenticate(allowed("add_article"))

    assert client.get("/articles/?version_at=nonsense").status_code == 403


def test_permissions_are_subclassed_as_documented(article):
    client = APIClient()
    user = allowed("change_article", "rollback_article", "purge_article")
    client.force_authenticate(user)
    locked = Article.objects.create(header="locked")

    assert client.get("/custom/my_action/").status_code == 403
    assert client.get("/custom/").status_code == 403
    assert client.post(f"/custom/{article.pk}/rollback/").status_code == 200
    for name in ("rollback", "purge"):
        send = client.post if name == "rollback" else client.delete
        assert send(f"/custom/{locked.pk}/{name}/").status_code == 403
    assert client.patch(f"/custom/{locked.pk}/", {}, format="json").status_code == 403
    assert Article.objects.filter(header="locked").exists()


def test_an_action_of_ones_own_asks_as_it_says(root):
    assert root.get("/custom/my_action/").json() == "mine"


def test_nobody_reaches_what_filter_queryset_leaves_out(client, article):
    address = f"/drafts/{article.pk}/"
    draft = Article.objects.create(header="draft")
    before = Article.records.count()

    statuses = [
        client.get(address).status_code,
        client.get(address, {"version_at": article.early.isoformat()}).status_code,
        client.put(address, {"header": "draft"}, format="json").status_code,
        client.patch(address, {"header": "draft"}, format="json").status_code,
        client.delete(address).status_code,
        client.post(f"{address}rollback/").status_code,
        client.delete(f"{address}purge/").status_code,
        client.post(f"{address}shout/").status_code,
    ]

    assert statuses == [404] * 8
    assert headers(client.get("/drafts/")) == ["draft"]
    # Nor by an action that asks for the queryset alone.
    assert client.get("/drafts/headers/").json() == ["draft"]
    assert Article.records.count() == before
    assert Article.objects.get(pk=draft.pk).row_version == 1


def test_the_history_of_what_is_left_out_now_is_not_told_by_a_time(client, article):
    address = f"/narrow/{article.pk}"
    early = {"version_at": article.early.isoformat()}
    told = client.get(f"{address}/history/", early)
    change(article, header="draft")

    statuses = {
        client.get(f"{address}/{path}", early).status_code
        for path in ("history/", f"history/{article.pk}.3/", "compare/")
    }

    assert [row["id"] for row in told.json()] == [f"{article.pk}.2", f"{article.pk}.1"]
    assert statuses == {404}
    assert client.get(f"{address}/history/", {"version_at": "x"}).status_code == 400


def test_the_past_is_narrowed_as_it_was(client):
    article = Article.objects.create(header="draft")
    early = moment().isoformat()
    change(article, header="printed")

    assert client.get(f"/drafts/{article.pk}/").status_code == 404
    past = client.get(f"/drafts/{article.pk}/", {"version_at": early})
    assert past.json()["header"] == "draft"


def test_the_example_of_the_document_filters_by_what_is_sent(client, user, article):
    mine = client.post("/articles/", {"header": "mine"}, format="json").json()["id"]

    response = client.generic(
        "GET", "/articles/", f'{{"author": {user.pk}}}', content_type="application/json"
    )

    assert [row["id"] for row in response.json()] == [mine]


# Beside the versions of any keeper


def test_the_first_one_says_how_to_go_back(client, article):
    oldest = history(article)[1].id
    undone = client.post(f"/undo/{article.pk}/rollback/", {"version": oldest}, format="json")
    versions = [row["id"] for row in client.get(f"/undo/{article.pk}/history/").json()]

    assert undone.status_code == 200
    assert versions == [f"{article.pk}.{number}" for number in (3, 2, 1)]
    assert client.post(f"/both/{article.pk}/rollback/").json()["row_version"] == 2
    versions = [row["id"] for row in client.get(f"/both/{article.pk}/history/").json()]
    assert versions == [f"{article.pk}.2", f"{article.pk}.1"]


# What describes it


def test_schema_is_valid_and_free_of_warnings(tmp_path, settings):
    settings.ROOT_URLCONF = "tests.pointintime.rest"
    path = tmp_path / "schema.yml"

    call_command("spectacular", file=str(path), validate=True, fail_on_warn=True)

    assert "PointInTimeRollback" in path.read_text(encoding="utf-8")


def test_schema_tells_what_is_asked_and_answered(settings):
    settings.ROOT_URLCONF = "tests.pointintime.rest"

    paths = SchemaGenerator().get_schema(public=True)["paths"]

    def asked(path):
        return {parameter["name"] for parameter in paths[path]["get"]["parameters"]}

    assert asked("/articles/") == {"active_at", "version_at"}
    assert asked("/articles/{id}/") == {"active_at", "version_at", "id"}
    assert asked("/books/") == {"active_at", "version_at", "ordering", "page", "search"}
    answers = {
        path: sorted(paths[f"/articles/{{id}}/{path}/"][method]["responses"])
        for path, method in (("rollback", "post"), ("purge", "delete"))
    }
    assert answers == {"rollback": ["200"], "purge": ["204", "409"]}


def test_options_tell_what_a_rollback_takes(client, article):
    told = client.options(f"/articles/{article.pk}/rollback/").json()

    assert {*told["actions"]["POST"]} == {"time", "fields", "exclude"}


def test_a_model_is_required():
    class NoViewSet(PointInTimeModelViewSet):
        pass

    class TagViewSet(PointInTimeModelViewSet):
        model_class = Tag

    with pytest.raises(ImproperlyConfigured) as error:
        NoViewSet().get_model_class()
    assert str(error.value) == ("NoViewSet.model_class is None, which is no point-in-time model.")
    with pytest.raises(ImproperlyConfigured):
        TagViewSet().get_model_class()
