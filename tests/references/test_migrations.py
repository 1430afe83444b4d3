"""Reference models in migrations, and the way here from django-handleref."""

import datetime
from contextlib import contextmanager

import pytest
from django.apps.registry import Apps
from django.db import connection, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.test.utils import isolate_apps
from django.utils import timezone

from handleref.models import HandleRefManager, HandleRefModel
from tests.references.models import Item, ShoutingQuerySet

LABEL = "references_tests"


def historical(model):
    """Return a model as a data migration gets it."""
    state = ProjectState()
    state.add_model(ModelState.from_model(model))
    return state.apps.get_model(LABEL, model.__name__)


@pytest.mark.django_db
class TestDataMigrations:
    def test_every_write_is_counted(self):
        old = historical(Item)
        item = old.objects.create(name="a")

        item.save()
        item.save(update_fields=["name", "version", "updated"])
        old.objects.update(name="b")
        old._base_manager.filter(pk=item.pk).update(name="c")

        assert Item.objects.get().version == 5
        assert Item.objects.get().updated > item.created

    def test_a_delete_really_deletes(self):
        old = historical(Item)
        old.objects.create(name="a")

        assert old.objects.all().delete() == (1, {"references_tests.Item": 1})

    def test_the_managers_are_written_down(self):
        managers = ModelState.from_model(Item).managers

        assert [name for name, _ in managers] == ["objects", "handleref"]
        assert MigrationWriter.serialize(managers[0][1])[0] == (
            "handleref.references.managers.HandleRefManager()"
        )

    @isolate_apps("tests.references")
    def test_a_projects_own_manager_is_not(self):
        class Thing(HandleRefModel):
            objects = HandleRefManager.from_queryset(ShoutingQuerySet)()

            class Meta:
                app_label = LABEL

        managers = dict(ModelState.from_model(Thing).managers)

        assert type(managers["objects"]) is models.Manager


class OldModel(models.Model):
    """The columns that django-handleref 2.0.1 makes."""

    id = models.AutoField(primary_key=True)
    status = models.CharField("Status", max_length=255, blank=True)
    created = models.DateTimeField("Created", auto_now_add=True)
    updated = models.DateTimeField("Updated", auto_now=True)
    version = models.IntegerField(default=0)

    class Meta:
        abstract = True
        ordering = ("-updated", "-created")
        get_latest_by = "updated"


def both_sides():
    """Return a model as it was, and as the recipe of the docs has it."""

    class Before:
        class Thing(OldModel):
            name = models.CharField(max_length=20)

            class Meta:
                app_label = LABEL
                apps = Apps()
                ordering = ("-updated", "-created")

    class After:
        class Thing(HandleRefModel):
            id = models.AutoField(primary_key=True)
            name = models.CharField(max_length=20)

            class Meta:
                app_label = LABEL
                apps = Apps()

    return Before.Thing, After.Thing


@contextmanager
def tables(model):
    with connection.schema_editor() as editor:
        editor.create_model(model)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(model._meta.db_table)}")


def state_of(model):
    state = ProjectState()
    state.add_model(ModelState.from_model(model))
    return state


@pytest.mark.django_db(transaction=True)
class TestUpgrade:
    def test_one_migration_leaves_every_row_as_it_is(self):
        old, new = both_sides()
        moment = datetime.datetime(2015, 6, 1, 12, tzinfo=datetime.UTC)
        with tables(old):
            old.objects.bulk_create([old(name="live"), old(name="gone", status="deleted")])
            old.objects.update(created=moment, updated=moment)
            before = list(old.objects.order_by("pk").values())

            migration = self.migrate(old, new)

            after = new.objects.order_by("pk").values(*before[0])
            assert list(after) == before
            assert not any(type(op).__name__ == "RunPython" for op in migration.operations)
            self.use(new, moment)

    def test_a_plain_model_with_rows_becomes_a_reference_model(self):
        _, new = both_sides()
        before = timezone.now()

        class Thing(models.Model):
            id = models.AutoField(primary_key=True)
            name = models.CharField(max_length=20)

            class Meta:
                app_label = LABEL
                apps = Apps()

        with tables(Thing):
            Thing.objects.create(name="there already")

            self.migrate(Thing, new)

            thing = new.objects.get()
            assert (thing.name, thing.version, thing.status) == ("there already", 1, "ok")
            assert before <= thing.created <= thing.updated <= timezone.now()

    def migrate(self, old, new):
        before, after = state_of(old), state_of(new)
        [migration] = MigrationAutodetector(before, after)._detect_changes()[LABEL]
        with connection.schema_editor() as editor:
            migration.apply(before, editor)
        return migration

    def use(self, new, moment):
        live, gone = new.objects.order_by("pk")
        assert (live.version, live.status, live.deletion) == (0, "", None)
        assert new.handleref.since(moment - datetime.timedelta(seconds=1)).get() == live
        live.save()
        assert (live.version, new.handleref.since(moment).get()) == (1, live)
        gone.restore()
        assert (gone.status, gone.version) == ("ok", 1)
        live.delete()
        live.restore()
        assert live.status == ""

    def test_the_old_names_of_the_fields_take_the_old_arguments(self):
        """Old migrations are edited only in their import, see docs/howto/upgrade.md."""
        from handleref import models as door

        for name in ("CreatedDateTimeField", "UpdatedDateTimeField"):
            field = getattr(door, name)(auto_now_add=True, verbose_name="Created")
            assert isinstance(field, models.DateTimeField)
