"""Threads that really meet: nothing is lost, and each chain of versions is without a gap."""

import random

import pytest
from django.db import connection, transaction
from django.db.models import F

from tests.pointintime.models import Article, Citation, Counter, Note, Verdict
from tests.threads import THREADS, together

pytestmark = pytest.mark.django_db(transaction=True)

# Where writers queue for the whole database, fewer will do.
TIMES = 40 if connection.features.has_select_for_update else 12


def sound(model, row_id, versions):
    """Tell that an object has so many versions, each of which ends when the next one begins."""
    rows = model.records.filter(row_id=row_id).order_by("row_version")
    found = [*rows.values_list("row_version", "created_at", "replaced_at", "pk")]
    assert [number for number, *_ in found] == [*range(1, versions + 1)]
    begun = [created for _number, created, _replaced, _pk in found]
    assert [replaced for _number, _created, replaced, _pk in found] == [*begun[1:], None]
    assert begun == sorted({*begun})
    assert [pk for _number, _created, replaced, pk in found if replaced is None] == [row_id]
    return True


@pytest.mark.parametrize("model", [Article, Note], ids=["key of the database", "key of Python"])
def test_eight_savers_of_one_object_lose_nothing(model):
    name = "header" if model is Article else "text"
    obj = model.objects.create(**{name: "first"})

    def work(number):
        held = model.objects.get(pk=obj.pk)
        for step in range(200):
            setattr(held, name, f"{number} {step}")
            held.save()

    together(work)

    assert sound(model, obj.pk, 1_601)
    texts = [*model.records.filter(row_id=obj.pk).values_list(name, flat=True)]
    saved = [f"{number} {step}" for number in range(THREADS) for step in range(200)]
    assert sorted(texts) == sorted(["first", *saved])


class Writer:
    """Writes versions of an object, and takes back no more of them than it wrote.

    :ivar versions: how many versions there are more by its doing.
    """

    def __init__(self, number, shared):
        self.random = random.Random(number)
        self.number = number
        self.shared = shared
        self.held = Article.objects.get(pk=shared.pk)
        self.versions = 0
        self.lives = []

    def work(self):
        ways = [
            self.save,
            self.save_field,
            self.update,
            self.bulk_update,
            self.block,
            self.live,
            self.roll_back,
            self.roll_back_rows,
        ]
        for _ in range(TIMES):
            self.versions += self.random.choice(ways)()

    def save(self):
        self.held.header = f"{self.number} {self.versions}"
        self.held.save()
        return 1

    def save_field(self):
        self.held.save(update_fields=["header"])
        return 1

    def update(self):
        assert Article.objects.filter(pk=self.shared.pk).update(body=str(self.number)) == 1
        return 1

    def bulk_update(self):
        assert Article.objects.bulk_update([self.held], ["header", "body"]) == 1
        return 1

    def block(self):
        """Write within a transaction of one's own, of which a part is rolled back."""
        with transaction.atomic():
            self.save()
            with transaction.atomic():
                self.update()
                transaction.set_rollback(True)
            self.update()
        return 2

    def live(self):
        """Let another object live and die."""
        other = Article.objects.create(header="other")
        other.save()
        self.lives.append((other.pk, other.created_at))
        if self.random.random() < 0.5:
            assert Article.objects.filter(pk=other.pk).delete()[0] == 1
        else:
            other.delete()
        return 0

    def roll_back(self):
        if self.versions < 1:
            return 0
        return -Article.objects.get(pk=self.shared.pk).rollback_latest()

    def roll_back_rows(self):
        if self.versions < 1:
            return 0
        return -Article.objects.filter(pk=self.shared.pk).rollback_latest()


def test_saves_updates_deletions_and_rollbacks_meet():
    shared = Article.objects.create(header="first")
    writers = [Writer(number, shared) for number in range(THREADS)]

    together(lambda number: writers[number].work())

    assert sound(Article, shared.pk, 1 + sum(writer.versions for writer in writers))
    for pk, replaced in [life for writer in writers for life in writer.lives]:
        first, last = Article.records.filter(row_id=pk).order_by("row_version")
        assert (first.row_version, last.row_version, last.pk) == (1, 2, pk)
        assert first.replaced_at == last.created_at == replaced < last.replaced_at


def test_what_the_database_reckons_is_not_lost():
    counter = Counter.objects.create(number=0)

    def work(number):
        for _ in range(TIMES):
            assert Counter.objects.filter(pk=counter.pk).update(number=F("number") + 1) == 1

    together(work)

    total = THREADS * TIMES
    assert sound(Counter, counter.pk, total + 1)
    rows = Counter.records.order_by("row_version")
    assert [*rows.values_list("number", flat=True)] == [*range(total + 1)]


def test_updates_of_all_objects_meet_in_one_order():
    counters = Counter.objects.bulk_create([Counter(number=0) for _ in range(20)])
    pks = [counter.pk for counter in counters]

    def work(number):
        rows = Counter.objects.order_by("-pk" if number % 2 else "pk")
        for _ in range(TIMES // 4):
            assert rows.update(number=F("number") + 1) == len(pks)

    together(work)

    total = THREADS * (TIMES // 4)
    assert all(sound(Counter, pk, total + 1) for pk in pks)
    assert {counter.number for counter in Counter.objects.all()} == {total}


@pytest.mark.parametrize("owner_model", [Citation, Verdict], ids=["plain", "point-in-time"])
def test_frozen_keys_stay_on_the_version_they_were_made_with(owner_model):
    article = Article.objects.create(header="1")
    made = []

    def save():
        held = Article.objects.get(pk=article.pk)
        for step in range(TIMES):
            if step % 4:
                held.save()
            else:
                Article.objects.filter(pk=article.pk).update(body=str(step))

    def cite():
        for _ in range(TIMES):
            version = Article.objects.get(pk=article.pk)
            owner = owner_model.objects.create(article=version)
            made.append((owner.pk, version.row_version))

    together(lambda number: save() if number % 2 else cite())

    assert sound(Article, article.pk, 1 + THREADS // 2 * TIMES)
    found = owner_model.objects.values_list("pk", "article__row_version")
    assert sorted(found) == sorted(made)


def test_versions_are_those_of_one_moment_while_savers_run():
    article = Article.objects.create(header="0", body="0")
    seen = []

    def save(number):
        held = Article.objects.get(pk=article.pk)
        for step in range(TIMES):
            held.header = held.body = f"{number} {step}"
            held.save()

    def look():
        for _ in range(TIMES):
            row = Article.objects.get(pk=article.pk)
            before = row.created_at
            seen.append((row.header, row.body))
            then = [*Article.records.version(before).filter(row_id=article.pk)]
            assert [version.header for version in then] == [row.header]

    together(lambda number: save(number) if number % 2 else look())

    assert all(header == body for header, body in seen)
    assert sound(Article, article.pk, 1 + THREADS // 2 * TIMES)
