"""Which models are registered, how, and who listens to them."""

import pytest
import reversion
from django.apps import apps
from django.db import connection, models
from django.db.models.signals import m2m_changed, post_save, pre_delete
from django.test.utils import CaptureQueriesContext, isolate_apps

from handleref.models import HandleRefModel, rows_written
from handleref.references.base import is_reference
from handleref.revisions import base, tracking
from handleref.revisions.installation import install, register
from handleref.revisions.models import Anchor
from tests.revisions.models import (
    Arena,
    Building,
    Chosen,
    City,
    Hall,
    Lot,
    LoudPet,
    Museum,
    Parcel,
    Pet,
    Quiet,
    Secret,
    Tag,
    Team,
    Venue,
)


def test_every_reference_model_is_registered_but_those_that_opt_out():
    concrete = [m for m in apps.get_models() if is_reference(m) and not m._meta.proxy]
    app = [model for model in concrete if model._meta.app_label == "revisions_tests"]

    left_out = [model for model in app if not reversion.is_registered(model)]

    assert left_out == [Secret, Lot]


def test_options_are_passed_through():
    assert base.options(Quiet).ignore_duplicates is True
    assert base.options(Quiet).fields[-2:] == ("former_status", "name")
    assert base.options(Team).follow == ("memo", "players", "first_player", "captain")
    assert base.options(Parcel).object_id_field == "code"


def test_an_explicit_registration_wins():
    assert base.options(Chosen).fields == ("name",)


@pytest.mark.parametrize(
    ("model", "follow"),
    [
        (Venue, ()),
        (Hall, ("venue_ptr",)),
        (Arena, ("hall_ptr",)),
        (Museum, ("building_ptr",)),
        (Building, ()),
    ],
)
def test_child_tables_follow_the_tables_of_their_bases(model, follow):
    assert base.options(model).follow == follow


def test_reversion_itself_does_not_listen_to_our_models():
    for model in (City, Chosen, Building, Pet):
        assert post_save.disconnect(base.post_save_receiver, sender=model) is False
    assert m2m_changed.disconnect(base.m2m_changed_receiver, sender=City.tags.through) is False


def test_proxies_are_listened_to():
    assert post_save.has_listeners(LoudPet)
    assert pre_delete.has_listeners(LoudPet)


def test_set_based_writes_are_listened_to_in_a_block_only(db):
    assert rows_written.has_listeners(City) is False

    with reversion.create_revision():
        assert rows_written.has_listeners(City) is True
    with reversion.create_revision(manage_manually=True):
        assert rows_written.has_listeners(City) is False


def test_outside_of_a_block_a_write_costs_no_query(db):
    tag = Tag.objects.create()
    city = City.objects.create()
    writes = {
        "update": lambda: City.objects.update(number=1),
        "bulk_create": lambda: City.objects.bulk_create([City()]),
        "soft delete": lambda: City.objects.filter(pk=city.pk).delete(),
        "save": tag.save,
    }

    queries = {}
    for name, write in writes.items():
        with CaptureQueriesContext(connection) as captured:
            write()
        queries[name] = [q["sql"] for q in captured if not q["sql"].startswith(TRANSACTION)]

    assert {name: len(sql) for name, sql in queries.items()} == dict.fromkeys(writes, 1)


TRANSACTION = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@isolate_apps("tests.revisions")
def test_a_model_that_is_made_later_is_registered_and_let_go_again():
    class Late(HandleRefModel):
        tags = models.ManyToManyField(Tag)

        class Meta:
            app_label = "revisions_tests"

    undo = register(Late)
    assert reversion.is_registered(Late)
    assert pre_delete.has_listeners(Late)

    undo()
    assert not reversion.is_registered(Late)
    # Who else listens to a class of the same id(), collected since, is nothing to us.
    assert not pre_delete.disconnect(tracking.note_deletion, sender=Late)
    assert not post_save.disconnect(tracking.note_save, sender=Late)
    assert not m2m_changed.disconnect(tracking.note_links, sender=Late.tags.through)


@isolate_apps("tests.revisions")
def test_what_someone_has_registered_is_tracked_and_stays_registered():
    @reversion.register()
    class Late(HandleRefModel):
        class HandleRef:
            revisions = False

        class Meta:
            app_label = "revisions_tests"

    undo = register(Late)
    assert pre_delete.has_listeners(Late)

    undo()
    assert reversion.is_registered(Late)
    reversion.unregister(Late)


@isolate_apps("tests.revisions")
def test_a_model_with_a_bad_option_is_left_to_the_check():
    class Late(HandleRefModel):
        class HandleRef:
            revisions = "yes"

        class Meta:
            app_label = "revisions_tests"

    register(Late)

    assert not reversion.is_registered(Late)


@isolate_apps("tests.revisions")
def test_a_child_table_of_an_opted_out_base_does_not_register_the_base():
    class Late(HandleRefModel):
        class HandleRef:
            revisions = False

        class Meta:
            app_label = "revisions_tests"

    class Later(Late):
        class HandleRef:
            revisions = True

        class Meta:
            app_label = "revisions_tests"

    undo = register(Later)

    assert base.options(Later).follow == ()
    assert not reversion.is_registered(Late)
    undo()


def test_installing_again_changes_nothing():
    before = {*reversion.get_registered_models()}

    install()

    assert {*reversion.get_registered_models()} == before


def test_the_anchor_is_registered_and_holds_nothing():
    assert base.options(Anchor).fields == ()
