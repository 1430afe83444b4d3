"""Threads that really meet: nothing is lost, and no stack has two latest versions."""

import random
from unittest import mock

import pytest
from django.db import connection, connections, transaction
from django.db.models import F

from handleref.stacks.dialects import follows_at_once
from tests.stacks.models import Counter, Note, Quiet, StackPage
from tests.threads import THREADS, together
from tests.versions.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)

# Where writers queue for the whole database, fewer will do.
TIMES = 25 if connection.features.has_select_for_update else 8


def sound(model, group, versions):
    """Tell that a stack has so many versions, numbered from 1, of which the last is the latest."""
    rows = model._base_manager.filter(stack_group_uuid=group).order_by("stack_number")
    found = [*rows.values_list("stack_number", "stack_latest")]
    assert found == [(n, None) for n in range(1, versions)] + [(versions, True)]
    moments = [*rows.values_list("stack_created_at", flat=True)]
    assert moments == sorted(moments)
    return True


class Writer:
    """Counts up the latest version of a stack, in one way after the other."""

    def __init__(self, number, obj):
        self.random = random.Random(number)
        self.model = type(obj)
        self.group = obj.stack_group_uuid
        self.held = self.latest()

    def latest(self):
        return self.model.objects.get_latest_from_stack_group(stack_group_uuid=self.group)

    def work(self):
        ways = [self.save, self.save_stale, self.save_field, self.update, self.bulk, self.block]
        for _ in range(TIMES):
            self.random.choice(ways)()

    def save(self):
        obj = self.latest()
        obj.count = F("count") + 1
        obj.save()

    def save_stale(self):
        """Save an instance that was read when the thread began, or was saved since."""
        self.held.count = F("count") + 1
        self.held.save()

    def save_field(self):
        self.held.count = F("count") + 1
        self.held.save(update_fields=["count"])

    def update(self):
        rows = self.model.objects.filter(stack_group_uuid=self.group)
        assert rows.update(count=F("count") + 1) == 1

    def bulk(self):
        obj = self.latest()
        obj.count = F("count") + 1
        assert self.model.objects.bulk_update([obj], ["count"]) == 1

    def block(self):
        """Write within a transaction of one's own, of which a part is rolled back."""
        with transaction.atomic():
            self.save_stale()
            with transaction.atomic():
                self.held.save()
                transaction.set_rollback(True)


def count_up(obj):
    writers = [Writer(number, obj) for number in range(THREADS)]
    together(lambda number: writers[number].work())
    total = THREADS * TIMES
    assert sound(type(obj), obj.stack_group_uuid, total + 1)
    assert writers[0].latest().count == total


def test_eight_writers_of_one_stack_lose_nothing():
    count_up(Counter.objects.create(name="a"))


def test_nor_where_keys_are_made_in_python():
    note = Note.objects.create(text="a")
    tag = Tag.objects.create(name="t")
    note.tags.add(tag)

    count_up(note)

    assert [*note.latest_instance().tags.all()] == [tag]


def test_nor_in_sqlites_own_mode():
    """A transaction that reads first, and then writes, fails there at once."""
    if connection.features.has_select_for_update:
        pytest.skip("rows are locked, and not the database")
    options = connections.settings["default"]["OPTIONS"]

    with mock.patch.dict(options, {"transaction_mode": "DEFERRED"}):
        count_up(Counter.objects.create(name="a"))


def test_eight_writers_of_the_same_values_keep_all_of_them():
    counter = Counter.objects.create(name="a")
    # One statement that demotes and inserts holds on its own, without a transaction around it.
    times = 200 if follows_at_once(connection) else TIMES

    def work(number):
        held = Counter.objects.get(pk=counter.pk)
        for step in range(times):
            held.name = f"{number} {step}"
            held.save()

    together(work)

    assert sound(Counter, counter.stack_group_uuid, THREADS * times + 1)
    names = counter.same_group_items().values_list("name", flat=True)
    assert {*names} == {"a"} | {f"{n} {step}" for n in range(THREADS) for step in range(times)}


def test_versions_that_are_made_by_hand_are_numbered_one_after_the_other():
    counter = Counter.objects.create(name="a")
    group = counter.stack_group_uuid

    def work(number):
        for step in range(TIMES // 4):
            pair = [Counter(name=f"{number} {step} {n}", stack_group_uuid=group) for n in (1, 2)]
            Counter.objects.bulk_create(pair)
            Counter(name=f"{number} {step} 3", stack_group_uuid=group).save()

    together(work)

    assert sound(Counter, group, THREADS * (TIMES // 4) * 3 + 1)


def test_updates_of_all_stacks_meet():
    counters = Counter.objects.bulk_create([Counter(name=str(n)) for n in range(20)])
    groups = [counter.stack_group_uuid for counter in counters]

    def work(number):
        for _ in range(TIMES // 4):
            assert Counter.objects.update(count=F("count") + 1) == len(groups)

    together(work)

    total = THREADS * (TIMES // 4)
    assert all(sound(Counter, group, total + 1) for group in groups)
    assert {c.count for c in Counter.objects.latest_from_stack_group()} == {total}


def test_deletions_and_saves_meet():
    counter = Counter.objects.create(name="a")
    for _ in range(THREADS):
        counter.save()
    group = counter.stack_group_uuid

    def work(number):
        for _ in range(TIMES // 4):
            held = Counter.objects.filter(stack_group_uuid=group).order_by("-stack_number").first()
            if number % 2:
                held.force_delete()
            else:
                held.save()
                held.save()

    together(work)

    rows = Counter.objects.filter(stack_group_uuid=group)
    latest = rows.get(stack_latest=True)
    assert latest == rows.order_by("-stack_number").first()


def test_only_one_of_eight_gets_a_unique_value():
    got = []

    def work(number):
        page, created = StackPage.objects.latest_from_stack_group().get_or_create(
            title="one", defaults={"body": str(number)}
        )
        got.append((page.pk, created))

    together(work)

    assert len({pk for pk, _created in got}) == 1
    assert sum(created for _pk, created in got) == 1


@pytest.mark.parametrize("model", [StackPage, Counter], ids=["unique", "free"])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside"])
def test_each_update_or_create_makes_a_version(model, beside):
    """Whoever waits for a version that is then an old one takes the one that came after."""
    field, value = ("title", "body") if model is StackPage else ("name", "count")
    first = model.objects.create(**{field: "one"})

    def work(number):
        latest = model.objects.latest_from_stack_group()
        for step in range(TIMES):
            if beside and step % 2:
                latest.get(**{field: "one"}).save(update_fields=[value])
                continue
            defaults = {value: number * 1_000 + step}
            _obj, created = latest.update_or_create(**{field: "one"}, defaults=defaults)
            assert not created
            assert not latest.get_or_create(**{field: "one"})[1]

    together(work)

    assert model.objects.filter(stack_latest=True).count() == 1
    assert sound(model, first.stack_group_uuid, THREADS * TIMES + 1)
    values = {int(v) for v in first.same_group_items().values_list(value, flat=True) if v}
    steps = range(0, TIMES, 2) if beside else range(TIMES)
    assert values - {0} == {n * 1_000 + step for n in range(THREADS) for step in steps} - {0}


def test_the_first_of_eight_creates_and_the_others_update():
    if connection.vendor == "mysql":
        pytest.skip("whoever tried to insert what is there has it locked, as others do")
    made = []

    def work(number):
        latest = StackPage.objects.latest_from_stack_group()
        for step in range(TIMES):
            page, created = latest.update_or_create(title=str(step), defaults={"body": number})
            made.append(page.stack_number if created else 0)

    together(work)

    assert sorted(made) == [0] * (THREADS - 1) * TIMES + [1] * TIMES
    for page in StackPage.objects.latest_from_stack_group():
        assert sound(StackPage, page.stack_group_uuid, THREADS)


@pytest.mark.parametrize("unique", [True, False], ids=["unique", "free"])
def test_whoever_reads_the_latest_version_under_a_lock_finds_it(unique):
    model, field = (StackPage, "title") if unique else (Counter, "name")
    first = model.objects.create(**{field: "one"})

    def work(number):
        for _ in range(TIMES):
            with transaction.atomic():
                latest = model.objects.latest_from_stack_group().select_for_update()
                latest.get(**{field: "one"}).save()

    together(work)

    assert sound(model, first.stack_group_uuid, THREADS * TIMES + 1)


def test_unchanged_saves_meet():
    quiet = Quiet.objects.create(name="a")

    def work(number):
        held = Quiet.objects.get(pk=quiet.pk)
        for _ in range(TIMES // 4):
            held.save()

    together(work)

    assert sound(Quiet, quiet.stack_group_uuid, 1)


@pytest.fixture
def repeatable_read():
    """Let transactions see what there was when they began, where they may still write."""
    if connection.vendor != "mysql":
        pytest.skip("who writes there is told to try again")
    level = "SET SESSION TRANSACTION ISOLATION LEVEL"
    with connection.cursor() as cursor:
        cursor.execute(f"{level} REPEATABLE READ")
        yield
        cursor.execute(f"{level} READ COMMITTED")


@pytest.mark.parametrize("way", ["save", "update", "bulk_update", "bulk_create", "join"])
def test_what_a_transaction_cannot_see_it_goes_on_from(repeatable_read, way):
    counter = Counter.objects.create(name="a", count=1)
    group = counter.stack_group_uuid

    def meanwhile(number):
        held = Counter.objects.get_latest_from_stack_group(stack_group_uuid=group)
        held.count = 2
        held.save()

    with transaction.atomic():
        held = Counter.objects.get()
        together(meanwhile, threads=1)
        held.count = F("count") + 1
        if way == "save":
            held.save()
        elif way == "update":
            assert Counter.objects.update(count=F("count") + 1) == 1
        elif way == "bulk_update":
            assert Counter.objects.bulk_update([held], ["count"]) == 1
        else:
            joining = Counter(name="a", count=3, stack_group_uuid=group)
            Counter.objects.bulk_create([joining]) if way == "bulk_create" else joining.save()

    assert sound(Counter, group, 3)
    assert counter.latest.count == 3
