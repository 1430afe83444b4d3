"""What we need of reversion's private parts, and what breaks without it."""

import inspect

import pytest
import reversion
from django.contrib.contenttypes.models import ContentType
from reversion import revisions

from handleref.revisions import base
from handleref.revisions.log import Log
from tests.revisions.models import Building, City, Memo, Museum, Secret

NEEDED = {
    "_stack": "no block is found, and nothing is recorded",
    "_get_options": "no version can be serialised as its model is registered",
    "_get_content_type": "no version can be attributed to a model",
    "_post_save_receiver": "reversion serialises what is in memory, at every save",
    "_m2m_changed_receiver": "reversion serialises what is in memory, at every change of links",
}


@pytest.mark.parametrize(("name", "loss"), NEEDED.items())
def test_reversion_has_the_private_part(name, loss):
    assert hasattr(revisions, name), f"reversion.revisions.{name} is gone: {loss}."


def test_a_frame_of_a_block_has_what_we_read():
    with_frame = revisions._StackFrame._fields

    assert {"manage_manually", "db_versions", "meta"} <= {*with_frame}, (
        "Log, notes and anchors have no place in a block any more."
    )


def test_the_options_of_a_model_have_what_we_read():
    assert {*base.Options.__annotations__} == {*revisions._VersionOptions._fields}


def test_reversion_takes_the_options_that_the_check_knows():
    from handleref.revisions.checks import OPTIONS

    taken = {*inspect.signature(reversion.register).parameters} - {"model"}

    assert {*OPTIONS} == taken


@pytest.mark.django_db(databases=["default", "other"])
def test_the_alias_that_is_saved_is_that_of_no_outer_block():
    with reversion.create_revision():
        assert base.saved_alias() == "default"
        with reversion.create_revision(using="other"):
            assert base.saved_alias() == "other"
        assert base.saved_alias() == "default"


def test_nothing_is_carried_and_recorded_outside_of_a_block():
    assert Log.found() is None
    assert base.is_recording() is False
    with pytest.raises(reversion.RevisionManagementError):
        Log.carried()


@pytest.mark.django_db
def test_a_block_carries_one_log_that_its_inner_blocks_share():
    with reversion.create_revision():
        log = Log.carried()
        with reversion.create_revision():
            assert Log.carried() is log
        assert Log.found() is log

    assert Log.found() is None


@pytest.mark.parametrize(
    ("model", "tracked"),
    [(City, True), (Museum, True), (Building, True), (Secret, False), (Memo, False)],
)
def test_which_models_are_tracked(model, tracked):
    assert base.is_tracked(model) is tracked


@pytest.mark.django_db
def test_content_types_are_those_of_the_database():
    expected = ContentType.objects.get_for_model(City)

    assert base.content_type(City, "default") == expected
