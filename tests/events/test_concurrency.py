"""Threads that really meet: what was committed is recorded, and nothing else."""

# ruff: noqa: S608 - the names of tables are the suite's own

import asyncio
import random
import threading

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction

from handleref.triggers.dialects import dialect_of
from handleref.triggers.suspension import suspend
from tests.events.models import Piece, PieceEvent, RowPiece, RowPieceEvent
from tests.threads import THREADS, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

# Where writers queue for the whole database, fewer will do.
TIMES = 40 if connection.features.has_select_for_update else 8
EVENTS = {Piece: PieceEvent, RowPiece: RowPieceEvent}


class Writer:
    """Writes numbers that nobody else writes, and remembers those that were committed.

    :ivar steps: ``(primary key, count before, count after)`` of each committed change.
    :ivar lives: what was committed of each row of its own, in order.
    """

    def __init__(self, number, model, pks, *, hides=False):
        self.number = number
        self.model = model
        self.pks = pks
        self.hides = hides
        self.random = random.Random(number)
        self.written = 0
        self.steps = []
        self.lives = {}

    def work(self):
        for _ in range(TIMES):
            done = self.random.choice([self.change_shared, self.live])()
            if done:
                self.remember(*done)

    def remember(self, steps, lives):
        self.steps += steps
        for pk, life in lives.items():
            self.lives.setdefault(pk, []).extend(life)

    def next(self):
        self.written += 1
        return self.number * 1_000_000 + self.written

    def change_shared(self):
        """Change some rows that all writers change, in savepoints that are rolled back or not."""
        with transaction.atomic():
            # In one order, so that no two wait for each other.
            chosen = sorted(self.random.sample(self.pks, 2))
            rows = self.model.objects.select_for_update().filter(pk__in=chosen).order_by("pk")
            steps = [step for row in rows for step in self.change(row)]
            if self.random.random() < 0.3:
                transaction.set_rollback(True)
                return None
        return steps, {}

    def change(self, row):
        """Yield the changes of a locked row that were not rolled back."""
        for _ in range(2):
            number = self.next()
            with transaction.atomic():
                self.write(row.pk, number)
                if self.random.random() < 0.3:
                    transaction.set_rollback(True)
                    continue
            yield row.pk, row.count, number
            row.count = number

    def write(self, pk, number):
        rows = self.model.objects.filter(pk=pk)
        how = self.random.randrange(4)
        if how == 0:
            rows.update(count=number)
        elif how == 1:
            self.model(pk=pk, count=number).save(update_fields=["count"])
        elif how == 2:
            self.model.objects.bulk_update([self.model(pk=pk, count=number)], ["count"])
        else:
            with connection.cursor() as cursor:
                table = self.model._meta.db_table
                cursor.execute(f"UPDATE {table} SET count = %s WHERE id = %s", [number, pk])

    def live(self):
        """Create a row, change it, delete it or not; or roll all of it back."""
        with transaction.atomic():
            row = self.model.objects.create(code=f"own {self.next()}", count=self.next())
            life = [("insert", row.count)]
            with transaction.atomic():
                self.model.objects.filter(pk=row.pk).update(count=self.next())
                transaction.set_rollback(True)
            self.model.objects.filter(pk=row.pk).update(count=self.next())
            life.append(("update", self.number * 1_000_000 + self.written))
            if self.hides:
                with suspend(self.model, record=False):
                    self.model.objects.filter(pk=row.pk).update(count=-1)
                self.model.objects.filter(pk=row.pk).update(note="seen")
                life.append(("update", -1))
            pk = row.pk
            if self.random.random() < 0.5:
                row.delete()
                life.append(("delete", life[-1][1]))
            if self.random.random() < 0.3:
                transaction.set_rollback(True)
                return None
        return [], {pk: life}


def chain(steps, pk):
    """Return the counts of a row from the first on, as each committed change found it."""
    after = {before: count for row, before, count in steps if row == pk}
    counts = [0]
    while counts[-1] in after:
        counts.append(after.pop(counts[-1]))
    assert after == {}
    return counts


def recorded(model):
    """Return what was recorded, by the primary key of the row, in its order."""
    found = {}
    events = EVENTS[model].objects.order_by("hr_id")
    for pk, operation, count in events.values_list("hr_obj_id", "hr_operation", "count"):
        found.setdefault(pk, []).append((operation, count))
    return found


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("model", [Piece, RowPiece])
def test_events_are_what_eight_writers_committed(model, hides):
    pks = [model.objects.create(code=f"shared {number}").pk for number in range(4)]
    writers = [Writer(number + 1, model, pks, hides=hides) for number in range(THREADS)]

    together(lambda number: writers[number].work())

    steps = [step for writer in writers for step in writer.steps]
    expected = {
        pk: [("insert", 0), *(("update", count) for count in chain(steps, pk)[1:])] for pk in pks
    }
    for writer in writers:
        expected |= writer.lives
    assert recorded(model) == expected
    assert dict(model.objects.filter(pk__in=pks).values_list("pk", "count")) == {
        pk: expected[pk][-1][1] for pk in pks
    }


def test_a_thread_that_hides_hides_only_its_own():
    turns = [threading.Event(), threading.Event()]

    def write(number):
        if number == 0:
            with suspend(RowPiece, record=False):
                RowPiece.objects.create(code="hidden")
                turns[0].set()
                turns[1].wait(20)
                RowPiece.objects.create(code="hidden, too")
            RowPiece.objects.create(code="seen later")
        else:
            turns[0].wait(20)
            RowPiece.objects.create(code="seen")
            RowPiece.objects.update(count=1)
            turns[1].set()

    together(write, threads=2)

    events = RowPieceEvent.objects.order_by("hr_id").values_list("hr_operation", "code")
    assert sorted(events) == [
        ("insert", "seen"),
        ("insert", "seen later"),
        ("update", "hidden"),
        ("update", "seen"),
    ]


def test_transactions_that_hide_and_that_do_not_meet():
    if not connection.features.has_select_for_update:
        pytest.skip("one transaction writes at a time")
    both_wrote = threading.Barrier(2)

    def write(number):
        with transaction.atomic():
            if number == 0:
                with suspend(Piece, record=False):
                    Piece.objects.create(code="hidden")
                    both_wrote.wait(20)
                    Piece.objects.filter(code="hidden").update(count=1)
            else:
                Piece.objects.create(code="seen")
                both_wrote.wait(20)
                Piece.objects.filter(code="seen").update(count=1)

    together(write, threads=2)

    events = PieceEvent.objects.order_by("hr_id")
    assert [*events.values_list("hr_operation", "code", "count")] == [
        ("insert", "seen", 0),
        ("update", "seen", 1),
    ]


@pytest.mark.parametrize("model", [Piece, RowPiece])
def test_a_task_that_hides_hides_only_its_own(model):
    """Both write through the one connection of the one thread that asgiref gives them."""

    async def hide(entered, written):
        async with suspend(model, reason="a task"):
            await model.objects.acreate(code="hidden")
            entered.set()
            await written.wait()
            await model.objects.filter(code="hidden").aupdate(count=1)
        await model.objects.acreate(code="seen later")

    async def show(entered, written):
        await entered.wait()
        await model.objects.acreate(code="seen")
        await model.objects.filter(code="seen").aupdate(count=2)
        written.set()

    async def main():
        events = asyncio.Event(), asyncio.Event()
        await asyncio.gather(hide(*events), show(*events))

    async_to_sync(main)()

    found = EVENTS[model].objects.order_by("hr_id")
    assert [*found.values_list("hr_operation", "code", "count")] == [
        ("insert", "seen", 0),
        ("update", "seen", 2),
        ("insert", "seen later", 0),
    ]


def test_many_tasks_take_turns():
    async def write(number):
        if number % 2:
            async with suspend(Piece, record=False):
                await Piece.objects.acreate(code=f"hidden {number}")
                await Piece.objects.filter(code=f"hidden {number}").aupdate(count=number)
        else:
            await Piece.objects.acreate(code=f"seen {number}")
            await Piece.objects.filter(code=f"seen {number}").aupdate(count=number + 1)

    async def main():
        await asyncio.gather(*(write(number) for number in range(10)))

    async_to_sync(main)()

    events = PieceEvent.objects.values_list("hr_operation", "code", "count")
    assert sorted(events) == sorted(
        event
        for number in range(0, 10, 2)
        for event in [("insert", f"seen {number}", 0), ("update", f"seen {number}", number + 1)]
    )


def test_tasks_that_begin_in_the_block_of_another_write_as_it_does():
    async def write(code):
        await Piece.objects.acreate(code=code)

    async def main():
        async with suspend(Piece, record=False):
            inherited = asyncio.create_task(write("hidden"))
        await inherited
        await write("seen")

    async_to_sync(main)()

    assert [*PieceEvent.objects.values_list("code", flat=True)] == ["seen"]


def test_transactions_have_numbers_where_the_database_gives_them():
    if not dialect_of(connection).features.transaction_ids:
        pytest.skip("transactions have no numbers")

    with transaction.atomic():
        Piece.objects.create(code="a")
        RowPiece.objects.create(code="b")
    Piece.objects.create(code="c")

    first, third = PieceEvent.objects.order_by("hr_id").values_list("hr_txid", flat=True)
    assert RowPieceEvent.objects.get().hr_txid == first < third
