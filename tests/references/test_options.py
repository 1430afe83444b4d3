"""class HandleRef: its defaults, its inheritance, what it passes through."""

from django.db import models
from django.test.utils import isolate_apps

from handleref.models import HandleRefModel
from handleref.references.options import HandleRefOptions


class Base(HandleRefModel):
    class HandleRef:
        tag = "base"
        delete_cascade = True
        colour = "green"

    class Meta:
        abstract = True
        app_label = "references_tests"


@isolate_apps("tests.references")
def test_defaults():
    class Thing(HandleRefModel):
        class Meta:
            app_label = "references_tests"

    assert (Thing._handleref.tag, Thing._handleref.delete_cascade) == ("thing", ())
    assert repr(Thing._handleref) == "HandleRefOptions(tag='thing')"


@isolate_apps("tests.references")
def test_an_abstract_base_hands_all_on():
    class Thing(Base):
        class HandleRef:
            colour = "red"

        class Meta:
            app_label = "references_tests"

    assert vars(Thing._handleref) == {"tag": "base", "delete_cascade": True, "colour": "red"}
    assert Thing.handleref.prop("colour") == "red"


@isolate_apps("tests.references")
def test_a_concrete_base_keeps_its_tag():
    class Thing(Base):
        class Meta:
            app_label = "references_tests"

    class Part(Thing):
        class Meta:
            app_label = "references_tests"

    class Other(Thing):
        class Meta:
            app_label = "references_tests"
            proxy = True

    assert (Part._handleref.tag, Other._handleref.tag) == ("part", "base")
    assert Part._handleref.colour == "green"


@isolate_apps("tests.references")
def test_an_inner_class_can_inherit():
    class Thing(HandleRefModel):
        name = models.CharField(max_length=5)

        class HandleRef(Base.HandleRef):
            tag = "thing2"

        class Meta:
            app_label = "references_tests"

    assert vars(Thing._handleref) == {"tag": "thing2", "delete_cascade": True, "colour": "green"}


def test_the_model_keeps_its_options():
    options = HandleRefOptions(tag="a")

    assert options.tag == "a"
    assert Base._handleref is Base._handleref
