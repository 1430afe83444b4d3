"""What can be looked at in the admin: the history, a version, two of them."""

from decimal import Decimal

import pytest

from handleref.triggers.suspension import suspend
from handleref.versions import Reverter
from handleref.versions import history as public_history
from handleref.versions.diff import relabelled
from tests.versions.admin import PageAdmin
from tests.versions.browser import log_in, text_of, url
from tests.versions.models import Page, Section, Tag, Wide

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shown_keeper(keeper, monkeypatch):
    monkeypatch.setattr(PageAdmin, "keeper", keeper.name)
    return keeper


def see(client, page, **query):
    return client.get(url("page_history", page.pk, **query))


def comments(response):
    return [row.version.comment for row in response.context["rows"]]


def changed(response):
    """Return what each row says was changed."""
    return [[(line.label, line.parts) for line in row.lines] for row in response.context["rows"]]


def test_it_tells_when_who_why_and_what(admin_client, page, save, users):
    save(page, title="two", price=Decimal("1.5"), user=users.ann, comment="because")

    response = see(admin_client, page)

    newest, _oldest = response.context["rows"]
    assert response.context["title"] == "Change history: two"
    assert (newest.version.user, newest.version.comment) == (users.ann, "because")
    assert changed(response) == [
        [
            ("Title", [("delete", "one"), ("insert", "two")]),
            ("Price", [("equal", "-"), ("insert", "1.5000")]),
        ],
        [],
    ]
    assert newest.url == url("page_version", page.pk, newest.version.id)
    assert newest.back_url == url("page_rollback", page.pk, newest.version.id)
    text = text_of(response, "tbody")
    assert "Jan. 1, 2026, 3 p.m. ann because Title before: one after: two take back Title" in text
    assert text.endswith("first First version Roll back Jan. 1, 2026, 2 p.m.")


def test_what_people_wrote_stays_text(admin_client, page, save):
    save(page, title="<script>1</script>", comment="<script>2</script>", body="<b>")
    save(page, title="<script>3</script>")

    response = see(admin_client, page)

    html = response.content.decode()
    assert [f"<script>{number}" in html for number in (1, 2, 3)] == [False] * 3
    assert "<b>" not in html
    assert "<script>2</script> Title" in text_of(response, "tbody")
    assert "after: <script>3</script>" not in text_of(response, "tbody")
    assert "<script> before: 1 after: 3 </script>" in text_of(response, "tbody")


def test_a_long_text_is_cut_around_its_change(admin_client, page, save):
    around = "word " * 100
    save(page, body=f"{around}old {around}")
    save(page, body=f"{around}new {around}")

    [[(label, parts)], *_others] = changed(see(admin_client, page))

    assert (label, parts) == (
        "Body",
        [
            ("equal", "…word word word word word "),
            ("delete", "old"),
            ("insert", "new"),
            ("equal", " word word word word word…"),
        ],
    )


def test_texts_that_share_too_little_are_shown_as_wholes(admin_client, page, save):
    save(page, body="a b c d e f g h " * 20)
    save(page, body="i j k l m n o p " * 20)

    [[(_label, parts)], *_others] = changed(see(admin_client, page))

    assert [(kind, len(text)) for kind, text in parts if kind != "equal"] == [
        ("delete", 121),
        ("insert", 121),
    ]


def test_choices_keys_and_relations_have_their_labels(admin_client, page, save, record):
    section = Section.objects.create(name="News & more")
    a, b = (Tag.objects.create(name=name) for name in "ab")
    record(lambda: page.tags.set([a]))
    save(page, kind="n", section=section)
    record(lambda: page.tags.set([b]))

    response = see(admin_client, page)

    assert changed(response) == [
        [("Tags", [("delete", "a"), ("insert", "b")])],
        [
            ("Kind", [("delete", "Article"), ("insert", "News")]),
            ("Section", [("equal", "-"), ("insert", "News & more")]),
        ],
        [("Tags", [("insert", "a")])],
        [],
    ]


def test_a_field_that_exists_no_more_says_so(admin_client, page, save, history, monkeypatch):
    save(page, title="two")
    kind = type(history(page).first())
    real = kind.data
    read = real.func if hasattr(real, "func") else real.fget
    data = property(lambda self: {**read(self), "colour": self.id})
    monkeypatch.setattr(kind, "data", data)

    [line] = [line for line in see(admin_client, page).context["rows"][0].lines if line.note]

    assert (line.label, line.note, line.take) == ("Colour", "This field exists no more.", None)


def test_a_hook_hides_a_field_on_every_page(admin_client, page, save, history, monkeypatch):
    save(page, title="secret", kind="n")
    hooks = {"title": lambda change: relabelled(change, old="x", new="y"), "kind": lambda c: None}
    monkeypatch.setattr(PageAdmin, "diff_hooks", hooks)
    newest, oldest = history(page)
    page.title = "harmless"
    page.save()

    pages = [
        see(admin_client, page),
        admin_client.get(url("page_version", page.pk, newest.id)),
        admin_client.get(url("page_compare", page.pk, **{"from": oldest.id, "to": newest.id})),
        admin_client.get(url("page_rollback", page.pk, newest.id)),
    ]

    assert changed(pages[0])[0] == [("Title", [("delete", "x"), ("insert", "y")])]
    for response in pages:
        assert "secret" not in response.content.decode()
        assert "News" not in text_of(response, "table")


def test_deleted_and_restored(admin_client, page, record):
    record(page.delete, comment="gone")
    record(page.restore, comment="back")

    response = see(admin_client, page)

    assert [(row.version.comment, row.version.is_deleted) for row in response.context["rows"]] == [
        ("back", False),
        ("gone", True),
        ("first", False),
    ]
    assert text_of(response, "tbody").count("deleted gone") == 1


def test_a_version_that_took_back_another_links_to_it(admin_client, page, save, history, keeper):
    save(page, title="two")
    source = history(page).last()
    Reverter(keeper=keeper.name).rollback(page, source)

    response = see(admin_client, page)

    assert [row.source_url for row in response.context["rows"]] == [
        url("page_version", page.pk, source.id),
        "",
        "",
    ]


# Narrowing and paging


def test_filters(admin_client, page, save, users, clock):
    save(page, title="two", user=users.ann, comment="second")
    clock.tick(days=3)
    save(page, body="b", user=users.bob, comment="third")

    def found(**query):
        return comments(see(admin_client, page, **query))

    assert found(user=users.ann.pk) == ["second"]
    assert found(user="nobody") == ["first"]
    assert found(field="body") == ["third"]
    assert found(field="title", user=users.bob.pk) == []
    assert found(**{"from": "2026-01-02"}) == ["third"]
    assert found(to="2026-01-01") == ["second", "first"]
    assert found(**{"from": "2026-01-01", "to": "2026-01-04"}) == ["third", "second", "first"]
    form = see(admin_client, page).context["filter"]
    assert form.fields["user"].choices == [
        ("", "All users"),
        (str(users.ann.pk), "ann"),
        (str(users.bob.pk), "bob"),
        ("nobody", "Nobody"),
    ]
    assert [name for name, _label in form.fields["field"].choices] == [
        *["", "status", "title", "body", "kind", "price", "printed", "extra", "section", "tags"]
    ]


@pytest.mark.parametrize(
    ("query", "name", "reason"),
    [
        ({"user": "x"}, "user", "Select a valid choice. x is not one of the available choices."),
        (
            {"field": "id"},
            "field",
            "Select a valid choice. id is not one of the available choices.",
        ),
        ({"from": "soon"}, "from", "Enter a valid date."),
        ({"to": "9999-12-31"}, "to", "Ensure this value is less than or equal to 9000-01-01."),
        (
            {"from": "0001-01-01"},
            "from",
            "Ensure this value is greater than or equal to 1000-01-01.",
        ),
    ],
)
def test_a_bad_filter_says_so_and_narrows_nothing(admin_client, page, query, name, reason):
    response = see(admin_client, page, **query)

    assert response.context["filter"].errors == {name: [reason]}
    assert comments(response) == ["first"]


def test_what_no_version_is_like(admin_client, page):
    response = see(admin_client, page, field="title")

    assert "No version is like that." in text_of(response)


def test_an_object_without_versions(admin_client, keeper):
    with suspend(Page, record=False):
        page = Page.objects.create(title="unknown")

    response = see(admin_client, page)

    assert response.context["rows"] == []
    assert "There is no version of this object yet." in text_of(response)


def test_pages_keep_the_filter(admin_client, page, save, monkeypatch):
    monkeypatch.setattr(PageAdmin, "history_per_page", 2)
    for number in range(5):
        save(page, title=f"title {number}", comment=f"{number}")

    first = see(admin_client, page, field="title")
    last = see(admin_client, page, field="title", p=3)

    assert (comments(first), comments(last)) == (["4", "3"], ["0"])
    assert 'href="?field=title&amp;p=2"' in first.content.decode()
    assert comments(see(admin_client, page, p="nonsense")) == ["4", "3"]


# One version, two versions


def test_one_version_shows_every_value_and_what_changed(admin_client, page, save, record, history):
    tag = Tag.objects.create(name="a")
    record(lambda: page.tags.add(tag))
    save(page, title="two", extra={"a": [1, "ü"]}, comment="second")
    save(page, title="three")
    newest, version, previous, _first = history(page)

    response = admin_client.get(url("page_version", page.pk, version.id))

    values = [(line.name, line.parts[0][1]) for line in response.context["lines"]]
    assert values == [
        ("id", f"{page.pk}"),
        ("status", "ok"),
        ("title", "two"),
        ("body", "-"),
        ("kind", "Article"),
        ("price", "-"),
        ("printed", "-"),
        ("extra", '{"a": [1, "ü"]}'),
        ("section", "-"),
        ("tags", "a"),
    ]
    assert [n.name for n in response.context["lines"] if n.extra["change"]] == ["title", "extra"]
    assert [(name, row.version) for name, row in response.context["neighbours"]] == [
        ("Previous version", previous),
        ("Next version", newest),
    ]


def test_the_only_version_has_no_neighbours(admin_client, page, history):
    response = admin_client.get(url("page_version", page.pk, history(page).first().id))

    assert response.context["neighbours"] == []


def test_two_versions_are_compared_from_the_older_one(admin_client, page, save, history):
    section = Section.objects.create(name="s")
    save(page, title="two")
    save(page, title="three", section=section)
    newest, _middle, oldest = history(page)

    for ids in ({"from": newest.id, "to": oldest.id}, {"from": oldest.id, "to": newest.id}):
        response = admin_client.get(url("page_compare", page.pk, **ids))

        assert [row.version for row in response.context["rows"]] == [oldest, newest]
        assert [(line.label, line.parts) for line in response.context["lines"]] == [
            ("Title", [("delete", "one"), ("insert", "three")]),
            ("Section", [("equal", "-"), ("insert", "s")]),
        ]


def test_a_version_differs_not_from_itself(admin_client, page, history):
    key = history(page).first().id

    response = admin_client.get(url("page_compare", page.pk, **{"from": key, "to": key}))

    assert text_of(response).endswith("Nothing differs.")


# What is gone


def test_what_is_gone_has_a_history_still(admin_client, page, record):
    key = page.pk
    record(lambda: page.delete(hard=True), comment="gone")

    response = admin_client.get(url("page_history", key))

    assert comments(response) == ["gone", "first"]
    rows = response.context["rows"]
    assert [row.back_url for row in rows] == [url("page_recover", row.version.id) for row in rows]
    for row in rows:
        assert admin_client.get(row.url).status_code == 200


def test_of_what_is_gone_the_hook_decides(admin_client, page, record, monkeypatch):
    key = page.pk
    record(lambda: page.delete(hard=True))
    real = PageAdmin.get_deleted_versions
    monkeypatch.setattr(
        PageAdmin, "get_deleted_versions", lambda self, request: real(self, request).search("other")
    )

    assert admin_client.get(url("page_history", key)).status_code == 404


def test_what_the_admin_does_not_list_has_no_history_either(admin_client, page, monkeypatch):
    monkeypatch.setattr(PageAdmin, "get_queryset", lambda self, request: Page.objects.none())

    assert see(admin_client, page).status_code == 404


# Templates


def test_a_project_may_have_a_template_of_its_own(admin_client, record, keeper):
    if keeper.name != "revisions":
        pytest.skip("The ledger keeps pages only.")
    wide = Wide()
    record(wide.save)

    response = admin_client.get(url("wide_history", wide.pk))

    assert "Nothing is filtered here." in text_of(response)
    assert "First version" in text_of(response)


def test_the_attribute_of_the_stock_admin_counts_too(admin_client, page, monkeypatch):
    template = "handleref/admin/versions/base.html"
    monkeypatch.setattr(PageAdmin, "object_history_template", template)

    response = see(admin_client, page)

    assert response.template_name == template
    assert text_of(response) == "Change history: one"


# Ids


@pytest.mark.parametrize("key", ["4711", "nonsense", "1_00", f"{10**30}", "-1", "%", "a b"])
def test_an_unknown_object_is_not_found(admin_client, page, history, key):
    version = history(page).first().id

    for address in (
        url("page_history", key),
        url("page_version", key, version),
        url("page_compare", key, **{"from": version, "to": version}),
        url("page_rollback", key, version),
        url("page_revert", key, **{"take-title": version}),
    ):
        assert admin_client.get(address).status_code == 404


@pytest.mark.parametrize("key", ["4711", "nonsense", "_00", f"{10**30}", "-1"])
def test_an_unknown_version_is_not_found(admin_client, page, key):
    for address in (
        url("page_version", page.pk, key),
        url("page_compare", page.pk, **{"from": key, "to": key}),
        url("page_compare", page.pk),
        url("page_rollback", page.pk, key),
        url("page_revert", page.pk, **{"take-title": key}),
        url("page_recover", key),
    ):
        assert admin_client.get(address).status_code == 404


@pytest.mark.parametrize("key", ["4711", "nonsense"])
def test_nor_is_it_applied(admin_client, page, key):
    for address, data in (
        (url("page_rollback", page.pk, key), {}),
        (url("page_revert", page.pk), {"take-title": key}),
        (url("page_recover", key), {}),
    ):
        assert admin_client.post(address, data).status_code == 404


def test_a_version_of_another_object_is_not_found(admin_client, page, save, history):
    foreign = history(save(Page(title="other"))).first().id

    for address in (
        url("page_version", page.pk, foreign),
        url("page_compare", page.pk, **{"from": foreign, "to": foreign}),
        url("page_rollback", page.pk, foreign),
        url("page_revert", page.pk, **{"take-title": foreign}),
    ):
        assert admin_client.get(address).status_code == 404


# Permissions


@pytest.mark.parametrize("codename", ["add_page", "delete_page", "hard_delete_page"])
def test_who_may_not_view_may_not_read(client, page, history, codename):
    log_in(client, codename)
    version = history(page).first().id

    for address in (
        url("page_history", page.pk),
        url("page_history", 4711),
        url("page_version", page.pk, version),
        url("page_compare", page.pk, **{"from": version, "to": version}),
        url("page_deleted"),
    ):
        assert client.get(address).status_code == 403


def test_who_may_view_may_read_and_is_offered_no_more(client, page, save, history):
    save(page, title="two")
    log_in(client, "view_page")
    newest, oldest = history(page)

    pages = [
        see(client, page),
        client.get(url("page_version", page.pk, oldest.id)),
        client.get(url("page_compare", page.pk, **{"from": oldest.id, "to": newest.id})),
    ]

    for response in pages:
        html = response.content.decode()
        assert response.status_code == 200
        assert "rollback" not in html and "take-" not in html


def test_the_admin_may_say_who_sees_which_object(admin_client, page, save, monkeypatch):
    other = save(Page(title="other"))
    monkeypatch.setattr(
        PageAdmin, "has_view_permission", lambda self, request, obj=None: obj != page
    )

    assert see(admin_client, page).status_code == 403
    assert see(admin_client, other).status_code == 200


def test_a_stranger_logs_in_first(client, page):
    response = see(client, page)

    assert (response.status_code, response.url) == (
        302,
        f"/admin/login/?next={url('page_history', page.pk)}",
    )


# Queries


def test_the_history_takes_the_same_queries_for_any_number_of_versions(
    admin_client, page, save, django_assert_num_queries
):
    for number in range(3):
        save(page, title=f"title {number}", section=Section.objects.create(name="s"))
    with django_assert_num_queries(9):
        see(admin_client, page)

    for number in range(30):
        section, kind = Section.objects.create(name=f"{number}"), "an"[number % 2]
        save(page, title=f"again {number}", body=f"{number}", kind=kind, section=section)

    with django_assert_num_queries(9):
        see(admin_client, page)
    with django_assert_num_queries(9):
        see(admin_client, page, p=2)


def test_one_field_or_forty_take_the_same_queries(
    admin_client, record, keeper, django_assert_num_queries
):
    if keeper.name != "revisions":
        pytest.skip("The ledger keeps pages only.")
    wide = Wide()
    record(wide.save)

    for names in (["field_1"], [f"field_{number}" for number in range(40)]):
        for value in "abc":
            for name in names:
                setattr(wide, name, f"{names} {value}"[-9:])
            record(wide.save)
        newest, older, *_others, oldest = public_history(wide)
        for address, number in {
            url("wide_history", wide.pk): 8,
            url("wide_version", wide.pk, newest.id): 6,
            url("wide_compare", wide.pk, **{"from": older.id, "to": newest.id}): 5,
            url("wide_rollback", wide.pk, oldest.id): 7,
            url("wide_revert", wide.pk, **{f"take-{name}": oldest.id for name in names}): 7,
        }.items():
            with django_assert_num_queries(number):
                response = admin_client.get(address)
        assert len(response.context["lines"]) == len(names)
