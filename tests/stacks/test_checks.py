"""The checks: each wrong set-up, its whole message and its hint."""

import pytest
from django.apps import apps
from django.core.checks import Error, Warning
from django.core.checks.registry import registry
from django.db import models
from django.test.utils import isolate_apps

from handleref.models import HandleRefModel
from handleref.stacks import checks
from handleref.stacks.constraints import LatestUniqueConstraint
from handleref.stacks.fields import LatestForeignKey
from handleref.stacks.managers import StackManager
from handleref.stacks.models import AbstractStackModel

LABEL = "stacks_tests"


@pytest.fixture
def check(monkeypatch):
    """Check models as if they were all that the project has."""

    def run(*models):
        monkeypatch.setattr(checks, "apps", models[0]._meta.apps)
        return checks.check_stacks()

    return run


def test_the_models_of_the_suite_draw_nothing():
    assert checks.check_stacks(apps.get_app_configs()) == []


def test_they_are_registered():
    assert checks.check_stacks in registry.get_checks()


@isolate_apps("tests.stacks")
def test_e016_a_stack_with_a_parent(check):
    class Parent(models.Model):
        class Meta:
            app_label = LABEL

    class Child(AbstractStackModel, Parent):
        class Meta:
            app_label = LABEL

    [found] = [error for error in check(Child) if error.id == "handleref.E016"]

    assert found == Error(
        "A stack and stacks_tests.Parent share their rows by multi-table inheritance.",
        hint="Give both an abstract base: a version is one row of one table.",
        obj=Child,
        id="handleref.E016",
    )


@isolate_apps("tests.stacks")
def test_e016_a_stack_with_a_child(check):
    class Parent(AbstractStackModel):
        class Meta:
            app_label = LABEL

    class Child(Parent):
        class Meta:
            app_label = LABEL

    found = [error for error in check(Parent) if error.id == "handleref.E016"]

    assert [(error.obj, error.msg) for error in found] == [
        (Child, "A stack and stacks_tests.Parent share their rows by multi-table inheritance.")
    ]


@isolate_apps("tests.stacks")
def test_e016_a_stack_that_is_a_reference_model(check):
    class Both(AbstractStackModel, HandleRefModel):
        class Meta:
            app_label = LABEL

    found = [error for error in check(Both) if error.id == "handleref.E016"]

    assert found == [
        Error(
            "A stack is a HandleRefModel, whose writes count and stamp one row.",
            hint="Choose one of the two bases: versions have a number and a time already.",
            obj=Both,
            id="handleref.E016",
        )
    ]


@isolate_apps("tests.stacks")
def test_e017_unique_fields(check):
    class Other(models.Model):
        class Meta:
            app_label = LABEL

    class Thing(AbstractStackModel):
        code = models.CharField(max_length=9, unique=True)
        other = models.OneToOneField(Other, models.CASCADE)

        class Meta:
            app_label = LABEL

    assert check(Thing) == [
        Error(
            "The field code is unique, so that there can be no second version.",
            hint='Write LatestUniqueConstraint(fields=["code"], name=…) in its Meta.',
            obj=Thing,
            id="handleref.E017",
        ),
        Error(
            "The field other is unique, so that there can be no second version.",
            hint="Make it a ForeignKey, and write"
            ' LatestUniqueConstraint(fields=["other"], name=…) in its Meta.',
            obj=Thing,
            id="handleref.E017",
        ),
    ]


@isolate_apps("tests.stacks")
def test_e018_keys_that_are_not_made_anew(check):
    class Other(models.Model):
        class Meta:
            app_label = LABEL

    class Named(AbstractStackModel):
        code = models.CharField(max_length=9, primary_key=True)

        class Meta:
            app_label = LABEL

    class Linked(AbstractStackModel):
        other = models.ForeignKey(Other, models.CASCADE, primary_key=True)

        class Meta:
            app_label = LABEL

    class Composite(AbstractStackModel):
        pk = models.CompositePrimaryKey("a", "b")
        a = models.IntegerField()
        b = models.IntegerField()

        class Meta:
            app_label = LABEL

    found = [error for error in check(Named) if error.id == "handleref.E018"]

    assert {(error.obj, error.msg) for error in found} == {
        (Named, "The primary key code is not made anew for each version."),
        (Linked, "The primary key other is not made anew for each version."),
        (Composite, "The primary key pk is not made anew for each version."),
    }
    [hint] = {error.hint for error in found}
    assert hint == (
        "Let it be an automatic one, or give it a default such as uuid.uuid4; keep what it said"
        " in a field of its own, with a LatestUniqueConstraint."
    )


@isolate_apps("tests.stacks")
def test_e019_what_is_no_stack(check):
    class Plain(models.Model):
        code = models.CharField(max_length=9, unique=True)

        class Meta:
            app_label = LABEL
            constraints = [LatestUniqueConstraint(fields=["code"], name="code")]

    class Link(models.Model):
        plain = LatestForeignKey(Plain, models.CASCADE)

        class Meta:
            app_label = LABEL

    assert check(Plain) == [
        Error(
            "LatestUniqueConstraint 'code' needs a stack.",
            hint="Make Plain an AbstractStackModel, or use UniqueConstraint.",
            obj=Plain,
            id="handleref.E019",
        ),
        Error(
            "A LatestForeignKey to stacks_tests.Plain, which is no stack.",
            hint="Make Plain an AbstractStackModel, or use a ForeignKey.",
            obj=Link._meta.get_field("plain"),
            id="handleref.E019",
        ),
    ]


@isolate_apps("tests.stacks")
def test_w019_uniqueness_without_regard_to_versions(check):
    class Thing(AbstractStackModel):
        code = models.CharField(max_length=9)
        kind = models.CharField(max_length=9)

        class Meta:
            app_label = LABEL
            unique_together = [("code", "kind")]
            constraints = [
                models.UniqueConstraint(fields=["kind"], name="kind"),
                models.UniqueConstraint(fields=["code", "stack_latest"], name="fine"),
                models.UniqueConstraint(fields=["code", "stack_number"], name="fine_too"),
                LatestUniqueConstraint(fields=["code"], name="finest"),
            ]

    assert check(Thing) == [
        Warning(
            "unique_together keeps code, kind unique among all versions, old ones too.",
            hint="Write LatestUniqueConstraint(fields=['code', 'kind'], name=…), or silence this.",
            obj=Thing,
            id="handleref.W019",
        ),
        Warning(
            "The constraint 'kind' keeps kind unique among all versions, old ones too.",
            hint="Write LatestUniqueConstraint(fields=['kind'], name=…), or silence this.",
            obj=Thing,
            id="handleref.W019",
        ),
    ]


@isolate_apps("tests.stacks")
def test_w020_managers_that_know_no_versions(check):
    class Thing(AbstractStackModel):
        objects = models.Manager()
        stacks = StackManager()

        class Meta:
            app_label = LABEL

    assert check(Thing) == [
        Warning(
            "The manager objects is not a StackManager: what it updates is overwritten, what it"
            " creates in bulk joins no stack, and it really deletes.",
            hint="Write objects = StackManager.from_queryset(…)(), with a StackStoreQuerySet.",
            obj=Thing,
            id="handleref.W020",
        )
    ]


@isolate_apps("tests.stacks")
def test_w021_links_of_a_model_of_ones_own(check):
    class Club(models.Model):
        class Meta:
            app_label = LABEL

    class Person(AbstractStackModel):
        clubs = models.ManyToManyField(Club, through="Membership")
        groups = models.ManyToManyField(Club, through="Following", related_name="+")
        carried = models.ManyToManyField(Club, related_name="+")

        class Meta:
            app_label = LABEL

    class Membership(models.Model):
        person = models.ForeignKey(Person, models.CASCADE)
        club = models.ForeignKey(Club, models.CASCADE)

        class Meta:
            app_label = LABEL

    class Following(models.Model):
        person = LatestForeignKey(Person, models.CASCADE)
        club = models.ForeignKey(Club, models.CASCADE)

        class Meta:
            app_label = LABEL

    assert check(Person) == [
        Warning(
            "The rows of stacks_tests.Membership are not carried to new versions.",
            hint="Let clubs have no through model, let the key of Membership be a"
            " LatestForeignKey, or silence this.",
            obj=Person._meta.get_field("clubs"),
            id="handleref.W021",
        )
    ]
