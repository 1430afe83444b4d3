"""Tables that were there before their rows were versions: real projects, and their rows.

Migrations are made and run as a user does, by ``manage.py``, on a database of the project's own.
"""

import os

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from handleref.pointintime.base import all_rows
from handleref.pointintime.lifecycle.adopt import adopt, waiting
from tests.events.projects import FailedError, Project, Runner, empty, own_databases
from tests.pointintime.models import Article, Note, Tag
from tests.threads import THREADS, together

# So many threads adopt, the others save.
ADOPTING = 2

URL = os.environ.get("HANDLEREF_DATABASE_URL") or "sqlite:"


def articles(*headers):
    """Return articles whose rows are as a migration leaves those of a plain model."""
    made = Article.objects.bulk_create([Article(header=header) for header in headers])
    all_rows(Article).update(row_id=None)
    return [article.pk for article in made]


def told(model=Article):
    return [*all_rows(model).order_by("pk").values_list("row_id", "row_version")]


def interrupted(rows):
    raise KeyboardInterrupt


@pytest.mark.django_db(databases=["default", "other"])
class TestRowsOfAPlainModel:
    def test_each_becomes_an_object_with_one_version(self):
        one, two = articles("one", "two")

        adopted = adopt(Article)

        assert adopted == 2
        assert told() == [(one, 1), (two, 1)]

    def test_what_was_said_of_them_stays(self):
        (one,) = articles("one")
        names = ("header", "created_at", "start_at", "end_at", "replaced_at", "modified_by")
        before = all_rows(Article).values_list(*names).get()

        adopt(Article)

        assert all_rows(Article).values_list(*names).get(pk=one) == before

    def test_keys_may_be_uuids(self):
        made = Note.objects.bulk_create([Note(text=text) for text in "abc"])
        all_rows(Note).update(row_id=None)

        adopted = adopt(Note, batch_size=2)

        assert adopted == 3
        assert {*all_rows(Note).values_list("row_id")} == {(note.pk,) for note in made}

    def test_a_second_time_there_is_nothing_to_do(self):
        articles("one", "two")
        adopt(Article)
        before = told()

        adopted = adopt(Article)

        assert (adopted, waiting(Article, "default")) == (0, 0)
        assert told() == before

    def test_what_was_interrupted_goes_on(self):
        keys = articles("one", "two", "three")
        with pytest.raises(KeyboardInterrupt):
            adopt(Article, batch_size=2, tick=interrupted)
        first = told()

        adopted = adopt(Article, batch_size=2)

        assert first == [(keys[0], 1), (keys[1], 1), (None, 1)]
        assert adopted == 1
        assert told() == [(key, 1) for key in keys]

    def test_one_that_was_saved_before_is_not_touched(self):
        one, two = articles("one", "two")
        article = Article.objects.get(pk=one)
        article.header = "uno"
        article.save()
        saved = [*all_rows(Article).exclude(pk=two).order_by("pk").values()]

        adopted = adopt(Article)

        assert adopted == 1
        assert [*all_rows(Article).exclude(pk=two).order_by("pk").values()] == saved
        assert [row["row_id"] for row in saved] == [one, one]

    def test_gaps_that_somebody_made_are_left_alone(self):
        article = Article.objects.create(header="one")
        for header in ("two", "three"):
            article.header = header
            article.save()
        all_rows(Article).filter(row_version=2).delete()
        before = told()

        adopted = adopt(Article)

        assert adopted == 0
        assert told() == before == [(article.pk, 3), (article.pk, 1)]

    def test_a_batch_takes_as_many_statements_however_many_rows_it_has(self):
        counts = []
        for rows in (2, 40):
            articles(*map(str, range(rows)))
            with CaptureQueriesContext(connection) as asked:
                adopt(Article, batch_size=100)
            counts.append(len([q for q in asked if "SAVEPOINT" not in q["sql"]]))

        # Nothing contradicts, keys, locked, written, no more keys, nothing to number; and
        # SQLite's transaction becomes a writer's.
        expected = 6 if connection.features.has_select_for_update else 7
        assert counts == [expected, expected]

    def test_another_database_is_named(self):
        Article.objects.using("other").create(header="one")
        all_rows(Article, "other").update(row_id=None)
        articles("here")

        adopted = adopt(Article, using="other")

        assert (adopted, waiting(Article, "other"), waiting(Article, "default")) == (1, 0, 1)

    def test_progress_is_told_batch_by_batch(self):
        articles("one", "two", "three")
        done = []

        adopt(Article, batch_size=2, tick=done.append)

        assert done == [2, 1]

    def test_a_dry_run_tells_and_writes_nothing(self):
        articles("one", "two")

        adopted = adopt(Article, dry_run=True)

        assert adopted == 2
        assert [row_id for row_id, _version in told()] == [None, None]

    def test_other_models_and_empty_batches_are_refused(self):
        with pytest.raises(ValueError) as of_a_model:
            adopt(Tag)
        with pytest.raises(ValueError) as of_a_batch:
            adopt(Article, batch_size=0)

        assert str(of_a_model.value) == "pointintime_tests.Tag is no PointInTimeModel."
        assert str(of_a_batch.value) == "A batch of 0 objects; choose at least 1."


def persistently(do, *args, **options):
    """Do it again where the database has broken a deadlock: nothing was written.

    InnoDB locks the neighbours of a ``row_id`` that becomes known, in its unique index.
    """
    for _attempt in range(20):
        try:
            return do(*args, **options)
        except OperationalError:
            continue
    return do(*args, **options)


def change(key, other):
    article = Article.objects.get(pk=key)
    article.body = "changed"
    article.save()
    Article.objects.filter(pk__in=[key, other]).update(header="new")


@pytest.mark.django_db(transaction=True)
def test_while_others_save_nothing_is_lost():
    keys = articles(*map(str, range(60)))

    def work(number):
        if number < ADOPTING:
            persistently(adopt, Article, batch_size=7)
            return
        for key in keys[number :: THREADS // 2]:
            persistently(change, key, keys[0])

    together(work)

    assert waiting(Article, "default") == 0
    numbers = {}
    for row_id, version in told():
        numbers.setdefault(row_id, []).append(version)
    assert {*numbers} == {*keys}
    assert all(sorted(each) == [*range(1, len(each) + 1)] for each in numbers.values())


@pytest.mark.django_db
class TestCommand:
    def test_it_says_how_many_rows_it_adopted(self, capsys):
        one, two = articles("one", "two")

        call_command("handleref_pointintime", "adopt", "pointintime_tests.Article")

        assert capsys.readouterr().out == "pointintime_tests.Article: 2 rows adopted.\n"
        assert told() == [(one, 1), (two, 1)]

    def test_a_dry_run_says_that_it_was_one(self, capsys):
        articles("one")

        call_command("handleref_pointintime", "adopt", "pointintime_tests.Article", "--dry-run")

        assert capsys.readouterr().out == (
            "pointintime_tests.Article: 1 row adopted.\nThis was a dry run: nothing was written.\n"
        )
        assert told()[0][0] is None

    @pytest.mark.parametrize(
        ("label", "message"),
        [
            ("pointintime_tests.Tag", "pointintime_tests.Tag is no PointInTimeModel."),
            ("nothing", "There is no model 'nothing': write app_label.Model."),
        ],
    )
    def test_what_is_no_such_model_is_refused(self, label, message):
        with pytest.raises(CommandError) as error:
            call_command("handleref_pointintime", "adopt", label)

        assert str(error.value) == message


# In projects of their own -------------------------------------------------------------------

IMPORTS = "from django.utils import timezone\nfrom handleref.models import PointInTimeModel\n"
PLAIN = "class Book(models.Model):\n    title = models.CharField(max_length=50)\n"
POINT_IN_TIME = PLAIN.replace("models.Model", "PointInTimeModel")
BOOKS = "[*QuerySet(Book).order_by('pk').values_list('pk', 'row_id', 'row_version', 'title')]"

# The columns and constraints that rows of django-pita 1.0 have.
PITA = """
class Rows(models.Model):
    row_id = models.PositiveBigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(blank=True)
    replaced_at = models.DateTimeField(null=True, blank=True)
    modified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT
    )
    start_at = models.DateTimeField(blank=True)
    end_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["row_id", "created_at"],
                name="%(class)s_unique_together_row_id_and_created_at",
                deferrable=models.Deferrable.DEFERRED,
            )
        ]
        default_permissions = ("add", "change", "delete", "view", "purge", "rollback")

class Book(Rows):
    title = models.CharField(max_length=50)
"""
# Of two objects, one of them deleted, and of a third that was never changed.
HISTORY = """
from datetime import datetime, timedelta, timezone
first = datetime(2024, 1, 1, tzinfo=timezone.utc)
day = timedelta(days=1)
for row_id, title, made, ended in [
    (1, "three", 2, None),
    (2, "gone", 1, 5),
    (1, "one", 0, 1),
    (1, "two", 1, 2),
    (2, "here", 0, 1),
    (6, "alone", 3, None),
]:
    Book.objects.create(
        row_id=row_id, title=title, created_at=first + day * made, start_at=first,
        replaced_at=ended and first + day * ended,
    )
None
"""
NUMBERED = [
    [1, 1, 3, "three"],
    [2, 2, 2, "gone"],
    [3, 1, 1, "one"],
    [4, 1, 2, "two"],
    [5, 2, 1, "here"],
    [6, 6, 1, "alone"],
]
QUERYSET = "from django.db.models import QuerySet\n"
# A version that still held when the next one began.
LATE = """
from datetime import timedelta
from django.db.models import F, QuerySet
QuerySet(Book).filter(pk=4).update(replaced_at=F("replaced_at") + timedelta(hours=1))
"""
ADOPT_AND_TELL = """
from django.core.management import CommandError
said = "adopted"
try:
    call_command("handleref_pointintime", "adopt", "shop.Book")
except CommandError as error:
    said = str(error)
said
"""


@pytest.fixture(scope="module")
def runner():
    runner = Runner()
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    with own_databases(URL, tmp_path_factory.mktemp("databases")) as entries:
        yield entries


@pytest.fixture
def project(runner, databases, tmp_path):
    empty(URL, databases)
    return Project(runner, tmp_path, databases)


@pytest.fixture
def plain(project):
    """A project with a table of three books, migrated to hold versions."""
    project.change(PLAIN)
    project.ask("[Book.objects.create(title=title) for title in ('a', 'b', 'c')]; None")
    project.change(IMPORTS + POINT_IN_TIME)
    return project


@pytest.fixture
def pita(project):
    """A project with a table of django-pita, with all that a migration adds but constraints."""
    project.change(PITA)
    project.ask(HISTORY)
    project.write(IMPORTS + POINT_IN_TIME)
    project.run("makemigrations")
    without_constraints(project)
    project.run("migrate")
    return project


def without_constraints(project):
    """Remove what the docs say is to be removed from the migration that was just made."""
    path = project.folder / "shop" / "migrations" / f"{project.migrations()[-1]}.py"
    head, *operations = path.read_text().split("        migrations.")
    kept = [each for each in operations if not each.startswith("AddConstraint")]
    text = "        migrations.".join([head, *kept])
    # The list's end, if it went with the last of them.
    path.write_text(text if text.rstrip().endswith("]") else f"{text}    ]\n")


class TestProjectOfPlainRows:
    def test_the_migration_asks_nothing_and_the_command_adopts_the_rows(self, plain):
        before = plain.ask(f"{QUERYSET}{BOOKS}")
        states = plain.ask("states()")

        said = plain.run("handleref_pointintime adopt shop.Book --batch-size 2")

        assert before == [[1, None, 1, "a"], [2, None, 1, "b"], [3, None, 1, "c"]]
        assert states == ["installed"]
        assert said == "shop.Book: 3 rows adopted.\n"
        assert plain.ask(f"{QUERYSET}{BOOKS}") == [[1, 1, 1, "a"], [2, 2, 1, "b"], [3, 3, 1, "c"]]

    def test_so_does_the_loop_of_the_document(self, plain):
        plain.ask("for obj in Book.objects.all():\n    obj.row_id = obj.id\n    obj._save()\nNone")

        rows = plain.ask(f"{QUERYSET}{BOOKS}")

        assert rows == [[1, 1, 1, "a"], [2, 2, 1, "b"], [3, 3, 1, "c"]]
        assert plain.run("handleref_pointintime adopt shop.Book") == "shop.Book: 0 rows adopted.\n"
        plain.ask("book = Book.objects.get(title='a'); book.title = 'A'; book.save(); None")
        assert (
            plain.ask("Book.objects.get(pk=1).rollback_latest(); Book.objects.get(pk=1).title")
            == "a"
        )

    def test_saved_before_they_are_adopted_they_have_versions_too(self, plain):
        plain.ask("book = Book.objects.get(title='a'); book.title = 'A'; book.save(); None")

        said = plain.run("handleref_pointintime adopt shop.Book")

        assert said == "shop.Book: 2 rows adopted.\n"
        assert plain.ask(f"{QUERYSET}{BOOKS}") == [
            [1, 1, 2, "A"],
            [2, 2, 1, "b"],
            [3, 3, 1, "c"],
            [4, 1, 1, "a"],
        ]

    def test_times_of_their_own_are_kept(self, project):
        made = "    created_at = models.DateTimeField({})\n"
        project.change(PLAIN + made.format("auto_now_add=True"))
        before = project.ask("Book.objects.create(title='a').created_at.isoformat()")

        project.change(IMPORTS + POINT_IN_TIME)
        project.run("handleref_pointintime adopt shop.Book")

        assert project.ask("Book.objects.get().created_at.isoformat()") == before


class TestProjectOfDjangoPita:
    def test_its_versions_are_numbered_as_they_were_made(self, pita):
        said = pita.run(*["handleref_pointintime adopt shop.Book"] * 2)

        assert said == "shop.Book: 5 rows adopted.\nshop.Book: 0 rows adopted.\n"
        assert pita.ask(f"{QUERYSET}{BOOKS}") == NUMBERED

    def test_then_the_constraints_can_be_had(self, pita):
        pita.run("handleref_pointintime adopt shop.Book")

        pita.run("makemigrations", "migrate", "makemigrations --check")

        assert pita.ask("states()") == ["installed"]
        assert pita.ask(f"{QUERYSET}{BOOKS}") == NUMBERED
        pita.ask("book = Book.objects.get(pk=1); book.title = 'four'; book.save(); None")
        assert pita.ask(
            "[*Book.records.filter(row_id=1).order_by('row_version')"
            ".values_list('row_version', 'title')]"
        ) == [[1, "one"], [2, "two"], [3, "three"], [4, "four"]]

    def test_before_that_the_database_refuses_them(self, project):
        project.change(PITA)
        project.ask(HISTORY)
        project.write(IMPORTS + POINT_IN_TIME)
        project.run("makemigrations")

        with pytest.raises(FailedError) as error:
            project.run("migrate")

        assert "IntegrityError" in str(error.value)

    def test_what_was_interrupted_goes_on(self, pita):
        pita.ask(
            "from handleref.pointintime.lifecycle.adopt import adopt\n"
            "def interrupted(rows):\n    raise KeyboardInterrupt\n"
            "try:\n    adopt(Book, batch_size=1, tick=interrupted)\n"
            "except KeyboardInterrupt:\n    pass\n"
            "None"
        )
        first = pita.ask(f"{QUERYSET}{BOOKS}")

        said = pita.run("handleref_pointintime adopt shop.Book --batch-size 1")

        assert [row[2] for row in first] == [3, 1, 1, 2, 1, 1]
        assert said == "shop.Book: 2 rows adopted.\n"
        assert pita.ask(f"{QUERYSET}{BOOKS}") == NUMBERED

    def test_one_that_was_saved_meanwhile_is_numbered_with_what_it_was(self, pita):
        pita.ask("book = Book.objects.get(pk=1); book.title = 'four'; book.save(); None")

        pita.run("handleref_pointintime adopt shop.Book")

        assert pita.ask(f"{QUERYSET}{BOOKS}") == [
            [1, 1, 4, "four"],
            *NUMBERED[1:],
            [7, 1, 3, "three"],
        ]

    def test_a_batch_takes_as_many_statements_however_many_versions_there_are(self, pita):
        counts = pita.ask(
            "from datetime import timedelta\n"
            "from django.db.models import QuerySet\n"
            "from django.test.utils import CaptureQueriesContext\n"
            "from handleref.pointintime.lifecycle.adopt import adopt\n"
            "def counted(size):\n"
            "    with CaptureQueriesContext(connection) as asked:\n"
            "        adopt(Book, batch_size=size)\n"
            "    return len(asked)\n"
            "counts = [counted(2)]\n"
            "last = QuerySet(Book).order_by('-created_at')[0].created_at\n"
            "day = timedelta(days=1)\n"
            "for row_id in range(100, 120):\n"
            "    QuerySet(Book).bulk_create([Book(pk=row_id * 10 + each, row_id=row_id * 10,"
            " created_at=last + day * each, start_at=last,"
            " replaced_at=last + day * (each + 1)) for each in range(10)])\n"
            "counts.append(counted(20))\n"
            "counts"
        )

        # Nothing contradicts, objects, locked, rows, suspended, written, suspended no more, no
        # more objects, no rows without one; and SQLite's transaction becomes a writer's.
        expected = 9 if connection.features.has_select_for_update else 10
        assert counts == [expected, expected]

    def test_rows_that_contradict_are_named_and_nothing_is_written(self, pita):
        pita.ask(LATE)
        before = pita.ask(f"{QUERYSET}{BOOKS}")

        message = pita.ask(ADOPT_AND_TELL)

        assert message == (
            "1 object of shop.Book had two rows at one moment, or one that ended before it began:"
            " row_id 1. Nothing was written. See Book.records.filter(row_id=1), put created_at and"
            " replaced_at right with _save() or remove a row with _delete(), and run this again."
        )
        assert pita.ask(f"{QUERYSET}{BOOKS}") == before

    def test_put_right_as_the_message_says_they_are_adopted(self, pita):
        pita.ask(LATE)
        pita.ask(
            "row = Book.records.get(pk=4)\n"
            "row.replaced_at = Book.records.get(pk=1).created_at\n"
            "row._save()\nNone"
        )

        assert pita.ask(ADOPT_AND_TELL) == "adopted"

        assert pita.ask(f"{QUERYSET}{BOOKS}") == NUMBERED

    def test_or_one_of_them_is_removed(self, pita):
        pita.ask(LATE)
        pita.ask("Book.records.get(pk=4)._delete()")

        assert pita.ask(ADOPT_AND_TELL) == "adopted"

        one = [row for row in NUMBERED if row[0] == 3]
        assert pita.ask(f"{QUERYSET}{BOOKS}") == [
            [1, 1, 2, "three"],
            NUMBERED[1],
            *one,
            *NUMBERED[4:],
        ]
