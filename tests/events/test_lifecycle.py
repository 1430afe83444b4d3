"""The first events of what was there before, and the end of those that are too old."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from handleref.events.lifecycle.backfill import backfill
from handleref.events.lifecycle.prune import prune
from handleref.events.models import Suspension
from handleref.triggers.suspension import suspend
from tests.events.models import (
    Bistro,
    BistroEvent,
    Book,
    BookEvent,
    BookTagsEvent,
    Keyed,
    KeyedEvent,
    Leaf,
    LeafEvent,
    Ledger,
    LedgerEvent,
    Named,
    NamedEvent,
    Pair,
    PairEvent,
    Tag,
)

pytestmark = pytest.mark.django_db

YEAR = timedelta(days=365)


@pytest.fixture
def unseen():
    """Nothing is recorded in here."""
    with suspend(record=False):
        yield


def leaves(*numbers):
    return Leaf.objects.bulk_create([Leaf(int_field=n, text_field=str(n)) for n in numbers])


def told(events, *names):
    return [*events.order_by("hr_id").values_list("hr_operation", "hr_label", *names)]


class TestBackfill:
    def test_rows_that_have_none_get_an_event(self):
        with suspend(record=False):
            leaves(1, 2)
        leaves(3)

        written = backfill(LeafEvent)

        assert written == 2
        assert told(LeafEvent.objects, "int_field") == [
            ("insert", "snapshot", 3),
            ("manual", "backfill", 1),
            ("manual", "backfill", 2),
        ]

    def test_a_second_time_there_is_nothing_to_do(self, unseen):
        leaves(1, 2)
        backfill(LeafEvent)

        assert (backfill(LeafEvent), LeafEvent.objects.count()) == (0, 2)

    def test_it_goes_on_where_it_was_stopped(self, unseen):
        leaves(*range(10))

        def stop(rows):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            backfill(LeafEvent, batch_size=3, tick=stop)

        assert (LeafEvent.objects.count(), backfill(LeafEvent, batch_size=3)) == (3, 7)
        assert [*LeafEvent.objects.order_by("hr_id").values_list("int_field", flat=True)] == [
            *range(10)
        ]

    def test_it_says_how_far_it_is(self, unseen):
        leaves(*range(7))
        seen = []

        backfill(LeafEvent, batch_size=3, tick=seen.append)

        assert seen == [3, 3, 1]

    def test_the_statements_depend_on_batches_alone(self, unseen):
        def statements(rows):
            Leaf.objects.all().delete()
            leaves(*range(rows))
            with CaptureQueriesContext(connection) as captured:
                backfill(LeafEvent, batch_size=rows // 2)
            return len(captured)

        assert statements(8) == statements(80)

    @pytest.mark.parametrize(
        ("make", "events"),
        [
            (lambda n: Keyed.objects.create(value=n), KeyedEvent),
            (lambda n: Named.objects.create(name=f"n{n}", value=n), NamedEvent),
            (lambda n: Pair.objects.create(left=n // 3, right=n), PairEvent),
            (lambda n: Bistro.objects.create(name=str(n), seats=n), BistroEvent),
        ],
    )
    def test_keys_of_any_kind_are_gone_through(self, unseen, make, events):
        for number in range(8):
            make(number)

        assert (backfill(events, batch_size=3), backfill(events, batch_size=3)) == (8, 0)
        assert events.objects.count() == 8

    def test_links_get_their_first_events_too(self, unseen):
        book = Book.objects.create(title="one")
        book.tags.add(*[Tag.objects.create(name=name) for name in "abc"])

        assert (backfill(BookTagsEvent), backfill(BookTagsEvent)) == (3, 0)
        assert {event.hr_obj for event in BookTagsEvent.objects.all()} == {book}

    def test_a_batch_has_rows(self):
        with pytest.raises(ValueError) as error:
            backfill(LeafEvent, batch_size=0)

        assert str(error.value) == "A batch of 0 rows; choose at least 1."


class TestPrune:
    @pytest.fixture
    def aged(self):
        """A leaf with three events, two of them old."""
        [leaf] = leaves(1)
        leaf = Leaf.objects.get()
        for number in (2, 3):
            leaf.int_field = number
            leaf.save()
        old = LeafEvent.objects.filter(int_field__in=[1, 2])
        old.update(hr_created_at=timezone.now() - 2 * YEAR)
        return leaf

    def test_what_is_older_goes(self, aged):
        removed = prune(LeafEvent, older_than=YEAR)

        assert (removed, told(aged.events, "int_field")) == (2, [("update", "snapshot", 3)])

    def test_the_newest_of_an_object_stays_whatever_its_age(self, aged):
        LeafEvent.objects.update(hr_created_at=timezone.now() - 3 * YEAR)

        assert prune(LeafEvent, older_than=YEAR, batch_size=1) == 2
        assert [event.int_field for event in aged.events.all()] == [3]

    def test_a_dry_run_only_counts(self, aged):
        assert prune(LeafEvent, older_than=YEAR, dry_run=True) == 2
        assert aged.events.count() == 3

    def test_it_is_the_door_through_which_append_only_events_go(self):
        entry = Ledger.objects.create(amount=1)
        Ledger.objects.update(amount=2)

        removed = prune(LedgerEvent, older_than=timedelta(0), reason="GDPR request 7")

        assert (removed, [event.amount for event in entry.events.all()]) == (1, [2])
        assert [(each.targets, each.reason) for each in Suspension.objects.all()] == [
            ("events_tests.ledgerevent:append_only", "GDPR request 7")
        ]
        with pytest.raises(IntegrityError), transaction.atomic():
            entry.events.all().delete()

    @pytest.mark.parametrize("values", [{"older_than": -YEAR}, {"batch_size": 0}])
    def test_what_makes_no_sense_is_refused(self, values):
        values = {"older_than": YEAR, **values}

        with pytest.raises(ValueError) as error:
            prune(LeafEvent, **values)

        assert str(error.value) == (
            f"Neither may be less: older_than={values['older_than']},"
            f" batch_size={values.get('batch_size', 5000)}."
        )


class TestCommand:
    def said(self, capsys, *arguments):
        call_command("handleref_events", *arguments)
        return capsys.readouterr().out.splitlines()

    def test_backfill_says_how_many(self, unseen, capsys):
        leaves(1, 2)

        lines = self.said(capsys, "backfill", "events_tests.Leaf", "--label", "first")

        assert lines == ["events_tests.Leaf: 2 first events written."]
        assert {event.hr_label for event in LeafEvent.objects.all()} == {"first"}

    def test_an_app_means_its_models(self, unseen, capsys):
        Keyed.objects.create()

        lines = self.said(capsys, "backfill", "events_tests")

        assert "events_tests.Keyed: 1 first event written." in lines
        assert "events_tests.Leaf: 0 first events written." in lines

    def test_prune_says_how_many(self, capsys):
        leaves(1)
        Leaf.objects.update(int_field=2)

        dry = self.said(capsys, "prune", "events_tests.Leaf", "--older-than", "0", "--dry-run")
        wet = self.said(capsys, "prune", "events_tests.Leaf", "--older-than", "0")

        assert dry == [
            "events_tests.LeafEvent: 1 event removed.",
            "This was a dry run: nothing was written.",
        ]
        assert wet == ["events_tests.LeafEvent: 1 event removed."]
        assert BookEvent.objects.count() == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                ["backfill", "events_tests.Tag"],
                "events_tests.Tag is not tracked, so it has no events.",
            ),
            (
                ["backfill", "events_tests.Leef"],
                "There is no model 'events_tests.Leef': write app_label.Model.",
            ),
            (
                ["backfill", "events_tests.Leaf", "--label", "x" * 51],
                "--label takes 1 to 50 characters.",
            ),
        ],
    )
    def test_what_there_is_not_is_refused(self, arguments, message):
        with pytest.raises(CommandError) as error:
            call_command("handleref_events", *arguments)

        assert str(error.value) == message
