from decimal import Decimal

import pytest
from django.db.models import CharField, Field, TextField

from handleref.versions import MISSING, Diff, Misfit, State
from handleref.versions.diff import relabelled
from tests.versions.models import Page, Section, Tag


def page(**data):
    return State(Page, data, frozenset({"version"}))


def test_changes_come_in_the_order_of_the_model():
    diff = Diff(page(body="a", title="b", kind="a"), page(body="x", title="y", kind="n"))

    assert list(diff) == ["title", "body", "kind"]
    assert (len(diff), "body" in diff, "price" in diff, bool(diff)) == (3, True, False, True)
    assert repr(diff) == "<Diff of title, body, kind>"


def test_equal_states_have_no_changes():
    same = page(price=Decimal("1.10"), tags=(1, 2), title="a")

    diff = Diff(same, page(price=Decimal("1.1"), tags=(2, 1), title="a"))

    assert not diff
    assert repr(diff) == "<Diff of nothing>"


def test_stamps_are_left_out_unless_asked_for():
    a, b = page(version=1), page(version=2)

    assert (list(Diff(a, b)), list(Diff(a, b, stamps=True))) == ([], ["version"])


def test_from_nothing_every_field_changes():
    created, gone = Diff(None, page(title="a"))["title"], Diff(page(title="a"), None)["title"]

    assert (created.old, created.new) == (MISSING, "a")
    assert (gone.old, gone.new) == ("a", MISSING)
    assert not Diff(None, None)


def test_a_field_that_did_not_exist_then_says_so():
    change = Diff(page(), page(title="a"))["title"]

    assert (change.old, change.note) == (MISSING, "This field did not exist then.")
    assert (bool(MISSING), str(MISSING), repr(MISSING)) == (False, "", "MISSING")


def test_a_field_that_exists_no_more_says_so_and_comes_last():
    diff = Diff(page(colour="red", title="a"), page(colour="blue", title="b"))

    change = diff["colour"]
    assert list(diff) == ["title", "colour"]
    assert (change.field, change.verbose_name) == (None, "colour")
    assert (change.old_label, change.new_label) == ("red", "blue")
    assert change.note == "This field exists no more."


def test_a_value_that_fits_no_more_says_so():
    change = Diff(page(price=Misfit("much")), page(price=Decimal(1)))["price"]

    assert str(change.old) == "much"
    assert change.note == "The field does not take this value any more."


def test_a_text_is_compared_word_by_word():
    change = Diff(page(body="one two"), page(body="one three"))["body"]

    assert change.is_text
    assert change.words == [("equal", "one "), ("delete", "two"), ("insert", "three")]


@pytest.mark.parametrize(("name", "old", "new"), [("kind", "a", "n"), ("body", MISSING, "b")])
def test_what_is_no_free_text_has_no_words(name, old, new):
    data = {} if old is MISSING else {name: old}

    change = Diff(page(**data), page(**{name: new}))[name]

    assert (change.is_text, change.words) == (False, [])


def test_a_relation_gains_and_loses():
    change = Diff(page(tags=(1, 2)), page(tags=(2, 3)))["tags"]

    assert (change.is_many, change.added, change.removed) == (True, [3], [1])


def test_choices_have_labels():
    change = Diff(page(kind="a"), page(kind="n"))["kind"]

    assert (change.old_label, change.new_label) == ("Article", "News")


def test_json_has_no_choices_to_stumble_over():
    change = Diff(page(extra={"a": 1}), page(extra=[1]))["extra"]

    assert (change.old_label, change.new_label) == ({"a": 1}, [1])


@pytest.mark.django_db
def test_relations_get_their_labels_together(django_assert_num_queries):
    sections = [Section.objects.create(name=name) for name in ("s1", "s2")]
    tags = [Tag.objects.create(name=name) for name in ("t1", "t2")]
    diffs = [
        Diff(page(section=sections[0].pk, tags=()), page(section=sections[1].pk, tags=())),
        Diff(page(tags=(tags[0].pk,)), page(tags=(tags[1].pk, 4711))),
        Diff(page(section=None), page(section=4711)),
    ]

    with django_assert_num_queries(2):
        Diff.label(diffs)

    assert (diffs[0]["section"].old_label, diffs[0]["section"].new_label) == ("s1", "s2")
    assert diffs[1]["tags"].added_labels == ["t2", "4711 (exists no more)"]
    assert diffs[1]["tags"].removed_labels == ["t1"]
    assert diffs[2]["section"].old_label is None
    assert diffs[2]["section"].new_label == "4711 (exists no more)"


def test_without_labels_a_relation_shows_its_key():
    change = Diff(page(section=1), page(section=2))["section"]

    assert (change.old_label, change.new_label) == (1, 2)


def test_a_hook_changes_what_is_shown_or_leaves_it_out():
    def masked(change):
        return relabelled(change, old="•••", new="•••")

    hooks = {"title": masked, TextField: lambda change: None, CharField: masked}
    a, b = (
        page(title="a", body="a", kind="a", price=1),
        page(title="b", body="b", kind="n", price=2),
    )

    diff = Diff(a, b, hooks=hooks)

    assert [(change.name, change.new) for change in diff.values()] == [
        ("title", "•••"),
        ("kind", "•••"),
        ("price", 2),
    ]


def test_the_nearest_class_has_the_hook():
    hooks = {Field: lambda change: None, CharField: lambda change: change}

    assert list(Diff(page(title="a", body="a"), page(title="b", body="b"), hooks=hooks)) == [
        "title"
    ]
