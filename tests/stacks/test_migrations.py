"""Stacks in migrations, and the way here from django-stackstore-model and from plain models."""

import uuid
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.models import F

from handleref.stacks.lifecycle.adopt import adopt
from handleref.stacks.models import AbstractStackModel
from tests.stacks.models import Counter, Link, StackPage
from tests.versions.models import Section, Tag

LABEL = "stacks_tests"
USER = apps.get_model(settings.AUTH_USER_MODEL)
# What a stack refers to, with what that refers to.
AROUND_USERS = [USER, Group, Permission, ContentType]


def state_of(*models):
    """Return the state of migrations with models, and what they refer to."""
    state = ProjectState()
    for model in models:
        state.add_model(ModelState.from_model(model))
    return state


def historical(*models):
    """Return models as a data migration gets them."""
    state = state_of(*models, *AROUND_USERS)
    return [state.apps.get_model(model._meta.label) for model in models]


@pytest.mark.django_db
class TestDataMigrations:
    def test_first_versions_are_numbered(self):
        [old] = historical(Counter)

        row = old.objects.create(name="a")

        assert (row.stack_number, row.stack_latest) == (1, True)
        assert Counter.objects.get_latest_from_stack_group(name="a").stack_number == 1

    def test_set_based_writes_make_versions(self):
        [old] = historical(Counter)
        row = old.objects.create(name="a")

        assert old.objects.update(count=F("count") + 1) == 1
        old.objects.bulk_create([old(name="b", stack_group_uuid=row.stack_group_uuid)])
        [latest] = old.objects.latest_from_stack_group()
        latest.name = "c"
        assert old.objects.bulk_update([latest], ["name"]) == 1

        counter = Counter.objects.get_latest_from_stack_group()
        assert [c.name for c in counter.same_group_items()] == ["c", "b", "a", "a"]

    def test_a_save_overwrites(self):
        Counter.objects.create(name="a")
        [old] = historical(Counter)

        row = old.objects.get()
        row.name = "b"
        row.save()

        assert Counter.objects.values_list("name", "stack_number").get() == ("b", 1)

    def test_the_manager_is_written_down(self):
        [(name, manager)] = ModelState.from_model(Counter).managers

        assert name == "objects"
        assert MigrationWriter.serialize(manager)[0] == ("handleref.stacks.managers.StackManager()")

    def test_so_are_constraints_and_index_whatever_the_meta(self):
        options = ModelState.from_model(Counter).options

        assert [c.fields for c in options["constraints"]] == [
            ("stack_group_uuid", "stack_number"),
            ("stack_group_uuid", "stack_latest"),
        ]
        assert [index.fields for index in options["indexes"]] == [["stack_latest", "id"]]

    def test_what_follows_follows(self):
        page = StackPage.objects.create(title="one")
        Link.objects.create(name="l", page=page)
        page.title = "two"
        page.save()
        link, *_ = historical(Link, StackPage, Section, Tag)

        assert link.objects.get().page.title == "two"
        assert link.objects.filter(page__title="two").exists()


class OldModel(models.Model):
    """The column that django-stackstore-model 0.1 makes."""

    stack_group_uuid = models.UUIDField(db_index=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True
        ordering = ["pk"]
        get_latest_by = "pk"


@contextmanager
def tables(model):
    with connection.schema_editor() as editor:
        editor.create_model(model)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(model._meta.db_table)}")


def migrate(before, after):
    """Migrate a table as makemigrations would, which asks nothing."""
    old, new = state_of(before, *AROUND_USERS), state_of(after, *AROUND_USERS)

    class Nobody:
        """Stands for who would answer questions."""

        def __getattr__(self, name):
            raise AssertionError(name)

    changes = MigrationAutodetector(old, new, questioner=Nobody())._detect_changes()
    for migration in changes[LABEL]:
        with connection.schema_editor() as editor:
            old = migration.apply(old, editor)
    return [type(op).__name__ for migration in changes[LABEL] for op in migration.operations]


def new_model():
    class Meal(AbstractStackModel):
        title = models.CharField(max_length=20)

        class Meta(AbstractStackModel.Meta):
            app_label = LABEL
            apps = Apps()

    # Its users are in the registry of the project.
    Meal._meta.get_field("stack_user").remote_field.model = USER
    return Meal


@pytest.mark.django_db(transaction=True)
class TestTheWayHere:
    def test_from_django_stackstore_model(self):
        class Meal(OldModel):
            title = models.CharField(max_length=20)

            class Meta(OldModel.Meta):
                app_label = LABEL
                apps = Apps()

        groups = [uuid.uuid4(), uuid.uuid4()]
        new = new_model()
        with tables(Meal):
            rows = [("egg", 0), ("soup", 1), ("fried egg", 0), ("boiled egg", 0)]
            Meal.objects.bulk_create(
                [Meal(title=title, stack_group_uuid=groups[n]) for title, n in rows]
            )

            operations = migrate(Meal, new)
            assert adopt(new) == 4

            assert {*operations} >= {"AddField", "AddConstraint", "AddIndex"}
            assert "RunPython" not in operations
            found = new.objects.order_by("stack_group_uuid", "stack_number").values_list(
                "stack_group_uuid", "stack_number", "stack_latest", "title"
            )
            assert sorted(found, key=lambda row: (row[0] != groups[0], row[1])) == [
                (groups[0], 1, None, "egg"),
                (groups[0], 2, None, "fried egg"),
                (groups[0], 3, True, "boiled egg"),
                (groups[1], 1, True, "soup"),
            ]

    def test_from_a_plain_model(self):
        class Meal(models.Model):
            title = models.CharField(max_length=20)

            class Meta:
                app_label = LABEL
                apps = Apps()

        new = new_model()
        with tables(Meal):
            Meal.objects.bulk_create([Meal(title=title) for title in "ab"])

            migrate(Meal, new)
            with pytest.raises(ValueError):
                adopt(new)
            assert adopt(new, separate=True) == 2

            assert new.objects.latest_from_stack_group().count() == 2
            assert new.objects.filter(title="a").update(title="c") == 1
            assert sorted(new.objects.values_list("title", "stack_number")) == [
                ("a", 1),
                ("b", 1),
                ("c", 2),
            ]

    def test_there_is_nothing_left_to_migrate(self):
        new = new_model()

        again = state_of(new, *AROUND_USERS)

        assert MigrationAutodetector(state_of(new, *AROUND_USERS), again)._detect_changes() == {}
