"""A fact is changed for a part of its validity; and how both times read together."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.utils import timezone

from handleref.exceptions import PortionError, RowChangedError
from handleref.pointintime.base import all_rows
from handleref.pointintime.history import Period, Span
from handleref.pointintime.models import PointInTimeModel
from handleref.pointintime.portions import correct
from tests.pointintime.models import Counter, Tag, Tariff

pytestmark = pytest.mark.django_db


def day(number):
    return datetime(2024, 1, number, tzinfo=UTC)


@pytest.fixture
def tariff():
    """What a code costs from the first to the thirty-first."""
    return Tariff.objects.create(code="A", price=10, start_at=day(1), end_at=day(31))


def validities(rows=None):
    rows = Tariff.objects.all() if rows is None else rows
    found = rows.order_by("start_at").values_list("start_at", "end_at", "price")
    return [(start.day, end and end.day, int(price)) for start, end, price in found]


@isolate_apps("tests.pointintime")
@pytest.mark.parametrize(
    ("field", "way"),
    [
        (models.ForeignKey("auth.User", models.PROTECT, related_name="+"), "correct it as user_id"),
        (models.CharField(max_length=9), r"save\(\) changes that"),
    ],
    ids=["key", "text"],
)
def test_a_user_is_not_taken_for_a_value(field, way):
    class Loan(PointInTimeModel):
        user = field.clone()

        class Meta:
            app_label = "pointintime_tests"

    with pytest.raises(TypeError, match=f"has a field called user: {way}, and name who makes"):
        correct(all_rows(Loan), None, (day(1), None), "ann", {})


class TestCorrecting:
    def test_what_is_left_before_and_after_becomes_objects_of_their_own(self, tariff):
        parts = tariff.correct(day(10), day(20), price=15)

        assert validities() == [(1, 10, 10), (10, 20, 15), (20, 31, 10)]
        assert [(part.start_at, part.price) for part in parts] == [
            (day(1), 10),
            (day(10), 15),
            (day(20), 10),
        ]
        assert parts[1] is tariff
        assert (tariff.row_version, tariff.start_at, tariff.end_at) == (2, day(10), day(20))
        assert len({part.row_id for part in parts}) == 3
        assert [part.row_version for part in parts] == [1, 2, 1]

    def test_all_of_it_is_known_from_one_moment_on(self, tariff):
        before = tariff.created_at

        parts = tariff.correct(valid_from=day(10), valid_to=day(20), price=15)

        (moment,) = {part.created_at for part in parts}
        tick = timedelta(microseconds=1)
        assert validities(Tariff.records.version(before)) == [(1, 31, 10)]
        assert validities(Tariff.records.version(moment - tick)) == [(1, 31, 10)]
        assert validities(Tariff.records.version(moment)) == [
            (1, 10, 10),
            (10, 20, 15),
            (20, 31, 10),
        ]

    @pytest.mark.parametrize(
        ("valid", "expected"),
        [
            ((None, None), [(1, 31, 15)]),
            ((day(10), None), [(1, 10, 10), (10, 31, 15)]),
            ((None, day(10)), [(1, 10, 15), (10, 31, 10)]),
            ((day(1), day(31)), [(1, 31, 15)]),
            ((day(1) - timedelta(9), day(10)), [(1, 10, 15), (10, 31, 10)]),
            ((day(10), day(31) + timedelta(9)), [(1, 10, 10), (10, 31, 15)]),
        ],
        ids=["all", "from", "to", "exactly all", "from before", "to after"],
    )
    def test_a_part_may_reach_to_an_end_or_beyond(self, tariff, valid, expected):
        tariff.correct(*valid, price=15)

        assert validities() == expected

    def test_what_has_no_end_has_none_afterwards(self):
        tariff = Tariff.objects.create(code="A", price=10, start_at=day(1))

        tariff.correct(day(10), day(20), price=15)

        assert validities() == [(1, 10, 10), (10, 20, 15), (20, None, 10)]

    def test_dates_are_where_a_day_begins_here(self, tariff):
        tariff.correct(date(2024, 1, 10), date(2024, 1, 20), price=15)

        assert tariff.start_at == timezone.make_aware(datetime(2024, 1, 10))
        assert tariff.end_at == timezone.make_aware(datetime(2024, 1, 20))

    def test_the_user_is_that_of_all_versions(self, tariff):
        ann = get_user_model().objects.create_user("ann")

        parts = tariff.correct(day(10), day(20), user=ann, price=15)

        assert [part.modified_by for part in parts] == [ann] * 3

    def test_links_are_those_of_all_parts(self, tariff):
        tag = Tag.objects.create(name="t")
        tariff.tags.add(tag)

        parts = tariff.correct(day(10), day(20), price=15)

        assert [[*part.tags.all()] for part in parts] == [[tag]] * 3

    def test_what_is_unsaved_does_not_count(self, tariff):
        tariff.code = "B"

        tariff.correct(day(10), None, price=15)

        assert tariff.code == "A"
        assert {*Tariff.objects.values_list("code", flat=True)} == {"A"}

    def test_a_part_that_there_is_not_is_refused(self, tariff):
        name, first, last = f"pointintime_tests.Tariff {tariff.pk}", "2024-01-01", "2024-01-31"
        there = f"{name} is valid from {first}T00:00:00+00:00 until {last}T00:00:00+00:00"
        backwards = "valid_from 2024-01-31T00:00:00+00:00 is not before valid_to"

        for valid, message in (
            ((day(31), day(1)), f"{backwards} {first}T00:00:00+00:00."),
            (
                (day(31), None),
                f"{there}: there is nothing of it from {last}T00:00:00+00:00 to None.",
            ),
            (
                (None, day(1)),
                f"{there}: there is nothing of it from None to {first}T00:00:00+00:00.",
            ),
        ):
            with pytest.raises(PortionError) as error:
                tariff.correct(*valid, price=15)

            assert str(error.value) == message
        assert validities() == [(1, 31, 10)]
        assert tariff.row_version == 1

    def test_what_is_no_value_is_refused(self, tariff):
        with pytest.raises(ValueError) as error:
            tariff.correct(day(10), None, end_at=day(5))
        with pytest.raises(TypeError) as other:
            tariff.correct(day(10), None, title="x")
        with pytest.raises(ValueError, match=r"^id of .* is not corrected"):
            tariff.correct(day(10), None, id=tariff.pk + 1)

        assert str(error.value) == (
            "end_at of pointintime_tests.Tariff is not corrected for a part of its validity:"
            " valid_from and valid_to say which part."
        )
        assert str(other.value) == "pointintime_tests.Tariff has no field called 'title'."

    def test_a_stale_instance_is_refused_where_a_model_asks_for_it(self):
        counter = Counter.objects.create(start_at=day(1))
        Counter.objects.get().save()

        with pytest.raises(RowChangedError):
            counter.correct(day(10), None, number=1)

    def test_it_can_be_taken_back(self, tariff):
        moment = tariff.created_at
        tariff.correct(day(10), day(20), price=15)

        Tariff.objects.all().rollback_to_at(moment)

        assert validities() == [(1, 31, 10)]


def test_both_times_read_together(tariff):
    first = tariff.created_at
    tariff.correct(day(10), day(20), price=15)
    second = tariff.created_at

    def price(version_at, active_at):
        return int(Tariff.records.version(version_at).active(active_at).get().price)

    assert [price(first, day(n)) for n in (5, 15, 25)] == [10, 10, 10]
    assert [price(second, day(n)) for n in (5, 15, 25)] == [10, 15, 10]
    assert not Tariff.records.version(second).active(day(31)).exists()


def test_a_moment_is_a_condition_like_others(tariff):
    first = tariff.created_at
    tariff.correct(day(10), day(20), price=15)
    then, now = (Tariff.records.version(moment) for moment in (first, tariff.created_at))

    assert sorted(validities(then | now)) == [(1, 10, 10), (1, 31, 10), (10, 20, 15), (20, 31, 10)]
    assert not (then & now).exists()
    assert validities(Tariff.records.exclude(pk__in=now.values("pk"))) == validities(then)
    earlier = then.filter(row_id=models.OuterRef("row_id"))
    assert validities(now.filter(models.Exists(earlier))) == [(10, 20, 15)]
    assert (now.count(), now.filter(price=15).count(), now.none().count()) == (3, 1, 0)
    assert now.aggregate(sum=models.Sum("price"))["sum"] == 35
    # In a name of another table, and under another name of the same one.
    assert Tag.objects.filter(tariff__in=now.filter(pk=tariff.pk)).count() == 0
    assert now.filter(pk__in=now.filter(price=15)).get() == tariff


def test_rows_are_locked_by_what_they_are_by_now(tariff):
    """A key that was found may become that of a later version, while the lock is waited for."""
    rows = Tariff.records.version(tariff.created_at)

    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        assert rows.select_for_update().get() == tariff

    assert queries[-1]["sql"].count("SELECT") == 1


class TestTimelines:
    def test_an_object_is_rectangles_of_two_times(self, tariff):
        first = tariff.created_at
        tariff.end_at = None
        tariff.save()
        second = tariff.created_at

        old, new = Tariff.records.order_by("row_version")
        assert tariff.timeline() == [
            Span(Period(first, second), Period(day(1), day(31)), old),
            Span(Period(second), Period(day(1)), new),
        ]

    def test_a_queryset_has_one_for_each_object(self, tariff, django_assert_num_queries):
        other = Tariff.objects.create(code="B", start_at=day(1))
        tariff.save()
        other.delete()

        with django_assert_num_queries(2):
            timelines = Tariff.records.order_by("row_id").timelines()

        versions = {key: [span.row.row_version for span in s] for key, s in timelines.items()}
        assert versions == {tariff.pk: [1, 2], other.pk: [1]}
        assert Tariff.objects.timelines().keys() == {tariff.pk}

    def test_periods_know_what_is_in_them(self):
        week, always = Period(day(1), day(8)), Period(day(1))

        assert day(1) in week
        assert day(8) not in week
        assert day(31) in always
        assert week.overlaps(always)
        assert always.overlaps(Period(day(20)))
        assert not week.overlaps(Period(day(8)))
        assert not Period(day(8)).overlaps(week)
        assert str(week) == "[2024-01-01T00:00:00+00:00, 2024-01-08T00:00:00+00:00)"
        assert str(always) == "[2024-01-01T00:00:00+00:00, …)"
