"""Fields of every kind are copied, in their own types, to tables that are made for it."""

# ruff: noqa: S608 - names and types are those of the tests

from contextlib import ExitStack
from datetime import date
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.models import F, Value
from django.db.models.functions import Concat, Now

import tests.events.models
from handleref.events import registry
from handleref.events.registry import event_models
from handleref.events.tracking import AnyChange, InsertEvent, UpdateEvent, track
from handleref.triggers.dialects import dialect_of
from handleref.triggers.indexes import TriggerIndex
from handleref.triggers.installation import run, status


def model(name, *, bases=(models.Model,), options=None, **fields):
    """Return a new model of the tests' app."""
    meta = type("Meta", (), {"app_label": "events_tests", **(options or {})})
    return type(name, bases, {"__module__": "tests.events.models", "Meta": meta, **fields})


@pytest.fixture
def tables(django_db_setup, django_db_blocker):
    """Make tables of models and of their events, with triggers; they go with the test."""
    with django_db_blocker.unblock(), ExitStack() as stack:

        def make(*made):
            every = [each for one in made for each in (one, *event_models(one))]
            stack.callback(forget, every)
            with connection.schema_editor() as editor:
                for each in every:
                    editor.create_model(each)
            dialect = dialect_of(connection)
            for each in every:
                for index in each._meta.indexes:
                    if isinstance(index, TriggerIndex) and dialect.supports(index.trigger):
                        run(dialect, dialect.create(index.trigger))

        yield make


def forget(made):
    dialect = dialect_of(connection)
    for each in dialect.installed():
        if each.into in {one._meta.db_table for one in made}:
            run(dialect, dialect.drop(each.name, each.table))
    with connection.schema_editor() as editor:
        for each in reversed(made):
            editor.delete_model(each)


@pytest.fixture(autouse=True)
def _models_go_with_the_test():
    models, events = {*apps.all_models["events_tests"]}, {*registry._event_models}
    names = {*vars(tests.events.models)}
    yield
    for name in {*apps.all_models["events_tests"]} - models:
        apps.all_models["events_tests"].pop(name)
    for tracked in {*registry._event_models} - events:
        registry._event_models.pop(tracked)
    for name in {*vars(tests.events.models)} - names:
        delattr(tests.events.models, name)
    apps.clear_cache()


# Marked, so that the databases are made when only this file is run.
@pytest.mark.django_db(databases="__all__")
def test_the_table_is_set():
    assert connection.introspection.table_names()


class Secret:
    """A value that is only itself."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return isinstance(other, Secret) and self.text == other.text

    __hash__ = None


class SecretField(models.TextField):
    """Encrypted in the database, for what that is worth here."""

    def __init__(self, key, **options):
        self.key = key
        super().__init__(**options)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, [self.key, *args], kwargs

    def get_prep_value(self, value):
        return value and "".join(chr(ord(sign) ^ self.key) for sign in value.text)

    def from_db_value(self, value, expression, connection):
        return value and Secret("".join(chr(ord(sign) ^ self.key) for sign in value))


class UniqueField(models.CharField):
    """Is unique unless told otherwise."""

    def __init__(self, **options):
        super().__init__(**{"unique": True, "max_length": 9, **options})

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("unique", None)
        return name, path, args, kwargs


def last(tracked):
    return event_models(tracked)[0].objects.order_by("hr_id").last()


def test_a_type_of_ones_own_comes_back_as_it_was(tables):
    note = track()(model("SecretNote", body=SecretField(7), code=UniqueField()))
    tables(note)

    one = note.objects.create(body=Secret("wörd"), code="a")
    note.objects.update(code="b")

    assert [e.body for e in one.events.all()] == [Secret("wörd")] * 2
    assert event_models(note)[0]._meta.get_field("body").key == 7


def test_a_field_that_is_unique_by_itself_is_not_so_among_events(tables):
    note = track()(model("UniqueNote", code=UniqueField(), number=models.IntegerField(default=0)))
    tables(note)

    one = note.objects.create(code="a")
    note.objects.update(number=1)

    assert [(e.code, e.number) for e in one.events.order_by("hr_id")] == [("a", 0), ("a", 1)]


def test_defaults_of_the_database_are_copied(tables):
    note = track()(
        model(
            "DefaultNote",
            text=models.CharField(max_length=9, db_default="none"),
            at=models.DateTimeField(db_default=Now()),
        )
    )
    tables(note)

    one = note.objects.create()
    one.refresh_from_db()

    assert (last(note).text, last(note).at) == ("none", one.at)


def test_computed_columns_are_copied_stored_or_not(tables):
    computed = {
        "stored": models.GeneratedField(
            expression=F("number") * 2, output_field=models.IntegerField(), db_persist=True
        )
    }
    if connection.features.supports_virtual_generated_columns:
        computed["virtual"] = models.GeneratedField(
            expression=F("number") * 3, output_field=models.IntegerField(), db_persist=False
        )
    note = track()(model("ComputedNote", number=models.IntegerField(), **computed))
    tables(note)

    one = note.objects.create(number=2)
    note.objects.update(number=5)

    found = [[getattr(e, name) for name in computed] for e in one.events.order_by("hr_id")]
    assert found == [[4, 6][: len(computed)], [10, 15][: len(computed)]]


def test_what_a_condition_names_need_not_be_copied(tables):
    tracker = UpdateEvent(condition=AnyChange("hidden"))
    note = track(InsertEvent(), tracker, exclude=["hidden"])(
        model("HiddenNote", shown=models.IntegerField(default=0), hidden=models.TextField())
    )
    tables(note)
    one = note.objects.create(hidden="a")

    note.objects.update(shown=1)
    note.objects.update(hidden="b")

    assert [e.shown for e in one.events.order_by("hr_id")] == [0, 1]
    assert not hasattr(last(note), "hidden")


def test_a_column_without_a_copy_of_its_own_source(tables):
    note = track(exclude=["text"])(
        model(
            "PartlyNote",
            text=models.CharField(max_length=9),
            loud=models.GeneratedField(
                expression=Concat(F("text"), Value("!")),
                output_field=models.CharField(max_length=10),
                db_persist=True,
            ),
        )
    )
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL's concat() is not immutable, so it computes no column.")
    tables(note)

    note.objects.create(text="a")

    assert last(note).loud == "a!"


def test_all_the_types_of_numbers_times_and_bytes(tables):
    fields = {
        "small": (models.SmallIntegerField(), -3),
        "big": (models.BigIntegerField(), 2**62),
        "real": (models.FloatField(), 0.1 + 0.2),
        "exact": (models.DecimalField(max_digits=30, decimal_places=10), Decimal("1e-10")),
        "flag": (models.BooleanField(null=True), None),
        "day": (models.DateField(), date(1999, 12, 31)),
        "blob": (models.BinaryField(), b"\x00\xff'%"),
        "ip": (models.GenericIPAddressField(), "::1"),
        "span": (models.DurationField(null=True), None),
        "slug": (models.SlugField(), "a-b"),
    }
    note = track()(model("TypesNote", **{name: field for name, (field, _) in fields.items()}))
    tables(note)

    note.objects.create(**{name: value for name, (_, value) in fields.items()})
    note.objects.update(small=4)

    for name, (_, value) in fields.items():
        found = getattr(last(note), name)
        assert (bytes(found) if name == "blob" else found) == (4 if name == "small" else value)


def test_arrays_ranges_and_json_of_postgresql(tables):
    if connection.vendor != "postgresql":
        pytest.skip("Nobody else has them.")
    from django.contrib.postgres.fields import ArrayField, IntegerRangeField

    class OldJson(models.JSONField):
        def db_type(self, connection):
            return "json"

        def from_db_value(self, value, expression, connection):
            return value

    note = track()(
        model(
            "ArrayNote",
            numbers=ArrayField(models.IntegerField()),
            span=IntegerRangeField(),
            old=OldJson(),
        )
    )
    tables(note)

    one = note.objects.create(numbers=[1, 2], span=(1, 5), old={"a": 1})
    note.objects.update(numbers=[3])
    note.objects.update(numbers=[3])
    note.objects.update(old={"a": 2})

    found = [(e.numbers, e.span.upper, e.old) for e in one.events.order_by("hr_id")]
    assert found == [
        ([1, 2], 5, {"a": 1}),
        ([3], 5, {"a": 1}),
        ([3], 5, {"a": 2}),
    ]


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("json", '{"a": 1}', '{"a": 2}'),
        ("jsonb", '{"a": 1}', '{"a": 1.0}'),
        ("point", "(1,2)", "(2,1)"),
        ("box", "(1,1),(0,0)", "(6,6),(5,5)"),
        ("circle", "<(0,0),1>", "<(5,5),1>"),
        ("json[]", '{"{\\"a\\": 1}"}', '{"{\\"a\\": 2}"}'),
    ],
)
def test_types_whose_equality_is_none_or_loose_are_compared_by_their_text(
    tables, kind, before, after
):
    if connection.vendor != "postgresql":
        pytest.skip("Nobody else has them.")

    class Kind(models.TextField):
        # Elsewhere, and when migrations are made elsewhere, it is a text.
        def db_type(self, connection):
            return kind

        def from_db_value(self, value, expression, connection):
            return str(value)

    note = track()(model("KindNote", value=Kind()))
    tables(note)

    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {note._meta.db_table} (value) VALUES (%s::{kind})", [before])
        for value in (before, after):
            cursor.execute(f"UPDATE {note._meta.db_table} SET value = %s::{kind}", [value])

    labels = event_models(note)[0].objects.order_by("hr_id").values_list("hr_label", flat=True)
    assert [*labels] == ["insert", "update"]


def test_a_table_that_django_does_not_manage_is_tracked_all_the_same(tables):
    note = track()(model("ForeignNote", options={"managed": False}, text=models.TextField()))
    shadow = model("ShadowNote", options={"db_table": note._meta.db_table}, text=models.TextField())
    tables(shadow, *event_models(note))

    one = note.objects.create(text="a")

    assert [e.text for e in one.events.all()] == ["a"]


def test_a_proxy_is_tracked_in_its_table(tables):
    note = model("PlainNote", text=models.TextField())
    proxy = track()(model("ProxyNote", bases=(note,), options={"proxy": True}))
    tables(note)

    one = note.objects.create(text="a")

    assert [(e.text, e.hr_obj) for e in one.events.all()] == [("a", one)]
    assert event_models(proxy) == event_models(note)


def test_two_parents_make_one_timeline(tables):
    left = model("LeftNote", key_l=models.BigAutoField(primary_key=True), a=models.IntegerField())
    right = model("RightNote", key_r=models.BigAutoField(primary_key=True), b=models.IntegerField())
    both = track()(model("BothNote", bases=(left, right), c=models.IntegerField()))
    tables(left, right, both)
    right.objects.create(b=9)

    one = both.objects.create(a=1, b=2, c=3)
    right.objects.update(b=5)
    left.objects.update(a=4)

    assert [(e.a, e.b, e.c) for e in one.events.order_by("hr_id")] == [
        (1, 2, 3),
        (1, 5, 3),
        (4, 5, 3),
    ]


@pytest.fixture
def far(django_db_setup, django_db_blocker):
    """A schema that is on nobody's search path."""
    if connection.vendor != "postgresql":
        pytest.skip("Schemas are PostgreSQL's.")
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA far")
        yield "far"
        cursor.execute("DROP SCHEMA far CASCADE")


def test_a_table_in_another_schema_is_watched(far, tables):
    note = track()(model("FarNote", options={"db_table": '"far"."note"'}, a=models.IntegerField()))
    tables(note)

    note.objects.create(a=1)

    assert last(note).a == 1
    assert '"far"."note"' in {each.table for each in dialect_of(connection).installed()}


def test_a_function_whose_table_is_gone_is_an_orphan(tables):
    if connection.vendor != "postgresql":
        pytest.skip("Elsewhere triggers have no functions.")
    note = track()(model("GoneNote", a=models.IntegerField()))
    tables(note)

    with connection.schema_editor() as editor:
        editor.delete_model(note)
        orphans = [row for row in status() if row.state == "orphaned"]
        editor.create_model(note)

    assert [(row.name[:9], row.table) for row in orphans] == [
        ("hr_delete", ""),
        ("hr_insert", ""),
        ("hr_update", ""),
    ]
