"""The admin of point-in-time objects: as they were, and how they are forgotten."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import localtime

from handleref.pointintime.signals import purged, rolled_back
from handleref.versions import history
from tests.pointintime import relations
from tests.pointintime.library import change, moment
from tests.pointintime.models import Article, Citation, Note, PointPage, Tariff, Verdict
from tests.versions.browser import changes, text_of, told

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.pointintime.admin")]


def url(page, *args, model="article", **query):
    name = f"admin:pointintime_tests_{model}_{page}"
    return reverse(name, args=args, query=query or None, current_app="points")


def log_in(client, *codenames):
    """Log in as a member of the staff with just these permissions."""
    user = User.objects.create_user("staff", is_staff=True)
    found = Permission.objects.filter(
        codename__in=codenames, content_type__app_label="pointintime_tests"
    )
    assert len(found) == len(codenames)
    user.user_permissions.set(found)
    client.force_login(user)
    return user


@pytest.fixture
def article():
    """Return an article of two versions, and the moment between them."""
    article = Article.objects.create(header="one", body="b")
    article.early = moment()
    change(article, header="two")
    return article


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


def listed(response):
    assert response.status_code == 200, response.url
    return [str(obj) for obj in response.context["cl"].result_list]


def form(article, **values):
    """Return what the form of an article sends."""
    start = localtime(article.start_at)
    return {
        **{name: vars(article)[name] for name in ("header", "body") if name in vars(article)},
        "start_at_0": start.date(),
        "start_at_1": start.time(),
        **values,
    }


def rows():
    return [*Article.records.order_by("pk").values()]


def confirm(client, address, **data):
    """Press the button of a page that shows what would be forgotten."""
    plan = client.get(address).context["plan"]
    return client.post(address, {"expected_state": plan.expected, **data})


# The change list


def test_the_list_is_of_current_rows(admin_client, article):
    Article.objects.create(header="gone").delete()

    assert listed(admin_client.get(url("changelist"))) == ["two"]


def test_it_shows_a_past_moment_under_the_keys_of_the_objects(admin_client, article):
    Article.objects.create(header="later")
    at = article.early.isoformat()

    response = admin_client.get(url("changelist", version_at=at))

    assert listed(response) == ["one"]
    [link] = re.findall(r'<a href="([^"?]+/change/[^"]+)">one</a>', response.content.decode())
    address, _question, query = unescape(link).partition("?")
    assert (address, QueryDict(query)["version_at"]) == (url("change", article.pk), at)
    assert response.context["subtitle"].startswith("As it was known: ")
    assert (response.context["cl"].formset, response.context["action_form"]) == (None, None)
    assert url("add") not in response.content.decode()


def test_what_an_object_leads_to_is_as_it_was_as_well(admin_client):
    author = relations.Author.objects.create(name="Ann")
    relations.Book.objects.create(title="One", author=author)
    early = moment().isoformat()
    change(author, name="Anna")

    past = admin_client.get(url("changelist", model="book", version_at=early))
    present = admin_client.get(url("changelist", model="book"))

    assert '<td class="field-author nowrap">Ann</td>' in past.content.decode()
    assert '<td class="field-author nowrap">Anna</td>' in present.content.decode()


def test_what_is_read_while_the_page_is_written_is_as_it_was_too(admin_client):
    author = relations.Author.objects.create(name="Ann")
    relations.Topic.objects.create(name="war")
    early = moment().isoformat()
    change(author, name="Anna")

    past = admin_client.get(url("changelist", model="topic", version_at=early))

    assert '<td class="field-authors">Ann</td>' in past.content.decode()


def test_it_shows_what_is_true_of_a_moment(admin_client):
    start = datetime(2030, 1, 1, tzinfo=UTC)
    old = Article.objects.create(header="old", end_at=start)
    Article.objects.create(header="new", start_at=start)
    early = moment().isoformat()
    change(old, end_at=None)

    def shown(**query):
        return sorted(listed(admin_client.get(url("changelist", **query))))

    assert shown(active_at="2029-12-31") == ["old"]
    assert shown(active_at="2030-06-01T12:00") == ["new", "old"]
    assert shown(active_at="2030-06-01T12:00", version_at=early) == ["new"]
    assert shown(active_at="", version_at="") == ["new", "old"]


def test_the_filter_keeps_what_else_is_asked(admin_client, article):
    response = admin_client.get(
        url("changelist", version_at="2031-02-03T04:05:06", q="two", header="two", p="1")
    )

    page = response.content.decode()
    assert listed(response) == ["two"]
    assert 'name="version_at" value="2031-02-03T04:05:06"' in page
    filters = response.context["cl"].filter_specs[0]
    assert filters.others == [("q", "two"), ("header", "two")]
    assert '<input type="hidden" name="header" value="two">' in page


@pytest.mark.parametrize("name", ["version_at", "active_at"])
@pytest.mark.parametrize("text", ["soon", "7", "2024-13-01", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_moment_is_explained(admin_client, article, name, text):
    response = admin_client.get(url("changelist", **{name: text}))

    assert (response.status_code, response.url) == (302, url("changelist"))
    assert told(response) == [
        ("error", f"{name} takes a date or datetime in ISO 8601, not “{text}”.")
    ]


def test_a_list_takes_as_many_queries_whatever_it_lists(admin_client):
    def asked(**query):
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(url("changelist", model="book", **query))
        return len(queries)

    author = relations.Author.objects.create(name="Ann")
    relations.Book.objects.create(title="One", author=author)
    few = asked(), asked(version_at=moment().isoformat())
    for number in range(8):
        author = relations.Author.objects.create(name=f"author {number}")
        relations.Book.objects.create(title=f"book {number}", author=author)

    assert (asked(), asked(version_at=moment().isoformat())) == few


# One object in the past


def test_an_object_of_the_past_is_only_shown(admin_client, article):
    at = article.early.isoformat()

    response = admin_client.get(url("change", article.pk, version_at=at))

    assert response.context["original"].header == "one"
    assert '<input type="submit"' not in response.content.decode()
    assert "What was is only read." in response.content.decode()
    posted = admin_client.post(url("change", article.pk, version_at=at), form(article))
    assert posted.status_code == 403
    assert [row["header"] for row in rows()] == ["two", "one"]


def test_who_may_change_may_look_back(client, article):
    log_in(client, "change_article")
    at = article.early.isoformat()

    assert client.get(url("change", article.pk, version_at=at)).status_code == 200
    assert listed(client.get(url("changelist", version_at=at))) == ["one"]


def test_a_replaced_row_has_no_page(admin_client, article):
    replaced = Article.records.get(row_id=article.pk, row_version=1)

    assert admin_client.get(url("change", replaced.pk)).status_code == 302
    assert admin_client.get(url("timeline", replaced.pk)).status_code == 404


# Writing


def test_what_is_saved_is_by_the_user(admin_client, admin_user, article):
    admin_client.post(url("change", article.pk), form(article, header="three"))
    admin_client.post(url("add"), form(article, header="new"))

    article.refresh_from_db()
    added = Article.objects.get(header="new")
    assert (article.header, article.row_version, article.modified_by) == ("three", 3, admin_user)
    assert (added.row_version, added.modified_by) == (1, admin_user)


def test_a_saved_form_leaves_times_as_they_are(admin_client):
    start = datetime(2030, 1, 1, microsecond=7, tzinfo=UTC)
    tariff = Tariff.objects.create(code="a", start_at=start, end_at=start.replace(year=2031))
    Tariff.objects.create(code="a", end_at=start)
    page = admin_client.get(url("change", tariff.pk, model="tariff"))
    shown = page.context["adminform"].form
    data = {
        widget["name"]: widget["value"] or ""
        for name in ("start_at", "end_at")
        for widget in shown[name].subwidgets[0].data["subwidgets"]
    }

    response = admin_client.post(
        url("change", tariff.pk, model="tariff"), {**data, "code": "a", "price": "2"}
    )

    assert response.status_code == 302, response.context["errors"]
    tariff.refresh_from_db()
    assert (tariff.price, tariff.start_at, tariff.end_at) == (2, start, start.replace(year=2031))
    assert history(tariff).first().comment == "Changed Price."


def test_a_deletion_asks_and_closes_the_row(admin_client, article):
    Citation.objects.create(article=article, article_now=article)

    asked = admin_client.get(url("delete", article.pk))
    response = admin_client.post(url("delete", article.pk), {"post": "yes"})

    assert "The article holds no more from now on." in text_of(asked)
    assert asked.context["deleted_objects"] == ["Article: two"]
    assert response.status_code == 302
    assert not Article.objects.exists()
    assert Article.records.count() == 2
    # Nothing that leads to it is deleted along, or stands in the way.
    assert Citation.objects.count() == 1


def test_several_are_deleted_alike(admin_client):
    articles = [Article.objects.create(header=f"a{number}") for number in range(103)]
    data = {"action": "delete_selected", "_selected_action": [a.pk for a in articles]}

    asked = admin_client.post(url("changelist"), data)
    admin_client.post(url("changelist"), {**data, "post": "yes"})

    assert "The selected articles hold no more from now on." in text_of(asked)
    assert asked.context["deletable_objects"][0][-1] == "… and 3 more articles"
    assert (Article.objects.count(), Article.records.count()) == (0, 103)


def test_a_deletion_takes_its_permission(client, article):
    log_in(client, "view_article")

    assert client.post(url("delete", article.pk), {"post": "yes"}).status_code == 403
    assert Article.objects.exists()


# Rolling back


def test_a_rollback_is_shown_before(admin_client, article):
    frozen = Citation.objects.create(article=Article.records.get(row_version=1))
    Verdict.objects.create(article=article)
    change(article, body="c")
    before = rows()

    with CaptureQueriesContext(connection) as asked:
        response = admin_client.get(url("rollback_to", article.pk, time=article.early.isoformat()))

    plan = response.context["plan"]
    assert (plan.kind, plan.row.row_version, plan.vanishing) == ("back", 1, 2)
    assert [(line.label, line.parts) for line in plan.lines] == [
        ("Header", [("delete", "two"), ("insert", "one")]),
        ("Body", [("delete", "c"), ("insert", "b")]),
    ]
    # One on the first version, whose row becomes the current one, and one on the second.
    assert plan.frozen == [("citations", 1), ("verdicts", 1)]
    text = text_of(response)
    assert "It will be what it was in version 1. 2 rows vanish. This cannot be undone." in text
    assert "Citations: 1 Verdicts: 1" in text
    assert rows() == before
    written = [
        q["sql"] for q in asked if not q["sql"].startswith(("SELECT", "SAVEPOINT", "RELEASE"))
    ]
    assert written == []
    frozen.refresh_from_db()
    assert frozen.article_id != article.pk


def test_the_version_before_is_rolled_back_to(admin_client, admin_user, article, receiver):
    heard = receiver(rolled_back)
    change(article, header="three")

    response = confirm(admin_client, url("rollback_to", article.pk), reason="Wrong.")

    assert (response.status_code, response.url) == (302, url("timeline", article.pk))
    assert [(row["header"], row["row_version"]) for row in rows()] == [("two", 2), ("one", 1)]
    [sent] = heard
    assert (sent["row_ids"], sent["moment"]) == ([article.pk], None)
    assert (sent["user"], sent["reason"]) == (admin_user, "Wrong.")
    said = "Rolled back to the version before; what came after is forgotten."
    assert told(response) == [("success", said)]
    assert LogEntry.objects.get().get_change_message() == said


def test_a_moment_is_rolled_back_to(admin_client, article):
    change(article, header="three")
    address = url("rollback_to", article.pk)

    response = confirm(
        admin_client,
        f"{address}?time={article.early:%Y-%m-%dT%H:%M:%S.%fZ}",
        time=article.early.isoformat(),
    )

    assert response.status_code == 302
    assert [row["header"] for row in rows()] == ["one"]


def test_a_deletion_is_rolled_back(admin_client, article):
    article.delete()
    address = url("rollback_to", article.pk)

    page = admin_client.get(address)
    confirm(admin_client, address)

    plan = page.context["plan"]
    assert (plan.kind, plan.vanishing, plan.is_restored, plan.lines) == ("back", 0, True, [])
    assert "It is deleted now, and will be there again." in text_of(page)
    assert Article.objects.get().header == "two"


def test_what_was_never_changed_vanishes(admin_client):
    article = Article.objects.create(header="one")

    page = admin_client.get(url("rollback_to", article.pk))
    response = confirm(admin_client, url("rollback_to", article.pk))

    assert "This article vanishes, with the one row that it has." in text_of(page)
    assert response.url == url("changelist")
    assert not Article.records.exists()


def test_what_is_as_it_was_has_no_button(admin_client, article):
    later = moment().isoformat()

    page = admin_client.get(url("rollback_to", article.pk, time=later))
    posted = admin_client.post(
        url("rollback_to", article.pk),
        {"time": later, "expected_state": page.context["plan"].expected},
    )

    assert "Nothing came after, so nothing would change." in text_of(page)
    assert 'value="Roll back"' not in page.content.decode()
    assert posted.status_code == 409
    assert Article.records.count() == 2


def test_what_is_no_moment_goes_nowhere(admin_client, article):
    page = admin_client.get(url("rollback_to", article.pk, time="soon"))
    posted = admin_client.post(
        url("rollback_to", article.pk), {"time": "soon", "expected_state": ""}
    )

    text = "Time takes a date or datetime in ISO 8601, not “soon”."
    assert page.context["errors"] == [("", text)]
    assert posted.status_code == 409
    assert Article.records.count() == 2


def test_what_was_saved_meanwhile_is_a_conflict(admin_client, article):
    for page in ("rollback_to", "purge"):
        seen = admin_client.get(url(page, article.pk)).context["plan"].expected
        change(article, body=page)
        before = rows()

        response = admin_client.post(url(page, article.pk), {"expected_state": seen})

        assert response.status_code == 409
        assert response.context["errors"] == [
            ("", "The object was changed meanwhile. Look at what would change now.")
        ]
        assert rows() == before


# Purging


def test_before_there_was_anything_is_for_those_who_may_purge(client, article):
    log_in(client, "view_article", "rollback_article")
    address = url("rollback_to", article.pk, time="1970-01-01")

    page = client.get(address)
    refused = confirm(client, address, time="1970-01-01")

    assert page.context["plan"].lacking == ["article"]
    assert not page.context["plan"].is_possible
    assert refused.status_code == 409
    assert Article.records.count() == 2


def test_what_others_have_by_now_is_not_had_again(admin_client):
    page = PointPage.objects.create(title="one")
    change(page, title="two")
    PointPage.objects.create(title="one")

    response = confirm(admin_client, url("rollback_to", page.pk, model="pointpage"))

    assert response.status_code == 409
    words = "What it was does not go together with what else there is."
    assert words in text_of(response)
    assert PointPage.objects.get(pk=page.pk).title == "two"


@pytest.mark.parametrize("name", ["version_at", "active_at", "time"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_the_ends_of_the_calendar_are_no_moments_elsewhere(
    admin_client, article, settings, name, zone
):
    settings.TIME_ZONE = zone
    page = url("rollback_to", article.pk) if name == "time" else url("changelist")
    end = "9999-12-31T23:59:59Z" if zone.startswith("Europe") else "0001-01-01T00:00:00Z"

    response = admin_client.get(page, {name: end})

    assert response.status_code in {200, 302, 400}


def test_without_time_zones_the_pages_are_there(admin_client, article, settings):
    settings.USE_TZ = False

    addresses = [
        url("timeline", article.pk),
        url("rollback_to", article.pk),
        url("purge", article.pk),
        url("changelist"),
    ]

    assert {admin_client.get(address).status_code for address in addresses} == {200}


def test_a_purge_is_shown_before(admin_client, admin_user, article, receiver):
    heard = receiver(purged)
    Verdict.objects.create(article=article)
    before = rows()

    page = admin_client.get(url("purge", article.pk))
    assert rows() == before
    response = confirm(admin_client, url("purge", article.pk), reason="Never was.")

    assert "This article vanishes, with the 2 rows that it has." in text_of(page)
    assert page.context["plan"].taken == {"articles": 2, "verdicts": 1}
    assert (response.status_code, response.url) == (302, url("changelist"))
    assert told(response) == [("success", "Purged “two”.")]
    assert not Article.records.exists()
    assert [(sent["user"], sent["reason"]) for sent in heard] == [(admin_user, "Never was.")]
    assert LogEntry.objects.get().object_repr == "two"


def test_what_stands_in_the_way_is_listed(admin_client, article):
    citation = Citation.objects.create(article=article)

    page = admin_client.get(url("purge", article.pk))
    response = confirm(admin_client, url("purge", article.pk))

    assert page.context["plan"].barring == [
        f'Citation: <a href="{url("change", citation.pk, model="citation")}">{citation}</a>'
    ]
    assert "stands in the way" in text_of(page)
    assert response.status_code == 409
    assert Article.records.count() == 2


def test_what_is_deleted_along_takes_permissions_too(client, article):
    log_in(client, "view_article", "purge_article")
    citation = Citation.objects.create(article_now=article, article=Article.objects.create())

    page = client.get(url("purge", article.pk))
    response = confirm(client, url("purge", article.pk))

    assert page.context["plan"].lacking == ["citation"]
    assert response.status_code == 409
    citation.delete()
    assert confirm(client, url("purge", article.pk)).status_code == 302
    assert not Article.records.filter(row_id=article.pk).exists()


# Who may do what


PAGES = ("timeline", "rollback_to", "purge")


@pytest.mark.parametrize(
    ("codenames", "statuses"),
    [
        (["view_article"], [200, 403, 403]),
        (["view_article", "rollback_article"], [200, 200, 403]),
        (["view_article", "purge_article"], [200, 403, 200]),
        (["change_article", "delete_article"], [200, 403, 403]),
        (["rollback_article", "purge_article"], [403, 403, 403]),
    ],
)
def test_each_page_takes_its_permission(client, article, codenames, statuses):
    log_in(client, *codenames)
    before = rows()

    assert [client.get(url(page, article.pk)).status_code for page in PAGES] == statuses
    for page, status in zip(PAGES[1:], statuses[1:], strict=True):
        if status == 403:
            assert client.post(url(page, article.pk)).status_code == 403
    timeline = client.get(url("timeline", article.pk))
    offered = [page for page in PAGES[1:] if url(page, article.pk) in timeline.content.decode()]
    assert (
        offered == [page for page, status in zip(PAGES, statuses, strict=True) if status == 200][1:]
    )
    assert rows() == before


def test_nobody_reaches_what_the_admin_does_not_list(admin_client):
    page = PointPage.objects.create(title="secret")
    gone = PointPage.objects.create(title="secret too")
    gone.delete()

    for key in (page.pk, gone.pk, 9999, "x", "%00", 10**30):
        for name in PAGES:
            assert admin_client.get(url(name, key, model="pointpage")).status_code == 404
    assert PointPage.records.count() == 2


def test_a_form_from_elsewhere_is_refused(admin_user, article):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    for page in PAGES[1:]:
        expected = client.get(url(page, article.pk)).context["plan"].expected
        response = client.post(url(page, article.pk), {"expected_state": expected})
        assert response.status_code == 403
    assert Article.records.count() == 2


# Beside the versions of any keeper


@pytest.mark.parametrize(("model", "make"), [("note", Note), ("tariff", Tariff)])
def test_both_admins_do_their_part(admin_client, admin_user, model, make):
    name = {"note": "text", "tariff": "code"}[model]
    obj = make.objects.create(**{name: "one"})
    early = moment().isoformat()
    change(obj, **{name: "two"})
    newest, oldest = (version.id for version in history(obj))

    past = admin_client.get(url("changelist", model=model, version_at=early))
    timeline = admin_client.get(url("timeline", obj.pk, model=model))
    preview = admin_client.get(url("rollback", obj.pk, oldest, model=model))
    admin_client.post(
        url("rollback", obj.pk, oldest, model=model),
        {"expected_state": preview.context["expected_state"], "comment": "undone"},
    )

    assert str(listed(past)[0]).startswith("one")
    assert [line.number for line in timeline.context["lines"]] == [2, 1]
    assert [label for label, _parts in changes(preview)] == [name.capitalize()]
    undone = history(obj).first()
    assert (undone.id, undone.user, undone.comment) == (f"{obj.pk}.3", admin_user, "undone")
    confirm(admin_client, url("rollback_to", obj.pk, model=model))
    assert [version.id for version in history(obj)] == [newest, oldest]


def test_a_version_saved_beside_has_user_and_comment(admin_client, admin_user):
    note = Note.objects.create(text="one")

    data = {**form(note), "id": note.pk, "initial-id": note.pk, "text": "two"}
    admin_client.post(url("change", note.pk, model="note"), data)

    newest = history(note).first()
    assert (newest.user, newest.comment) == (admin_user, "Changed Text.")
