"""The checks: each wrong set-up, its whole message and its hint."""

import pytest
from django.apps import apps
from django.core.checks import Error, Warning
from django.db import models
from django.test.utils import isolate_apps

from handleref.models import HandleRefModel, LiveUniqueConstraint, Status, StatusField
from handleref.references import checks
from tests.references.models import Branch, Company, Folder, Sheet

LABEL = "references_tests"


@pytest.fixture
def check(monkeypatch):
    """Check models as if they were all that the project has."""

    def run(*models):
        registry = models[0]._meta.apps
        monkeypatch.setattr(checks, "apps", registry)
        monkeypatch.setattr("handleref.references.handles.apps", registry)
        monkeypatch.setattr("handleref.references.cascade.apps", registry)
        return checks.check_references()

    return run


def test_the_models_of_the_suite_draw_only_the_warnings_meant():
    found = checks.check_references(apps.get_app_configs())

    assert {(e.id, str(e.obj)) for e in found if e.is_serious()} == set()
    ours = {(e.id, e.obj) for e in found if LABEL in str(getattr(e.obj, "_meta", e.obj))}
    assert ("handleref.W003", Company) in ours
    assert ("handleref.W004", Sheet) in ours


def test_w003_says_which_children_are_left_alone():
    [warning] = [e for e in checks.check_references() if e.id == "handleref.W003"]

    assert warning == Warning(
        "delete_cascade leaves Memo.branch alone, since references_tests.Memo is no"
        " HandleRefModel.",
        hint="Make Memo a HandleRefModel, or silence this.",
        obj=Company,
        id="handleref.W003",
    )


def test_w004_says_which_parent_really_deletes():
    found = [e for e in checks.check_references() if e.obj is Sheet]

    assert found == [
        Warning(
            "Deleting a references_tests.Folder really deletes its references_tests.Sheet rows.",
            hint="Let Sheet.binder not cascade (on_delete=PROTECT), make Folder a"
            " HandleRefModel, or silence this.",
            obj=Sheet,
            id="handleref.W004",
        )
    ]
    assert Folder._meta.get_field("sheets").on_delete is models.SET_NULL


@isolate_apps("tests.references")
def test_e001_two_models_with_one_tag(check):
    class Thing(HandleRefModel):
        class Meta:
            app_label = LABEL

    class Other(HandleRefModel):
        class HandleRef:
            tag = "thing"

        class Meta:
            app_label = LABEL

    class Same(Thing):
        class Meta:
            app_label = LABEL
            proxy = True

    assert check(Thing) == [
        Error(
            "HandleRef.tag 'thing' is also that of references_tests.Thing.",
            hint='Add to its class HandleRef: tag = "references_tests_thing".',
            obj=Other,
            id="handleref.E001",
        )
    ]


@pytest.mark.parametrize("name", ["Org", "1st", "a:b", "a b", ""])
@isolate_apps("tests.references")
def test_e002_a_tag_that_handles_cannot_carry(check, name):
    class Thing(HandleRefModel):
        class HandleRef:
            tag = name

        class Meta:
            app_label = LABEL

    assert check(Thing) == [
        Error(
            f"HandleRef.tag is {name!r}, which handles cannot carry.",
            hint="Start with a lower-case letter; go on with those, digits, '_' or '.'.",
            obj=Thing,
            id="handleref.E002",
        )
    ]


@isolate_apps("tests.references")
def test_e003_two_bases_that_own_the_row(check):
    class Versioned(models.Model):
        status = models.CharField(max_length=5)
        version = models.IntegerField()

        class Meta:
            abstract = True

    class Thing(HandleRefModel, Versioned):
        class Meta:
            app_label = LABEL

    assert check(Thing) == [
        Error(
            "Versioned and HandleRefModel both define status, version.",
            hint="Keep one of the two bases: Django would silently drop a field.",
            obj=Thing,
            id="handleref.E003",
        )
    ]


@isolate_apps("tests.references")
def test_e004_a_field_of_another_kind(check):
    class Thing(HandleRefModel):
        status = models.CharField(max_length=5)

        class Meta:
            app_label = LABEL

    assert check(Thing) == [
        Error(
            "The field status is a CharField.",
            hint="Remove it, or make it a StatusField.",
            obj=Thing,
            id="handleref.E004",
        )
    ]


@isolate_apps("tests.references")
def test_e005_choices_without_ours(check):
    class Thing(HandleRefModel):
        status = StatusField(choices=[("ok", "ok"), ("open", "open")])

        class Meta:
            app_label = LABEL

    class Fine(HandleRefModel):
        status = StatusField(choices=[*Status.choices, ("open", "open")])

        class Meta:
            app_label = LABEL

    assert check(Thing) == [
        Error(
            "The choices of status leave out 'ok' or 'deleted'.",
            hint="Write choices=[*Status.choices, …].",
            obj=Thing,
            id="handleref.E005",
        )
    ]


@isolate_apps("tests.references")
def test_e006_and_w002_managers_that_are_not_ours(check):
    class Thing(HandleRefModel):
        objects = models.Manager()

        class Meta:
            app_label = LABEL
            base_manager_name = "objects"

    assert check(Thing) == [
        Error(
            "The base manager 'objects' is not a HandleRefManager, so related writes are not"
            " counted.",
            hint='Remove base_manager_name from its Meta, or name "handleref".',
            obj=Thing,
            id="handleref.E006",
        ),
        Warning(
            "The manager objects is not a HandleRefManager: what it writes is neither stamped"
            " nor counted, and it really deletes.",
            hint="Write objects = HandleRefManager.from_queryset(…)(), with a HandleRefQuerySet.",
            obj=Thing,
            id="handleref.W002",
        ),
    ]


@pytest.mark.parametrize("option", ["children", {"children": 1}, None])
@isolate_apps("tests.references")
def test_e007_delete_cascade_of_another_type(check, option):
    class Thing(HandleRefModel):
        class HandleRef:
            delete_cascade = option

        class Meta:
            app_label = LABEL

    class Part(HandleRefModel):
        thing = models.ForeignKey(Thing, models.CASCADE)

        class Meta:
            app_label = LABEL

    assert check(Thing) == [
        Error(
            f"delete_cascade is {option!r}.",
            hint='Write True, or a list of related names: ["airports"].',
            obj=Thing,
            id="handleref.E007",
        )
    ]


@isolate_apps("tests.references")
def test_delete_cascade_can_be_false(check):
    class Thing(HandleRefModel):
        class HandleRef:
            delete_cascade = False

        class Meta:
            app_label = LABEL

    class Part(HandleRefModel):
        thing = models.ForeignKey(Thing, models.CASCADE)

        class Meta:
            app_label = LABEL

    assert check(Thing) == []


@isolate_apps("tests.references")
def test_e008_delete_cascade_names_what_is_no_relation(check):
    class Thing(HandleRefModel):
        class HandleRef:
            delete_cascade = ["part_set", "typo"]

        class Meta:
            app_label = LABEL

    class Part(HandleRefModel):
        thing = models.ForeignKey(Thing, models.CASCADE)

        class Meta:
            app_label = LABEL

    assert check(Thing) == [
        Error(
            "delete_cascade names 'typo', which is no reverse relation.",
            hint="Choose from: part_set.",
            obj=Thing,
            id="handleref.E008",
        )
    ]


@isolate_apps("tests.references")
def test_e010_a_proxy_with_a_cascade_of_its_own(check):
    class Thing(HandleRefModel):
        class Meta:
            app_label = LABEL

    class Other(Thing):
        class HandleRef:
            delete_cascade = True

        class Meta:
            app_label = LABEL
            proxy = True

    assert check(Thing) == [
        Error(
            "The delete_cascade of a proxy is not heeded; that of references_tests.Thing is.",
            hint="Write it in the class HandleRef of Thing.",
            obj=Other,
            id="handleref.E010",
        )
    ]


@isolate_apps("tests.references")
def test_w004_a_plain_base(check):
    class Base(models.Model):
        class Meta:
            app_label = LABEL

    class Thing(HandleRefModel, Base):
        class Meta:
            app_label = LABEL

    assert check(Thing) == [
        Warning(
            "Deleting a references_tests.Base really deletes its references_tests.Thing rows.",
            hint="Delete the Thing instead, and silence this.",
            obj=Thing,
            id="handleref.W004",
        )
    ]


@isolate_apps("tests.references")
def test_w005_links_that_are_reference_rows(check):
    class Link(HandleRefModel):
        team = models.ForeignKey("Team", models.PROTECT)
        person = models.ForeignKey("Person", models.PROTECT)

        class Meta:
            app_label = LABEL

    class Person(models.Model):
        class Meta:
            app_label = LABEL

    class Team(models.Model):
        members = models.ManyToManyField(Person, through=Link)

        class Meta:
            app_label = LABEL

    assert check(Team) == [
        Warning(
            "remove(), clear() and set() of members soft-delete its links, which it goes on to"
            " show.",
            hint="Let Link be a plain model, or read the relation through live links only,"
            " and silence this.",
            obj=Team._meta.get_field("members"),
            id="handleref.W005",
        )
    ]


@isolate_apps("tests.references")
def test_e009_live_unique_on_a_plain_model(check):
    class Thing(models.Model):
        code = models.CharField(max_length=5)

        class Meta:
            app_label = LABEL
            constraints = [LiveUniqueConstraint(fields=["code"], name="thing_live")]

    assert check(Thing) == [
        Error(
            "LiveUniqueConstraint 'thing_live' needs a HandleRefModel.",
            hint="Make Thing a HandleRefModel, or use UniqueConstraint.",
            obj=Thing,
            id="handleref.E009",
        )
    ]


def test_w001_local_times(settings):
    settings.USE_TZ = False

    assert checks.check_references([]) == [
        Warning(
            "created and updated are naive, since USE_TZ is False.",
            hint="Set USE_TZ = True: local times repeat when clocks go back.",
            id="handleref.W001",
        )
    ]


def test_a_narrow_check_looks_at_the_apps_asked_for():
    assert checks.check_references([apps.get_app_config("auth")]) == []


def test_delete_cascade_names_a_generic_relation():
    assert not [e for e in checks.check_references() if e.id == "handleref.E008"]
    assert Branch._handleref.delete_cascade == ()
