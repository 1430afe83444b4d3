"""Which updates a condition lets through, asked of the database itself."""

import pytest
from django.db import models
from django.db.models import F, Q

from handleref.events.tracking import (
    AllChange,
    AllDontChange,
    AnyChange,
    AnyDontChange,
    Condition,
)
from handleref.triggers.conditions import declared
from tests.events.models import Book, Conditional, ConditionalEvent, Restaurant

DATE = "2026-01-01T00:00:00Z"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "after", "labels"),
    [
        ({}, {}, "a_or_b_same ab_same"),
        ({"a": 0}, {"a": 2}, "any_a a_or_b_same not_b up among was"),
        ({"a": 20}, {"a": 40}, "any_a a_or_b_same not_b up up_by_ten raw was"),
        ({"a": 5}, {"a": 1}, "any_a a_or_b_same not_b among was"),
        ({}, {"b": "x"}, "a_or_b_same reversed was"),
        ({}, {"b": "Y"}, "a_or_b_same was"),
        ({"b": None}, {"b": ""}, "a_or_b_same mixed was"),
        ({"b": ""}, {"b": None}, "a_or_b_same isnull mixed was"),
        ({"b": None}, {"b": None}, "a_or_b_same ab_same isnull mixed"),
        ({}, {"a": 9, "b": "x"}, "any_a all_ab not_b up mixed was"),
        ({}, {"b": "OLD.%s 100% 'q' \\ NEW."}, "a_or_b_same literal was"),
        ({}, {"b": "is 50%_ off"}, "a_or_b_same contains was"),
        ({}, {"b": "is 50%x off"}, "a_or_b_same was"),
        ({}, {"c": DATE}, "a_or_b_same ab_same not_b was"),
        ({"d": {"a": 1}}, {"d": {"a": 2}}, "a_or_b_same ab_same not_b was"),
        ({"d": None}, {"d": [1]}, "a_or_b_same ab_same not_b was"),
    ],
)
def test_an_update_is_told_by_the_conditions_that_hold(before, after, labels):
    row = Conditional.objects.create(**{"a": 7, "b": "y", **before})

    Conditional.objects.filter(pk=row.pk).update(**after or {"a": F("a")})

    found = ConditionalEvent.objects.filter(hr_operation="update").values_list(
        "hr_label", flat=True
    )
    assert {*found} == {"every", *labels.split()}


@pytest.mark.django_db
def test_conditions_hold_for_insertions_and_deletions_too():
    Conditional.objects.create(a=100)
    big = Conditional.objects.create(a=101)

    big.delete()

    found = ConditionalEvent.objects.order_by("hr_id").values_list("hr_operation", "hr_label", "a")
    assert [*found] == [("insert", "big", 101), ("delete", "was", 101)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: declared(Q(price=3)),
            "A condition names old__… or new__…, not 'price'.",
        ),
        (
            lambda: declared(Q(new__title="x")) & declared(Q(new__titel="x")),
            (
                "events_tests.Book has no field 'titel': it has id, title, pages, price, extra,"
                " cover, shelf, sequel_to, editor, loud, created, changed."
            ),
        ),
        (
            lambda: AnyChange("tags"),
            (
                "events_tests.Book.tags has no column: choose from id, title,"
                " pages, price, extra, cover, shelf, sequel_to, editor, loud, created, changed."
            ),
        ),
        (
            lambda: AnyChange("created", exclude=["created"]),
            (
                "AnyChange('created', exclude=('created',)) leaves no field of events_tests.Book"
                " to compare."
            ),
        ),
        (
            lambda: AllChange("changed", exclude_auto=True),
            (
                "AllChange('changed', exclude_auto=True) leaves no field of events_tests.Book"
                " to compare."
            ),
        ),
    ],
)
def test_a_condition_on_what_there_is_not_is_refused(make, message):
    with pytest.raises(ValueError) as error:
        make().bind(Book, [Book._meta.get_field("title")], Book)

    assert str(error.value) == message


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("a = 1", "'a = 1' is no condition: take a Q, a Condition or AnyChange(…)."),
        (Q(), "<Q: (AND: )> is no condition: take a Q, a Condition or AnyChange(…)."),
        (Q(new__a=1) ^ Q(new__b=1), "Conditions are joined with & and |, not XOR."),
    ],
)
def test_what_is_no_condition_is_refused(condition, message):
    with pytest.raises(TypeError) as error:
        declared(condition)

    assert str(error.value) == message


def test_a_condition_says_what_it_is():
    whole = (AnyChange("a") & Q(new__b="x")) | ~Q(old__b="y") | Condition("NEW.a > 1")

    assert repr(whole) == (
        "(((AnyChange('a') & Q(new__b='x')) | ~Q(old__b='y')) | Condition('NEW.a > 1'))"
    )
    assert repr(AnyDontChange(exclude=["a"], exclude_auto=True)) == (
        "AnyDontChange(exclude=('a',), exclude_auto=True)"
    )


def test_what_is_written_by_itself_is_left_out_when_asked():
    tracked = [Book._meta.get_field(name) for name in ("title", "created", "changed")]

    bound = AllDontChange(exclude_auto=True).bind(Book, tracked, Book)

    assert (bound.of, bound.every, bound.unchanged) == (("title",), True, True)


def test_each_table_of_a_model_compares_its_own_columns():
    tracked = Restaurant._meta.concrete_fields
    place = Restaurant._meta.get_field("name").model

    assert AnyChange().bind(Restaurant, tracked, place).of == ("id", "name")
    assert AnyChange().bind(Restaurant, tracked, Restaurant).of == ("place_ptr_id", "seats")
    assert AnyChange("seats").touches(Restaurant, tracked, place) is False
    assert declared(Q(new__name="x")).touches(Restaurant, tracked, Restaurant) is False
    assert (AnyChange("seats") & Q(new__seats=1)).touches(Restaurant, tracked, place) is False


def test_a_condition_on_two_tables_of_a_model_is_refused():
    condition = AnyChange("seats") & Q(new__name="x")

    with pytest.raises(ValueError) as error:
        condition.touches(Restaurant, Restaurant._meta.concrete_fields, Restaurant)

    assert str(error.value) == (
        "(AnyChange('seats') & Q(new__name='x')) names fields of several tables of"
        " events_tests.Restaurant, of which a trigger sees one: take a tracker for each."
    )


def test_columns_whose_equality_is_loose_are_compared_as_text():
    class Strange(models.Model):
        plain = models.TextField()
        same = models.TextField(db_collation="nocase")
        data = models.JSONField()
        number = models.IntegerField()

        class Meta:
            app_label = "events_tests"
            managed = False

    bound = AnyChange().bind(Strange, Strange._meta.concrete_fields, Strange)

    assert (bound.as_text, bound.strict) == (("same", "data"), ("id", "number"))
