"""Declaring what is recorded, and what is refused."""

import pytest
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q

from handleref.events.base import Event
from handleref.events.registry import event_models
from handleref.events.tracking import (
    AnyChange,
    Delete,
    DeleteEvent,
    Insert,
    InsertEvent,
    ManualEvent,
    New,
    ObjForeignKey,
    Old,
    RowEvent,
    Snapshot,
    Tracker,
    Update,
    create_event_model,
    track,
)
from tests.events.models import (
    Bistro,
    Book,
    BookEvent,
    BookTagsEvent,
    Leaf,
    LeafEvent,
    Pair,
    PairEvent,
    Place,
    Restaurant,
    Tag,
    Twice,
    TwiceEvent,
    TwicePriceEvent,
)


def columns(model):
    return {field.name: type(field).__name__ for field in model._meta.local_concrete_fields}


def test_the_event_model_mirrors_the_fields_as_columns():
    found = columns(BookEvent)

    assert found == {
        "hr_id": "BigAutoField",
        "hr_created_at": "DateTimeField",
        "hr_operation": "CharField",
        "hr_label": "CharField",
        "hr_txid": "BigIntegerField",
        "hr_obj": "ForeignKey",
        "hr_context": "ContextField",
        "id": "BigIntegerField",
        "title": "CharField",
        "pages": "IntegerField",
        "price": "DecimalField",
        "extra": "JSONField",
        "cover": "FileField",
        "shelf": "ForeignKey",
        "sequel_to": "ForeignKey",
        "editor": "ForeignKey",
        "loud": "CharField",
        "created": "DateTimeField",
        "changed": "DateTimeField",
    }


def test_a_mirrored_field_gives_out_nothing_of_its_own():
    field = BookEvent._meta.get_field

    assert (field("title").unique, field("title").max_length) == (False, 50)
    assert (field("pages").column, field("pages").db_index) == ("Page Count", False)
    assert (field("created").auto_now_add, field("changed").auto_now) == (False, False)
    assert field("editor").related_model is get_user_model()
    assert field("sequel_to").related_model is Book
    assert not any(f.remote_field.related_name != "+" for f in [field("shelf"), field("editor")])
    assert not any(f.db_constraint for f in [field("shelf"), field("hr_obj"), field("hr_context")])


def test_events_are_found_by_their_object_in_order():
    book = [each.fields for each in BookEvent._meta.indexes if each.fields]
    pair = [each.fields for each in PairEvent._meta.indexes if each.fields]

    assert book == [["hr_created_at"], ["hr_obj", "hr_id"], ["hr_context", "hr_obj"]]
    assert pair[1:] == [["left", "right", "hr_id"], ["hr_context", "left", "right"]]


def test_names_are_those_of_the_model():
    assert (BookEvent.__name__, BookEvent.__module__) == ("BookEvent", "tests.events.models")
    assert (BookEvent._meta.app_label, BookTagsEvent._meta.app_label) == ("events_tests",) * 2
    assert BookEvent.__doc__ == "An event of events_tests.Book."
    assert issubclass(BookEvent, Event)


def test_a_child_has_an_accessor_of_its_own():
    assert Place.events.rel.related_name == "events"
    assert Restaurant.restaurant_events.rel.related_name == "restaurant_events"
    assert Bistro.bistro_events.rel.related_name == "bistro_events"


def test_event_models_are_listed_by_their_model():
    assert event_models(Twice) == [TwiceEvent, TwicePriceEvent]
    assert event_models(Leaf) == [LeafEvent]
    assert event_models(Tag) == []


def test_no_two_triggers_have_one_name():
    from handleref.triggers.installation import declared

    names = [trigger.name for trigger in declared("default")]

    assert len(names) == len({*names})
    assert all(len(name) <= 30 for name in names)


def test_labels_that_look_alike_have_triggers_of_their_own():
    first = RowEvent("a.b", operation=Insert, row=New)
    second = RowEvent("a_b", operation=Insert, row=New)
    third = RowEvent("A.B", operation=Insert, row=New)

    names = {index.name for each in (first, second, third) for index in each.indexes(LeafEvent)}

    assert len(names) == 3


def test_a_tracker_can_be_shared():
    shared = InsertEvent("new")

    class One(models.Model):
        a = models.IntegerField()

        class Meta:
            app_label = "events_tests"
            managed = False

    class Other(models.Model):
        b = models.IntegerField()

        class Meta:
            app_label = "events_tests"
            managed = False

    found = [
        create_event_model(
            model, shared, model_name=f"{model.__name__}Shared", meta={"managed": False}
        )
        for model in (One, Other)
    ]

    columns = [model._meta.indexes[-1].trigger.body.columns for model in found]
    assert columns == [
        (("hr_obj_id", "id"), ("id", "id"), ("a", "a")),
        (("hr_obj_id", "id"), ("id", "id"), ("b", "b")),
    ]


def test_an_event_model_can_be_written_by_hand():
    base = create_event_model(
        Tag, InsertEvent(), fields=["name"], abstract=True, obj_field=ObjForeignKey("logged")
    )

    class TagLog(base):
        note = models.TextField(null=True)

        class Meta:
            app_label = "events_tests"
            managed = False

        def shout(self):
            return self.name.upper()

    assert {*columns(TagLog)} >= {"hr_obj", "name", "note"}
    assert [index.name[:9] for index in TagLog._meta.indexes if not index.fields] == ["hr_insert"]
    assert TagLog(name="x").shout() == "X"
    assert event_models(Tag).pop() is TagLog
    from handleref.events import registry

    registry._event_models.pop(Tag)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            lambda: create_event_model(Tag, fields=["nmae"]),
            "events_tests.Tag has no field 'nmae': it has id, name.",
        ),
        (
            lambda: create_event_model(Tag, exclude=["nmae"]),
            "events_tests.Tag has no field 'nmae': it has id, name.",
        ),
        (
            lambda: create_event_model(Tag, app_label="nowhere"),
            "There is no app 'nowhere' for the events of events_tests.Tag.",
        ),
        (
            lambda: create_event_model(Leaf),
            (
                "events_tests.Leaf answers to .events already: give the second event model"
                " obj_field=ObjForeignKey(related_name=…)."
            ),
        ),
        (
            lambda: create_event_model(Leaf, obj_field=ObjForeignKey("others")),
            "tests.events.models has a LeafEvent already: give another model_name.",
        ),
        (
            lambda: track(m2m=["name"], model_name="TagNameLog")(Tag),
            "events_tests.Tag.name is no many-to-many field.",
        ),
        (
            Tracker,
            "Tracker needs a label of 1 to 50 characters, without a bar: '' is none.",
        ),
        (
            lambda: ManualEvent("a|b"),
            "ManualEvent needs a label of 1 to 50 characters, without a bar: 'a|b' is none.",
        ),
        (
            lambda: RowEvent("x"),
            "RowEvent('x') needs an operation: Insert, Update, Delete, or several.",
        ),
        (
            lambda: RowEvent("x", operation=Insert),
            "RowEvent('x') needs a row, Old or New, not ''.",
        ),
        (
            lambda: InsertEvent(condition=AnyChange("name")),
            (
                "InsertEvent('insert'): its condition AnyChange('name') asks for the old row, which"
                " insert does not have."
            ),
        ),
        (
            lambda: DeleteEvent(condition=Q(new__name="x")),
            (
                "DeleteEvent('delete'): its condition Q(new__name='x') asks for the new row, which"
                " delete does not have."
            ),
        ),
        (
            lambda: create_event_model(Tag, InsertEvent(), InsertEvent(), model_name="TagTwice"),
            (
                "Two trackers of events_tests.Tag record insert as 'insert': give one of them"
                " another label."
            ),
        ),
        (
            lambda: RowEvent("x", operation=Insert | Update, row=Old),
            "RowEvent('x'): insert has no old row.",
        ),
        (
            lambda: RowEvent("x", operation=Update | Delete, row=New),
            "RowEvent('x'): delete has no new row.",
        ),
    ],
)
def test_what_cannot_be_is_refused(declare, message):
    with pytest.raises(ValueError) as error:
        declare()

    assert str(error.value) == message


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: track(Tag), "Write @track() with parentheses."),
        (
            lambda: track(InsertEvent),
            (
                "<class 'handleref.events.trackers.InsertEvent'> is no tracker: take InsertEvent(),"
                " UpdateEvent(), …"
            ),
        ),
        (lambda: track(m2m="tags"), "m2m takes a list of names, not the text 'tags'."),
        (
            lambda: create_event_model(Tag, fields="name"),
            "fields takes a list of names, not the text 'name'.",
        ),
        (lambda: track(level="row"), "level is Row or Statement, not 'row'."),
        (
            lambda: InsertEvent(level="row"),
            "InsertEvent('insert'): level is Row or Statement, not 'row'.",
        ),
    ],
)
def test_slips_of_the_pen_are_named(declare, message):
    with pytest.raises(TypeError) as error:
        declare()

    assert str(error.value) == message


def test_a_snapshot_asks_only_updates_whether_something_changed():
    tracker = Snapshot(condition=AnyChange("int_field"))

    assert tracker.condition_for(Insert) is None
    assert repr(tracker.condition_for(Update)) == "AnyChange('int_field')"


def test_composite_keys_are_kept_though_nobody_asks():
    assert create_event_model(
        Pair, fields=["value"], model_name="PairValues", abstract=True
    ).hr_tracking.fields == ("left", "right", "value")


def test_a_snapshot_is_two_triggers():
    assert [index.name[:16] for index in Snapshot().indexes(LeafEvent)] == [
        "hr_snapshot_ins_",
        "hr_snapshot_upd_",
    ]
