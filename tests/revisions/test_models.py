"""The rows of ours, and the anchor that has none."""

from importlib import import_module
from io import StringIO

import pytest
import reversion
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ProjectState
from django.test.utils import CaptureQueriesContext
from reversion.models import Revision, Version

from handleref.revisions.models import Anchor, Record
from tests.revisions.models import City, Memo
from tests.revisions.stories import count, newest

pytestmark = pytest.mark.django_db

# Not all: reversion's command does not know composite keys.
MODELS = ["handleref_revisions", "revisions_tests.City", "revisions_tests.Memo"]


def test_the_migration_makes_the_models_as_they_are():
    now = ProjectState.from_apps(apps)
    then = ProjectState.from_apps(apps)
    for model in ("anchor", "record"):
        then.models.pop(("handleref_revisions", model))
    migration = import_module("handleref.revisions.migrations.0001_initial").Migration

    migrated = migration("0001_initial", "handleref_revisions").mutate_state(then)

    assert MigrationAutodetector(migrated, now)._detect_changes() == {}


def test_a_record_says_what_the_version_changed():
    with reversion.create_revision():
        city = City.objects.create(name="Aa")
    with reversion.create_revision():
        city.name, city.number = "Bb", 5
        city.save()
    with reversion.create_revision():
        city.delete()

    records = Record.objects.order_by("pk").values_list("deleted", "changed_fields")

    assert [*records] == [
        (False, None),
        (False, ("name", "number")),
        (True, ("status",)),
    ]
    assert str(Record.objects.first()) == "Aa"


def test_plain_models_have_records_too():
    with reversion.create_revision():
        memo = Memo.objects.create(text="Aa")
    with reversion.create_revision():
        memo.text = "Bb"
        memo.save()

    records = Record.objects.order_by("pk")

    assert [(r.deleted, r.complete, r.changed_fields) for r in records] == [
        (False, False, None),
        (False, False, ("text",)),
    ]


def test_a_version_deletes_its_record_and_frees_those_that_were_reverted_from_it():
    with reversion.create_revision():
        city = City.objects.create(name="Aa")
    first = Version.objects.get()
    with reversion.create_revision():
        city.save()
    second = Record.objects.last()
    Record.objects.filter(pk=second.pk).update(reverted_from=first)

    Revision.objects.filter(pk=first.revision_id).delete()

    assert [*Record.objects.values_list("pk", "reverted_from")] == [(second.pk, None)]


def test_an_anchor_is_never_kept():
    with reversion.create_revision():
        City.objects.bulk_create([City()])

    assert [version.content_type.model for version in newest()] == ["city"]
    assert not Version.objects.get_for_model(Anchor).exists()


def test_an_anchor_asks_the_database_for_nothing():
    with CaptureQueriesContext(connection) as captured:
        assert [*Anchor.objects.all()] == []
        assert Anchor.objects.count() == 0
        assert Anchor._base_manager.filter(id__in=["x"]).values_list("id", flat=True) == []

    assert len(captured) == 0


def test_reversion_s_own_tools_live_with_the_anchor():
    City.objects.create(name="Aa")
    Memo.objects.create(text="Mm")
    out = StringIO()

    for _ in range(2):
        call_command("createinitialrevisions", *MODELS, stdout=out)
    assert count() == (2, 2)
    assert Record.objects.count() == 2

    call_command("deleterevisions", *MODELS, stdout=out)
    assert count() == (0, 0)
    assert Record.objects.count() == 0
    assert not Version.objects.get_deleted(Anchor).exists()
