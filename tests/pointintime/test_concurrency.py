"""Threads that really meet: one gapless chain of versions, whoever writes."""

import random
import threading

import pytest
from django.db import connection, transaction
from django.db.models import Count, F, Max, Min

from handleref.exceptions import RowChangedError, RowReplacedError
from tests.pointintime.models import Article, Citation, Counter, Note, Verdict
from tests.threads import THREADS, together

pytestmark = pytest.mark.django_db(transaction=True)

TIMES = 200


def chain(obj):
    """Return the numbers of an object's versions, and whether each ends where the next begins."""
    rows = type(obj).records.filter(row_id=obj.pk).order_by("row_version")
    versions = [*rows.values_list("row_version", "created_at", "replaced_at", "pk")]
    numbers = [number for number, *_ in versions]
    ends = [end for _number, _made, end, _pk in versions[:-1]]
    gapless = ends == [made for _number, made, *_ in versions[1:]]
    forward = all(end is None or made < end for _number, made, end, _pk in versions)
    last = versions[-1]
    return numbers, gapless and forward and last[2] is None and last[3] == obj.pk


@pytest.mark.parametrize("model", [Note, Article], ids=["alone", "with keys that stay on versions"])
def test_eight_savers_of_one_object_lose_no_version(model):
    name = "text" if model is Note else "header"
    obj = model.objects.create(**{name: "first"})

    def save(number):
        mine = model.objects.get(pk=obj.pk)
        for n in range(TIMES):
            setattr(mine, name, f"{number}.{n}")
            mine.save()

    together(save)

    assert chain(obj) == ([*range(1, THREADS * TIMES + 2)], True)
    written = [f"{number}.{n}" for number in range(THREADS) for n in range(TIMES)]
    assert sorted(model.records.values_list(name, flat=True)) == sorted(["first", *written])


def test_expressions_count_every_save():
    counter = Counter.objects.create()

    def save(number):
        for _ in range(20):
            while True:
                mine = Counter.objects.get(pk=counter.pk)
                mine.number = F("number") + 1
                try:
                    mine.save()
                except RowChangedError:
                    continue
                break

    together(save)

    numbers, sound = chain(counter)
    assert (len(numbers), sound) == (THREADS * 20 + 1, True)
    assert Counter.objects.get().number == THREADS * 20


def test_savers_and_updaters_of_several_objects_make_chains():
    articles = Article.objects.bulk_create([Article(header=str(n)) for n in range(3)])
    pks = [article.pk for article in articles]

    def write(number):
        dice = random.Random(number)
        for _ in range(15):
            if number % 3 == 0:
                Article.objects.get(pk=dice.choice(pks)).save()
            elif number % 3 == 1:
                Article.objects.filter(pk__in=dice.sample(pks, 2)).update(body=str(number))
            else:
                some = [*Article.objects.filter(pk__in=dice.sample(pks, 2))]
                Article.objects.bulk_update(some, ["header"])

    together(write)

    assert [chain(article)[1] for article in articles] == [True] * 3
    counts = sum(len(chain(article)[0]) for article in articles)
    # Three save one each time; five write two.
    assert counts == 3 + 15 * (3 + 5 * 2)
    for article in articles:
        numbers, _sound = chain(article)
        assert numbers == [*range(1, len(numbers) + 1)]


def test_rollbacks_among_savers_leave_a_chain():
    note = Note.objects.create(text="first")
    for _ in range(70):
        note.save()

    def write(number):
        for _ in range(15):
            if number % 2:
                Note.objects.get(pk=note.pk).save()
            else:
                Note.objects.filter(pk=note.pk).rollback_latest()

    together(write)

    numbers, sound = chain(note)
    # As many saves as rollbacks, none of which got below the first version.
    assert (numbers, sound) == ([*range(1, 72)], True)


def test_of_many_deletes_one_deletes():
    article = Article.objects.create(header="one")
    stale = [Article.objects.get() for _ in range(THREADS)]
    counts = []

    together(lambda number: counts.append(stale[number].delete()[0]))

    assert sorted(counts) == [0] * (THREADS - 1) + [1]
    assert Article.records.get().row_version == 1
    with pytest.raises(RowReplacedError):
        article.save()


def test_what_is_cited_meanwhile_stays_what_it_was():
    article = Article.objects.create(header="0")

    def write(number):
        for n in range(10):
            if number % 2:
                mine = Article.objects.get(pk=article.pk)
                mine.header = f"{number}.{n}"
                mine.save()
            else:
                with transaction.atomic():
                    Citation.objects.create(article_id=article.pk)

    together(write)

    # Each key is on a row of the article, and those of the past are not moved together.
    cited = Citation.objects.aggregate(
        n=Count("pk"), ids=Count("article__row_id", distinct=True), first=Min("article__row_id")
    )
    assert cited == {"n": THREADS // 2 * 10, "ids": 1, "first": article.pk}
    assert chain(article)[1]
    newest = Citation.objects.aggregate(newest=Max("article__row_version"))["newest"]
    assert newest <= Article.objects.get().row_version


@pytest.mark.skipif(not connection.features.has_select_for_update, reason="has no row locks")
def test_objects_of_others_are_not_waited_for():
    one, other = Article.objects.create(header="1"), Article.objects.create(header="2")

    with transaction.atomic():
        one.save()
        together(lambda number: Article.objects.get(pk=other.pk).save(), threads=2)

    assert chain(other) == ([1, 2, 3], True)


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
        for _ in range(30):
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

    versions = 1 + sum(writer.versions for writer in writers)
    assert chain(shared) == ([*range(1, versions + 1)], True)
    for pk, replaced in [life for writer in writers for life in writer.lives]:
        first, last = Article.records.filter(row_id=pk).order_by("row_version")
        assert (first.row_version, last.row_version, last.pk) == (1, 2, pk)
        assert first.replaced_at == last.created_at == replaced < last.replaced_at


@pytest.mark.parametrize("owner_model", [Citation, Verdict], ids=["plain", "point-in-time"])
def test_frozen_keys_stay_on_the_version_they_were_made_with(owner_model):
    article = Article.objects.create(header="1")
    made = []

    def save():
        held = Article.objects.get(pk=article.pk)
        for step in range(40):
            if step % 4:
                held.save()
            else:
                Article.objects.filter(pk=article.pk).update(body=str(step))

    def cite():
        for _ in range(40):
            version = Article.objects.get(pk=article.pk)
            owner = owner_model.objects.create(article=version)
            made.append((owner.pk, version.row_version))

    together(lambda number: save() if number % 2 else cite())

    assert chain(article) == ([*range(1, THREADS // 2 * 40 + 2)], True)
    found = owner_model.objects.values_list("pk", "article__row_version")
    assert sorted(found) == sorted(made)


def made_together(version):
    return Verdict.objects.bulk_create([Verdict(article=version) for _ in range(3)])


def updated(version):
    verdict = Verdict.objects.create(article=Article.objects.get(header="other"))
    Verdict.objects.filter(pk=verdict.pk).update(article=version)
    return [verdict]


def made_by_key_and_moved(version):
    citation = Citation.objects.create(article_id=version.pk)
    citation.article = version
    citation.save()
    return [citation]


@pytest.mark.parametrize("cite", [made_together, updated, made_by_key_and_moved])
def test_frozen_keys_stay_whichever_way_they_were_written(cite):
    article = Article.objects.create(header="1")
    Article.objects.create(header="other")
    owners = []

    def work(number):
        held = Article.objects.get(pk=article.pk)
        for _ in range(15):
            if number % 2:
                held.save()
            else:
                version = Article.objects.get(pk=article.pk)
                owners.extend((owner, version.row_version) for owner in cite(version))

    together(work)

    assert chain(article) == ([*range(1, THREADS // 2 * 15 + 2)], True)
    for owner, version in owners:
        owner.refresh_from_db()
        assert owner.article.row_version == version


@pytest.mark.parametrize("owner_model", [Citation, Verdict], ids=["plain", "point-in-time"])
def test_owners_go_from_one_to_another_while_both_are_saved(owner_model):
    articles = [Article.objects.create(header=str(n)) for n in range(2)]
    owners = [owner_model.objects.create(article=articles[n % 2]) for n in range(THREADS)]
    seen = []

    def work(number):
        for step in range(20):
            pk = articles[(step + number) % 2].pk
            if number < 2:
                Article.objects.update(body=str(step))
            elif number < 4:
                Article.objects.get(pk=pk).save()
            else:
                version = Article.objects.get(pk=pk)
                owner = owner_model.objects.get(pk=owners[number].pk)
                owner.article = version
                owner.save()
                found = owner_model.objects.get(pk=owner.pk).article
                seen.append((found.row_id, found.row_version) == (pk, version.row_version))

    together(work)

    assert seen == [True] * (THREADS // 2 * 20)
    assert [chain(article)[1] for article in articles] == [True, True]


@pytest.mark.parametrize("owner_model", [Citation, Verdict], ids=["plain", "point-in-time"])
def test_a_key_frozen_in_a_transaction_stays_though_others_save_before_it_ends(owner_model):
    article = Article.objects.create(header="1")
    made, saved = threading.Event(), threading.Event()

    def work(number):
        if number == 0:
            with transaction.atomic():
                owner_model.objects.create(article=article)
                made.set()
                # Where the saver has to wait for this transaction, it does not come.
                saved.wait(1)
        else:
            made.wait(20)
            Article.objects.get(pk=article.pk).save()
            saved.set()

    together(work, threads=2)

    assert chain(article) == ([1, 2], True)
    assert owner_model.objects.get().article.row_version == 1
