"""Tracked models through their whole life: real projects, real ``makemigrations`` and ``migrate``.

Each step is checked with rows and events, and by what the database says that it has.
"""

import os

import pytest

from tests.events.projects import (
    AUTH,
    RUN_PYTHON,
    FailedError,
    Project,
    Runner,
    empty,
    own_databases,
)

URL = os.environ.get("HANDLEREF_DATABASE_URL") or "sqlite:"
SQLITE = URL.startswith("sqlite")
POSTGRESQL = URL.startswith("postgresql")
NO_MIGRATIONS = dict.fromkeys(["shop", "people", "handleref_events"])
MARIADB = not SQLITE and not POSTGRESQL


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
    """A project without ``django.contrib.auth``, whose migrations take their time."""
    empty(URL, databases)
    return Project(runner, tmp_path, databases)


@pytest.fixture
def with_users(runner, databases, tmp_path):
    empty(URL, databases)
    return Project(runner, tmp_path, databases, apps=AUTH)


def book(*lines, name="Book", track="track()", meta="pass"):
    """Return the source of a tracked model that has a title."""
    body = ["title = models.TextField(default='')", *lines, "class Meta:", f"    {meta}"]
    return "\n    ".join([f"@{track}\nclass {name}(models.Model):", *body]) + "\n"


WRITE = """
one = {model}.objects.create(title='new')
{model}.objects.filter(pk=one.pk).update(title='changed')
one.delete()
"""
# What WRITE leaves.
WRITTEN = [["insert", "new"], ["update", "changed"], ["delete", "changed"]]


def written(project, model="Book", event_model=None, *fields):
    """Write a row of a model three times, and return the events, whose triggers are in order."""
    event_model = event_model or f"{model}Event"
    asked = f"{WRITE.format(model=model)}\nstates(), told({event_model}, 'title')[-3:]"
    states, told = project.ask(asked)
    assert states == ["installed"]
    return told


class TestColumns:
    def test_are_added_altered_renamed_and_removed(self, project):
        """Tracked all along; an untracked one beside it goes the same way."""
        every = "track(exclude=['note'])"
        project.change(book(track="track()"))
        assert written(project) == WRITTEN

        project.change(
            book(
                "pages = models.IntegerField(default=1)",
                "note = models.TextField(default='')",
                track=every,
            )
        )
        project.ask("Book.objects.create(title='kept', pages=70000)")
        assert project.ask("told(BookEvent, 'pages')[-1]") == ["insert", 70000]
        assert written(project) == WRITTEN

        project.change(
            book(
                "pages = models.CharField(default='1', max_length=20)",
                "note = models.CharField(default='', max_length=9)",
                track=every,
            )
        )
        project.ask("Book.objects.update(pages='70000 and more')")
        assert project.ask("told(BookEvent, 'pages')[-1]") == ["update", "70000 and more"]
        assert written(project) == WRITTEN

        project.change(
            book(
                "length = models.CharField(default='1', max_length=20)",
                "remark = models.CharField(default='', max_length=9)",
                track="track(exclude=['remark'])",
            ),
        )
        project.ask("Book.objects.update(length='renamed')")
        assert project.ask("told(BookEvent, 'length')[-1]") == ["update", "renamed"]
        assert written(project) == WRITTEN

        project.change(
            book(
                "length = models.CharField(default='1', max_length=20, db_column='Col x')",
                "remark = models.CharField(default='', max_length=9, db_column='other')",
                track="track(exclude=['remark'])",
            ),
        )
        project.ask("Book.objects.update(length='column renamed')")
        assert project.ask("told(BookEvent, 'length')[-1]") == ["update", "column renamed"]
        assert written(project) == WRITTEN

        project.change(book(track="track()"))
        assert written(project) == WRITTEN
        assert project.ask("Book.objects.count(), BookEvent.objects.count()") == [1, 22]

        project.run("migrate shop zero")
        assert project.ask("left()") == []
        project.run("migrate")
        assert written(project) == WRITTEN


class TestNames:
    def test_a_model_is_renamed(self, project):
        project.change(book())
        project.ask("Book.objects.create(title='kept')")
        project.change(book(name="Tome"))
        assert written(project, "Tome") == WRITTEN
        assert project.ask("told(TomeEvent, 'title')[0]") == ["insert", "kept"]
        assert len(project.ask("left()")) == (6 if POSTGRESQL else 3)
        project.run("migrate shop 0001")
        project.ask("connection.cursor().execute(\"INSERT INTO shop_book (title) VALUES ('raw')\")")
        project.run("migrate")
        assert project.ask("told(TomeEvent, 'title')[-1]") == ["insert", "raw"]
        assert len(project.ask("left()")) == (6 if POSTGRESQL else 3)

    def test_tables_are_renamed(self, project):
        project.change(book())
        project.change(book(meta="db_table = 'Library.Books'"))
        assert written(project) == WRITTEN
        project.change(
            book(meta="db_table = 'Library.Books'", track="track(meta={'db_table': 'Ev'})")
        )
        assert written(project) == WRITTEN
        project.change(book(meta="db_table = 'books'", track="track(meta={'db_table': 'ev_2'})"))
        assert written(project) == WRITTEN
        assert len(project.ask("left()")) == (6 if POSTGRESQL else 3)
        assert project.ask("BookEvent.objects.count()") == 9


USER = "from django.contrib.auth.models import User\n"
USER_EVENT = f"{USER}UserEvent = create_event_model(User, app_label='shop')\n"
NEW_USER = "User.objects.create(username=f'u{User.objects.count()}', password='x')"


class TestUsers:
    def test_zero_and_back_and_untracked(self, with_users):
        project = with_users
        project.change(USER_EVENT)
        project.ask(NEW_USER)
        assert project.ask("states(), told(UserEvent, 'username')") == [
            ["installed"],
            [["insert", "u0"]],
        ]

        project.run("migrate shop zero")
        assert project.ask(f"{NEW_USER}; left()") == []
        project.run("migrate shop")
        project.ask(NEW_USER)
        assert project.ask("states(), told(UserEvent, 'username')") == [
            ["installed"],
            [["insert", "u2"]],
        ]

        project.change("")
        assert project.ask(f"{NEW_USER}; left(), User.objects.count()") == [[], 4]
        project.run("migrate shop 0001")
        assert project.ask(f"{NEW_USER}; len(left())") == (6 if POSTGRESQL else 3)
        project.run("migrate shop")
        assert project.ask(f"{NEW_USER}; left()") == []

        project.change(f"{USER}track(app_label='shop')(User)\n")
        assert project.ask(f"{NEW_USER}; told(UserEvent, 'username')") == [["insert", "u6"]]
        project.run("migrate shop zero")
        assert project.ask(f"{NEW_USER}; left(), User.objects.count()") == [[], 8]


class TestOrder:
    """What nothing orders: tables of different apps, whose migrations run when they like."""

    LOOSE = USER_EVENT.replace(")", ", obj_field=None, context_field=None)")

    def test_the_event_table_comes_first(self, with_users):
        project = with_users
        project.write(self.LOOSE)
        project.run("makemigrations", "migrate shop")
        assert project.ask("left(), states()") == [[], ["waiting"]]

        project.run("migrate")
        project.ask(NEW_USER)
        assert project.ask("states(), told(UserEvent)") == [["installed"], [["insert"]]]

        project.run("migrate auth zero")
        assert project.ask("left(), states(), told(UserEvent)[0]") == [[], ["waiting"], ["insert"]]
        project.run("migrate shop zero", "migrate shop", "migrate")
        project.ask(NEW_USER)
        assert project.ask("states(), told(UserEvent)") == [["installed"], [["insert"]]]

        project.change("")
        assert project.ask(f"{NEW_USER}; left()") == []

    def test_another_app_changes_a_tracked_table(self, project):
        """Before the migration of the event table, and between two that write rows."""
        stock = """
class Part(models.Model):
    title = models.TextField(default='')
    size = models.IntegerField(default=1)
    note = models.TextField(default='')
"""
        events = """
from stock.models import Part
PartEvent = create_event_model(Part, app_label='shop', exclude=['note'])
PartRowEvent = create_event_model(
    Part, app_label='shop', exclude=['note'], level=Row, model_name='PartRowEvent',
    obj_field=ObjForeignKey(related_name='row_events'),
)
"""
        project.write(stock, "stock")
        project.change(events)
        assert written(project, "Part") == WRITTEN

        # An untracked column.
        project.change(
            stock.replace("note = models.TextField", "note = models.BinaryField").replace(
                "note = models.BinaryField(default='')",
                "note = models.CharField(default='', max_length=5)",
            ),
            "stock",
        )
        assert written(project, "Part") == WRITTEN

        # The type of a tracked one, which the functions of this session know otherwise.
        write = (
            "apps.get_model('stock', 'Part').objects.create(title='by migration', size=1).save()"
        )
        stock = stock.replace("size = models.IntegerField", "size = models.BigIntegerField")
        project.migration(code=write, app="stock")
        project.write(stock, "stock")
        project.run("makemigrations stock")
        project.migration(code=write, app="stock")
        project.run("makemigrations", "migrate", "makemigrations --check")
        assert written(project, "Part") == WRITTEN
        assert project.ask("told(PartEvent, 'title').count(['insert', 'by migration'])") == 2
        assert project.ask(
            "told(PartEvent, 'title', 'size') == told(PartRowEvent, 'title', 'size')"
        )

        # Renamed under the triggers, then removed.
        for change in (
            ("size = models.BigInt", "length = models.BigInt"),
            ("length = models.BigIntegerField(default=1)", ""),
        ):
            stock = stock.replace(*change)
            project.write(stock, "stock")
            project.run("makemigrations stock")
            project.migration(code="apps.get_model('stock', 'Part').objects.create()", app="stock")
            project.run("migrate stock")
            project.ask("Part.objects.create(title='unrecorded')")
            assert "installed" not in project.ask("states()")
            project.run("makemigrations", "migrate", "makemigrations --check")
            assert written(project, "Part") == WRITTEN

        # Its table.
        stock += "    class Meta:\n        db_table = 'parts'\n"
        project.write(stock, "stock")
        project.run("makemigrations stock")
        project.migration(
            code="apps.get_model('stock', 'Part').objects.create(title='followed')", app="stock"
        )
        project.run("migrate stock")
        assert project.ask("told(PartEvent, 'title')[-1]") == ["insert", "followed"]
        project.run("makemigrations", "migrate", "makemigrations --check")
        assert written(project, "Part") == WRITTEN
        assert project.ask("told(PartEvent, 'title') == told(PartRowEvent, 'title')")
        assert len(project.ask("left()")) == (12 if POSTGRESQL else 6)


COUNTED = """
cursor = connection.cursor()
cursor.execute("SELECT count(*) FROM {into}")
before = cursor.fetchone()[0]
cursor.execute("{insert}")
cursor.execute("SELECT count(*) FROM {into}")
cursor.fetchone()[0] - before
"""
REBUILT = (
    "migrations.AlterField('book', 'title', models.CharField(max_length=40)),"
    "migrations.AlterField('bookevent', 'title', models.CharField(max_length=40)),"
)


class TestRuns:
    def test_parts_of_the_way(self, project):
        project.change(book())
        project.change(book("pages = models.IntegerField(default=1)"))
        project.change(
            book("pages = models.TextField(default='1')", "more = models.TextField(null=True)")
        )
        project.change(
            book(
                "pages = models.TextField(default='1')",
                "more = models.TextField(null=True)",
                name="Tome",
            )
        )

        for target in ("0002", "0004", "0001", "0003", "zero", "0002"):
            names = {m[:4]: m for m in project.migrations()}
            project.run(f"migrate shop {names.get(target, target)}")
            table = "shop_tome" if target == "0004" else "shop_book"
            into = "shop_tomeevent" if target == "0004" else "shop_bookevent"
            assert len(project.ask("left()")) == (0 if target == "zero" else 6 if POSTGRESQL else 3)
            if target != "zero":
                columns = {
                    "0001": "(title) VALUES ('raw')",
                    "0002": "(title, pages) VALUES ('raw', 7)",
                }
                values = columns.get(target, "(title, pages) VALUES ('raw', '7')")
                assert (
                    project.ask(COUNTED.format(into=into, insert=f"INSERT INTO {table} {values}"))
                    == 1
                )
        project.run("migrate")
        assert written(project, "Tome") == WRITTEN

    def test_a_data_migration_is_recorded(self, project):
        """In the migration that tracks, after it, and after a table was rebuilt."""
        create = "apps.get_model('shop', 'Book').objects.create(title={!r})"
        project.write(book())
        project.run("makemigrations")
        first = project.folder / "shop/migrations/0001_initial.py"
        text = first.read_text().rstrip().removesuffix("]")
        first.write_text(
            "def forwards(apps, schema_editor):\n    "
            + create.format("at once")
            + "\n"
            + text
            + "    migrations.RunPython(forwards, migrations.RunPython.noop)\n    ]\n"
        )
        project.migration(code=create.format("after"))
        project.migration(
            code=create.format("rebuilt"),
            operations=REBUILT + RUN_PYTHON,
            atomic=not POSTGRESQL,
        )
        project.migration(
            operations="migrations.AlterField('book', 'title', models.TextField(default='')),"
            "migrations.AlterField('bookevent', 'title', models.TextField(default=''))"
        )
        project.run("migrate", "makemigrations --check")
        assert project.ask("told(BookEvent, 'title')") == [
            ["insert", "at once"],
            ["insert", "after"],
            ["insert", "rebuilt"],
        ]
        assert written(project) == WRITTEN

    @pytest.mark.parametrize("atomic", [True, False])
    def test_a_migration_that_fails(self, project, atomic):
        project.change(book("pages = models.IntegerField(default=1)"))
        before = project.ask("left()")
        project.write(
            book("pages = models.TextField(default='')", "more = models.TextField(default='')")
        )
        project.run("makemigrations")
        name = project.migration(code="raise ValueError('half-way')")
        project.migration(
            operations=f"{REBUILT}migrations.DeleteModel('bookevent'),{RUN_PYTHON}",
            code="raise ValueError('at the end')",
            atomic=atomic,
        )

        with pytest.raises(FailedError, match="half-way"):
            project.run("migrate")
        assert written(project) == WRITTEN

        path = project.folder / f"shop/migrations/{name}.py"
        path.write_text(path.read_text().replace("raise ValueError('half-way')", "pass"))
        with pytest.raises(FailedError, match="at the end"):
            project.run("migrate")
        left = project.ask("left()")
        if atomic and not MARIADB:
            assert len(left) == len(before)
            assert written(project) == WRITTEN
        else:
            # The event table is gone, and writers go on.
            assert left == []
            project.ask("Book.objects.create(title='unrecorded')")
            assert project.ask("states()") == ["waiting"]

    def test_missing_triggers_are_brought_back(self, project):
        project.change(book())
        project.ask("installation.uninstall(); left()")
        assert project.ask("states()") == ["missing"]
        assert project.ask("len(installation.install()), states()") == [3, ["installed"]]
        project.ask("installation.uninstall(); left()")
        project.run("migrate")
        assert written(project) == WRITTEN

    def test_disabled_triggers_stay_so(self, project):
        project.change(book("note = models.TextField(default='')", track="track(exclude=['note'])"))
        project.ask("installation.disable(); 1")
        project.change(
            book("note = models.IntegerField(default=1)", track="track(exclude=['note'])")
        )
        project.change(
            book(
                "note = models.IntegerField(default=1)",
                track="track(exclude=['note'], attrs={'more': models.TextField(default='')})",
            )
        )
        assert project.ask("Book.objects.create(); states(), told(BookEvent)") == [["disabled"], []]

    def test_without_migrations(self, project):
        project.write(book())
        project.configure(MIGRATION_MODULES=NO_MIGRATIONS)
        project.run("migrate --run-syncdb", "migrate --run-syncdb")
        assert written(project) == WRITTEN

    def test_squashed(self, project):
        project.change(book("pages = models.IntegerField(default=1)"))
        project.change(book("pages = models.TextField(default='1')"))
        code = "apps.get_model('shop', 'Book').objects.create(title='by migration')"
        project.migration(code=code)
        project.run("migrate")
        names = project.migrations()
        project.run(
            f"squashmigrations --noinput --no-header --squashed-name squashed shop {names[-1][:4]}"
        )
        # As its text asks: the function is copied by hand.
        [squashed] = project.folder.glob("shop/migrations/*squashed.py")
        hand = f"def forwards(apps, schema_editor):\n    {code}\n\nclass Migration"
        text = squashed.read_text().replace("shop.migrations.0003_by_hand.forwards", "forwards")
        squashed.write_text(text.replace("class Migration", hand))
        project.run("migrate", "makemigrations --check")
        assert written(project) == WRITTEN

        project.run("migrate shop zero", "migrate", "makemigrations --check")
        assert project.ask("told(BookEvent, 'title')") == [["insert", "by migration"]]
        assert written(project) == WRITTEN
        assert len(project.ask("left()")) == (6 if POSTGRESQL else 3)

    def test_squashed_with_renames(self, project):
        """A model's stays outside: Django squashes none to which others refer, with or without us.

        Its optimizer leaves keys with the old name, and without it RenameIndex finds no index.
        """
        project.change(book("pages = models.IntegerField(default=1)"))
        project.change(book("length = models.IntegerField(default=1)"))
        project.run("squashmigrations --noinput --squashed-name squashed shop 0002")
        project.change(book("length = models.IntegerField(default=1)", name="Tome"))
        assert written(project, "Tome") == WRITTEN

        project.run("migrate shop zero", "migrate", "makemigrations --check")
        assert written(project, "Tome") == WRITTEN
        assert project.ask("told(TomeEvent, 'length')[0]") == ["insert", 1]
        assert len(project.ask("left()")) == (6 if POSTGRESQL else 3)

    def test_sqlmigrate_shows_them(self, project):
        word = "CREATE TRIGGER" if SQLITE else "CREATE OR REPLACE TRIGGER"
        project.change(book())
        said = project.run("sqlmigrate shop 0001")
        assert (said.count(word), "DROP TABLE" in said) == (3, False)
        said = project.run("sqlmigrate shop 0001 --backwards")
        assert (said.count(word), "DROP TABLE" in said) == (0, True)
        project.write("class Book(models.Model):\n    title = models.TextField(default='')\n")
        project.run("makemigrations")
        said = project.run("sqlmigrate shop 0002")
        assert (said.count(word), "DROP TABLE" in said) == (0, True)
        said = project.run("sqlmigrate shop 0002 --backwards")
        assert (said.count(word), "CREATE TABLE" in said) == (3, True)


ROUTER = """
class Router:
    def db_for_read(self, model, **hints):
        return "other" if model._meta.app_label == "shop" else None
    db_for_write = db_for_read
    def allow_relation(self, *objects, **hints):
        return True
    def allow_migrate(self, db, app_label, **hints):
        return (db == "other") == (app_label == "shop")
"""


class TestSettings:
    def test_a_router(self, project):
        project.file("routers.py", ROUTER)
        project.configure(DATABASE_ROUTERS=["routers.Router"])
        project.change(
            book("pages = models.IntegerField(default=1)", track="track(context_field=None)")
        )
        project.run("migrate --database other")
        assert project.ask("left(), states(), states('other')") == [[], [], ["installed"]]
        project.ask("Book.objects.create(title='there')")
        assert project.ask("told(BookEvent, 'title', using='other')") == [["insert", "there"]]
        project.change(
            book("pages = models.TextField(default='')", track="track(context_field=None)")
        )
        project.run("migrate --database other")
        project.ask("Book.objects.update(title='still')")
        assert project.ask("left(), told(BookEvent, 'title', using='other')[-1]") == [
            [],
            ["update", "still"],
        ]
        project.run("migrate --database other shop zero")
        assert project.ask("left('other')") == []

    @pytest.mark.parametrize("first", ["tracked", "untracked"])
    def test_a_user_of_ones_own(self, with_users, first):
        """Its events refer to contexts, which refer to users: also in its first migration."""
        project = with_users
        project.configure(AUTH_USER_MODEL="shop.Member")
        tracked = "@track(exclude=['password'])\n"
        source = (
            "from django.contrib.auth.models import AbstractUser\n"
            f"{tracked}class Member(AbstractUser):\n    "
        )
        project.change((source if first == "tracked" else source.replace(tracked, "")) + "pass\n")
        project.change(source + "nick = models.TextField(default='')\n")
        project.ask("Member.objects.create(username='u')")
        assert project.ask("states(), told(MemberEvent, 'username', 'nick')") == [
            ["installed"],
            [["insert", "u", ""]],
        ]

    def test_a_proxy_of_another_apps_model(self, with_users):
        project = with_users
        source = f"{USER}@track()\nclass Customer(User):\n    class Meta:\n        proxy = True\n"
        project.change(source)
        project.ask(NEW_USER)
        assert project.ask("states(), told(CustomerEvent, 'username')") == [
            ["installed"],
            [["insert", "u0"]],
        ]
        project.change(source.replace("@track()\n", ""))
        assert project.ask(f"{NEW_USER}; left()") == []

    def test_a_base_handed_on(self, project):
        base = (
            "@track()\nclass Base(models.Model):\n    title = models.TextField(default='')\n"
            "    {}\n    class Meta:\n        abstract = True\n"
        )
        children = (
            "class Left(Base):\n    pass\n"
            "class Right(Base):\n    more = models.TextField(default='')\n"
        )
        project.change(base.format("pass") + children)
        project.change(base.format("size = models.IntegerField(default=3)") + children)
        for model in ("Left", "Right"):
            assert written(project, model) == WRITTEN
        assert project.ask("told(RightEvent, 'size', 'more')[0]") == ["insert", 3, ""]
        project.change((base.format("pass") + children).removeprefix("@track()\n"))
        assert project.ask("Left.objects.create(); left()") == []

    def test_parents_with_tables_of_their_own(self, project):
        source = (
            "class Place(models.Model):\n    title = models.TextField(default='')\n"
            "@track()\nclass Inn(Place):\n    {} = models.{}\n"
        )
        project.change(source.format("beds", "IntegerField(default=1)"))
        assert written(project, "Inn") == WRITTEN
        project.change(source.format("beds", "TextField(default='1')"))
        assert written(project, "Inn") == WRITTEN
        project.change(source.format("rooms", "TextField(default='1')"))
        assert written(project, "Inn") == WRITTEN
        project.run("migrate shop 0001")
        assert len(project.ask("left()")) == (8 if POSTGRESQL else 4)


TESTS = """
from django.db import connection
from django.test import TestCase, TransactionTestCase
from shop.models import Book, BookEvent

class Simple(TestCase):
    def test(self):
        book = Book.objects.create(title="a")
        self.assertEqual([e.hr_operation for e in book.events.all()], ["insert"])

class Flushing(TransactionTestCase):
    def test_1(self):
        book = Book.objects.create(title="a")
        self.assertEqual([e.hr_operation for e in book.events.all()], ["insert"])
    test_2 = test_1

class Restoring(TransactionTestCase):
    serialized_rollback = True
    def test_1(self):
        Book.objects.update(title="a")
        self.assertEqual(Book.objects.count(), {rows})
        self.assertEqual(BookEvent.objects.filter(hr_operation="update").count(), {rows})
    test_2 = test_1
"""


class TestTests:
    def test_with_migrations(self, project):
        project.change(book())
        project.migration(
            code="apps.get_model('shop', 'Book').objects.create(title='by migration')"
        )
        project.file("shop/tests.py", TESTS.format(rows=1))
        project.run("test --noinput")
        project.run("flush --noinput")
        # Where tables are emptied with DELETE, in any order, that is recorded.
        assert project.ask("BookEvent.objects.exclude(hr_operation='delete').count()") == 0
        assert written(project) == WRITTEN

    def test_append_only(self, project):
        """What flushes is told so: on SQLite and PostgreSQL, events refuse to go."""
        project.change(book(track="track(append_only=True)"))
        project.ask("Book.objects.create(); 1")
        project.ask(
            "from handleref.triggers.suspension import suspend\n"
            "with suspend('shop', 'shop.BookEvent:append_only', record=False):\n"
            "    call_command('flush', interactive=False)\n"
            "1"
        )
        assert project.ask("states(), BookEvent.objects.count()") == [["installed"], 0]

    def test_without(self, project):
        project.write(book())
        project.configure(MIGRATION_MODULES=NO_MIGRATIONS)
        project.file("shop/tests.py", TESTS.format(rows=0))
        project.run("test --noinput")
