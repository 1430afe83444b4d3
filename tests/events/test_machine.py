"""A machine writes whatever comes to its mind, and the events are what must have been recorded.

HANDLEREF_EXAMPLES=2000 makes it think longer, of something else each time, and has it
make what fails as short as can be.
"""

# ruff: noqa: S608 - the names of tables are the suite's own

import os
from copy import deepcopy
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from handleref.triggers.suspension import suspend
from tests.events.models import (
    Owner,
    Piece,
    PieceEvent,
    PieceTagsEvent,
    RowPiece,
    RowPieceEvent,
    RowPieceTagsEvent,
    Tag,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

EXAMPLES = int(os.environ.get("HANDLEREF_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 40,
    stateful_step_count=40,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    # It takes minutes to make a failing example small.
    phases=[Phase.generate, *[Phase.shrink][: bool(EXAMPLES)]],
    suppress_health_check=[*HealthCheck],
)

MODELS = [Piece, RowPiece]
EVENTS = {Piece: PieceEvent, RowPiece: RowPieceEvent}
TAG_EVENTS = {Piece: PieceTagsEvent, RowPiece: RowPieceTagsEvent}
TAG_KEYS = {Piece: "piece_id", RowPiece: "rowpiece_id"}
COLUMNS = ["id", "code", "note", "count", "price", "extra", "owner_id", "lender_id"]
EVENT_COLUMNS = ["hr_operation", "hr_label", "hr_obj_id"]

NOTES = [None, "", "x", "X", "x ", " x", "ä", "a", 'NEW."note" 100% %s \\ \' $$ ;', "\U0001f5dd\n"]
PRICES = [None, Decimal("0.00"), Decimal("1.10"), Decimal("-0.01"), Decimal("999999.99")]
EXTRAS = [{}, {"a": 1}, {"a": "1"}, {"a": None}, [], [1, "x "], "x", "X", 7, False]

codes = st.tuples(st.integers(0, 5), st.sampled_from(["c{}", "C{}", "c{} "]))
values = st.fixed_dictionaries(
    {},
    optional={
        "note": st.sampled_from(NOTES),
        "count": st.integers(-2, 2),
        "price": st.sampled_from(PRICES),
        "extra": st.sampled_from(EXTRAS),
    },
)
models = st.sampled_from(MODELS)
numbers = st.integers(0, 100)
several = st.sets(st.integers(0, 5), max_size=4)
targets = st.sampled_from(
    [
        (),
        ("events_tests",),
        (Piece,),
        (RowPiece,),
        ("events_tests.Piece:update",),
        ("events_tests.RowPiece:insert", "events_tests.Piece:delete"),
        ("events_tests.Piece:tags_add",),
        (RowPiece.tags.through,),
        ("events_tests.Leaf",),
    ]
)


class World:
    """What the tables hold, and what was recorded: batches of events whose order is nobody's."""

    def __init__(self):
        self.rows = {model: {} for model in MODELS}
        self.tags = {model: set() for model in MODELS}
        self.all_tags = []
        self.owners = []
        self.events = {model: [] for model in MODELS}
        self.tag_events = {model: [] for model in MODELS}


class Machine(RuleBasedStateMachine):
    """Writes to the database, and to a world of its own."""

    @initialize()
    def begin(self):
        self.world = World()
        self.worlds = []
        self.blocks = []
        self.suspensions = []
        for model in MODELS:
            model.tags.through.objects.all().delete()
            model.objects.all().delete()
            EVENTS[model].objects.all().delete()
            TAG_EVENTS[model].objects.all().delete()
        Owner.objects.all().delete()
        Tag.objects.all().delete()

    def teardown(self):
        while getattr(self, "suspensions", None):
            self.resume()
        while getattr(self, "blocks", None):
            self.roll_back()

    # What must be recorded ----------------------------------------------------------------------

    def is_hidden(self, names, label):
        told = {key for _, keys in self.suspensions for key in keys}
        return bool(
            told & {"*", "events_tests", *names, *(f"{name}:{label}" for name in names)},
        )

    def expect(self, model, operation, rows):
        if rows and not self.is_hidden([model._meta.label_lower], operation):
            self.world.events[model].append(
                [
                    (operation, operation, row["id"], *(row[name] for name in COLUMNS))
                    for row in rows
                ]
            )

    def expect_tags(self, model, operation, label, pairs):
        names = [model._meta.label_lower, model.tags.through._meta.label_lower]
        if pairs and not self.is_hidden(names, label):
            self.world.tag_events[model].append(
                [(operation, label, obj, obj, tag) for obj, tag in pairs]
            )

    def inserted(self, model, *rows):
        """Note new rows, whose keys the database chose."""
        found = dict(
            model.objects.filter(code__in=[row["code"] for row in rows]).values_list("code", "pk")
        )
        for row in rows:
            row["id"] = found[row["code"]]
            self.world.rows[model][row["id"]] = row
        self.expect(model, "insert", [dict(row) for row in rows])

    def changed(self, model, changes):
        """Note what a statement made of rows: new values by primary key."""
        events = []
        for pk, new in changes.items():
            row = self.world.rows[model].pop(pk)
            after = {**row, **new}
            self.world.rows[model][after["id"]] = after
            if not is_same(row, after):
                events.append(dict(after))
        self.expect(model, "update", events)

    def deleted(self, model, pks):
        rows = [self.world.rows[model][pk] for pk in pks]
        self.untagged(model, [pair for pair in self.world.tags[model] if pair[0] in {*pks}])
        self.expect(model, "delete", rows)
        for pk in pks:
            del self.world.rows[model][pk]

    def tagged(self, model, pairs):
        self.expect_tags(model, "insert", "tags_add", pairs)
        self.world.tags[model] |= {*pairs}

    def untagged(self, model, pairs):
        self.expect_tags(model, "delete", "tags_remove", pairs)
        self.world.tags[model] -= {*pairs}

    # Choices ------------------------------------------------------------------------------------

    def pk(self, model, number):
        pks = sorted(self.world.rows[model])
        return pks[number % len(pks)]

    def some(self, model, wanted):
        return [pk for place, pk in enumerate(sorted(self.world.rows[model])) if place in wanted]

    def owner(self, number):
        return ([None, *self.world.owners])[number % (len(self.world.owners) + 1)]

    def code(self, model, code):
        """Return a code, and the primary key of the row that has it.

        Databases do not agree which codes are the same: those that may be are.
        """
        number, form = code
        for pk, row in self.world.rows[model].items():
            if int(row["code"].strip()[1:]) == number:
                return row["code"], pk
        return form.format(number), None

    def row(self, model, code, given, owner=0, lender=0):
        defaults = {"id": None, "note": None, "count": 0, "price": None, "extra": {}}
        owners = {"owner_id": self.owner(owner), "lender_id": self.owner(lender)}
        return {**defaults, "code": self.code(model, code)[0], **owners, **given}

    def has_rows(self):
        return any(self.world.rows.values())

    # Rows appear --------------------------------------------------------------------------------

    @rule()
    def add_owner(self):
        self.world.owners.append(Owner.objects.create().pk)

    @rule()
    def add_tag(self):
        self.world.all_tags.append(Tag.objects.create().pk)

    @rule(model=models, code=codes, given=values, owner=numbers, lender=numbers)
    def create(self, model, code, given, owner, lender):
        if self.code(model, code)[1] is None:
            row = self.row(model, code, given, owner, lender)
            row["id"] = model.objects.create(**row).pk
            self.inserted(model, row)

    @rule(
        model=models,
        new=st.lists(st.tuples(codes, values), max_size=6, unique_by=lambda pair: pair[0][0]),
        how=st.sampled_from(["plain", "ignore", "update"]),
        fields=st.sampled_from([["note"], ["count", "extra"], ["price", "note"]]),
    )
    def bulk_create(self, model, new, how, fields):
        there = [(self.code(model, code)[1], self.row(model, code, given)) for code, given in new]
        fresh = [row for pk, row in there if pk is None]
        if how == "plain":
            there = [(None, row) for row in fresh]
        target = connection.features.supports_update_conflicts_with_target
        options = {
            "plain": {},
            "ignore": {"ignore_conflicts": True},
            "update": {
                "update_conflicts": True,
                "update_fields": fields,
                "unique_fields": ["code"] if target else None,
            },
        }

        model.objects.bulk_create([model(**row) for _, row in there], **options[how])

        changes = {
            pk: {name: row[name] for name in fields}
            for pk, row in there
            if pk is not None and how == "update"
        }
        self.at_once(model, changes, fresh)

    def at_once(self, model, changes, fresh):
        """Note what one statement changed and inserted: its events are one batch."""
        count = len(self.world.events[model])
        self.changed(model, changes)
        if fresh:
            self.inserted(model, *fresh)
        batches = self.world.events[model]
        batches[count:] = [[event for batch in batches[count:] for event in batch]]

    @rule(model=models, code=codes, given=values, owner=numbers)
    def raw_insert(self, model, code, given, owner):
        if self.code(model, code)[1] is None:
            row = self.row(model, code, given, owner)
            execute_with(
                model,
                "/* a comment */ INSERT INTO {table} ({columns}) VALUES ({marks})",
                {name: value for name, value in row.items() if name != "id"},
            )
            self.inserted(model, row)

    @rule(model=models, code=codes, given=values)
    def update_or_create(self, model, code, given):
        found, pk = self.code(model, code)

        model.objects.update_or_create(code=found, defaults=given)

        if pk is None:
            self.inserted(model, self.row(model, code, given))
        else:
            self.changed(model, {pk: given})

    @precondition(has_rows)
    @rule(model=models, number=numbers, atomic=st.booleans())
    def insert_in_vain(self, model, number, atomic):
        if not self.world.rows[model]:
            return
        taken = self.world.rows[model][self.pk(model, number)]["code"]
        with pytest.raises(IntegrityError):
            self.insert_twice(model, taken, atomic=self.blocks or atomic)

    def insert_twice(self, model, code, *, atomic):
        if not atomic:
            model.objects.bulk_create([model(code="free"), model(code=code)])
        with transaction.atomic():
            model.objects.create(code=code)

    # Rows change --------------------------------------------------------------------------------

    @precondition(has_rows)
    @rule(model=models, number=numbers, given=values, only=st.booleans(), owner=numbers)
    def save(self, model, number, given, only, owner):
        if self.world.rows[model]:
            pk = self.pk(model, number)
            given = {**given, "owner_id": self.owner(owner)}
            obj = model.objects.get(pk=pk)
            for name, value in given.items():
                setattr(obj, name, value)
            if only:
                obj.count = 77
                given.pop("count", None)
            obj.save(update_fields=[*given] if only else None)
            self.changed(model, {pk: given})

    @precondition(has_rows)
    @rule(model=models, number=numbers)
    def save_expression(self, model, number):
        if self.world.rows[model]:
            pk = self.pk(model, number)
            obj = model.objects.get(pk=pk)
            obj.count = F("count") + 1
            obj.save()
            self.changed(model, {pk: {"count": self.world.rows[model][pk]["count"] + 1}})

    @precondition(has_rows)
    @rule(model=models, number=numbers, form=st.sampled_from(["c{}", "C{}", "c{} "]))
    def recode(self, model, number, form):
        """Change the unique text of a row by its case or its blanks only."""
        if self.world.rows[model]:
            pk = self.pk(model, number)
            code = form.format(self.world.rows[model][pk]["code"].strip()[1:])
            model.objects.filter(pk=pk).update(code=code)
            self.changed(model, {pk: {"code": code}})

    @precondition(has_rows)
    @rule(model=models, wanted=several, given=values)
    def update(self, model, wanted, given):
        pks = self.some(model, wanted)
        if given:
            model.objects.filter(pk__in=pks).update(**given)
            self.changed(model, dict.fromkeys(pks, given))

    @precondition(has_rows)
    @rule(model=models, wanted=several, by=st.integers(-1, 1))
    def update_expression(self, model, wanted, by):
        pks = self.some(model, wanted)
        model.objects.filter(pk__in=pks).update(count=F("count") + by)
        rows = self.world.rows[model]
        self.changed(model, {pk: {"count": rows[pk]["count"] + by} for pk in pks})

    @precondition(has_rows)
    @rule(model=models, given=st.dictionaries(st.integers(0, 5), values, max_size=4))
    def bulk_update(self, model, given):
        pks = self.some(model, given)
        objs = {obj.pk: obj for obj in model.objects.filter(pk__in=pks)}
        changes = {}
        for pk, new in zip(pks, given.values(), strict=False):
            changes[pk] = {"note": new.get("note"), "count": new.get("count", 0)}
            for name, value in changes[pk].items():
                setattr(objs[pk], name, value)
        model.objects.bulk_update([objs[pk] for pk in pks], ["note", "count"])
        self.changed(model, changes)

    @precondition(has_rows)
    @rule(model=models)
    def negate_keys(self, model):
        """Change the primary keys of all rows that nothing refers to, in one statement."""
        kept = {pk for pk, _ in self.world.tags[model]}
        pks = [pk for pk in self.world.rows[model] if pk not in kept]
        model.objects.filter(pk__in=pks).update(id=F("id") * -1)
        self.changed(model, {pk: {"id": -pk} for pk in pks})

    @precondition(has_rows)
    @rule(model=models, number=numbers, given=values)
    def raw_update(self, model, number, given):
        if self.world.rows[model] and given:
            pk = self.pk(model, number)
            execute_with(model, "UPDATE {table} SET {settings} WHERE id = %s", given, pk)
            self.changed(model, {pk: given})

    @precondition(has_rows)
    @rule(model=models)
    def raw_update_of_all(self, model):
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {model._meta.db_table} SET count = count % 2 + 1")
        rows = self.world.rows[model]
        half = {pk: {"count": remainder(row["count"]) + 1} for pk, row in rows.items()}
        self.changed(model, half)

    # Rows go ------------------------------------------------------------------------------------

    @precondition(has_rows)
    @rule(model=models, number=numbers)
    def delete(self, model, number):
        if self.world.rows[model]:
            pk = self.pk(model, number)
            model.objects.get(pk=pk).delete()
            self.deleted(model, [pk])

    @precondition(has_rows)
    @rule(model=models, wanted=several)
    def delete_many(self, model, wanted):
        pks = self.some(model, wanted)
        model.objects.filter(pk__in=pks).delete()
        self.deleted(model, pks)

    @precondition(has_rows)
    @rule(model=models, number=numbers)
    def raw_delete(self, model, number):
        if self.world.rows[model]:
            pk = self.pk(model, number)
            through = model.tags.through._meta.db_table
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {through} WHERE {TAG_KEYS[model]} = {pk}")
                cursor.execute(f"delete\nfrom {model._meta.db_table} WHERE id = {pk}")
            self.deleted(model, [pk])

    @precondition(lambda self: self.world.owners)
    @rule(number=numbers)
    def delete_owner(self, number):
        """Set keys to NULL, and let rows go with what they refer to."""
        owner = self.world.owners.pop(number % len(self.world.owners))
        Owner.objects.get(pk=owner).delete()
        for model in MODELS:
            rows = self.world.rows[model]
            owned = [pk for pk, row in rows.items() if row["owner_id"] == owner]
            lent = [pk for pk, row in rows.items() if row["lender_id"] == owner]
            if not connection.features.can_defer_constraint_checks:
                # There, Django unties rows from each other before it deletes any.
                self.changed(model, {pk: {"owner_id": None} for pk in owned})
            self.changed(model, {pk: {"lender_id": None} for pk in lent})
            self.deleted(model, owned)

    # Many meet many -----------------------------------------------------------------------------

    @precondition(has_rows)
    @rule(
        model=models,
        number=numbers,
        wanted=several,
        how=st.sampled_from(["add", "remove", "set", "clear"]),
    )
    def tag(self, model, number, wanted, how):
        if not self.world.rows[model]:
            return
        pk = self.pk(model, number)
        chosen = {tag for place, tag in enumerate(self.world.all_tags) if place in wanted}
        before = {tag for obj, tag in self.world.tags[model] if obj == pk}

        getattr(model.objects.get(pk=pk).tags, how)(
            *{"clear": [], "set": [chosen]}.get(how, [*chosen])
        )

        gone = {"remove": chosen & before, "set": before - chosen, "clear": before}
        added = {"add": chosen - before, "set": chosen - before}
        self.untagged(model, [(pk, tag) for tag in gone.get(how, ())])
        self.tagged(model, [(pk, tag) for tag in added.get(how, ())])

    @precondition(lambda self: self.world.all_tags)
    @rule(number=numbers)
    def delete_tag(self, number):
        tag = self.world.all_tags.pop(number % len(self.world.all_tags))
        Tag.objects.get(pk=tag).delete()
        for model in MODELS:
            self.untagged(model, [pair for pair in self.world.tags[model] if pair[1] == tag])

    # Blocks -------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.blocks) < 3)
    @rule()
    def open_block(self):
        self.blocks.append(transaction.atomic())
        self.blocks[-1].__enter__()
        self.worlds.append(deepcopy(self.world))

    @precondition(lambda self: self.blocks)
    @rule()
    def commit(self):
        self.blocks.pop().__exit__(None, None, None)
        self.worlds.pop()

    @precondition(lambda self: self.blocks)
    @rule()
    def roll_back(self):
        transaction.set_rollback(True)
        self.blocks.pop().__exit__(None, None, None)
        self.world = self.worlds.pop()

    @precondition(lambda self: len(self.suspensions) < 2)
    @rule(chosen=targets, record=st.booleans())
    def pause(self, chosen, record):
        block = suspend(*chosen, record=record, reason="the machine wants it")
        block.__enter__()
        self.suspensions.append((block, block.keys))

    @precondition(lambda self: self.suspensions)
    @rule()
    def resume(self):
        self.suspensions.pop()[0].__exit__(None, None, None)

    @precondition(has_rows)
    @rule(model=models)
    def update_unseen(self, model):
        with suspend(model, record=False):
            model.objects.update(count=F("count") + 1)
        for row in self.world.rows[model].values():
            row["count"] += 1

    @precondition(has_rows)
    @rule(model=models)
    def update_in_vain(self, model):
        with transaction.atomic():
            model.objects.update(count=F("count") + 1)
            transaction.set_rollback(True)

    # Then ---------------------------------------------------------------------------------------

    @invariant()
    def the_rows_are_as_they_should(self):
        for model in MODELS:
            rows = {row["id"]: row for row in model.objects.values(*COLUMNS)}
            assert rows == self.world.rows[model]

    @invariant()
    def the_events_are_what_happened(self):
        for model in MODELS:
            found = EVENTS[model].objects.order_by("hr_id")
            recorded = [*found.values_list(*EVENT_COLUMNS, *COLUMNS)]
            assert in_batches(recorded, self.world.events[model]) == ordered(
                self.world.events[model]
            )

    @invariant()
    def so_are_those_of_the_tags(self):
        for model in MODELS:
            found = TAG_EVENTS[model].objects.order_by("hr_id")
            recorded = [*found.values_list(*EVENT_COLUMNS, TAG_KEYS[model], "tag_id")]
            assert in_batches(recorded, self.world.tag_events[model]) == ordered(
                self.world.tag_events[model]
            )


def is_same(row, other):
    """Tell whether two rows are the same: False is not 0 and the text is not the number."""
    return all(type(row[name]) is type(other[name]) for name in COLUMNS) and row == other


def remainder(number):
    """Return what is left of a number halved, with its sign as SQL has it."""
    return abs(number) % 2 * (1 if number >= 0 else -1)


def ordered(batches):
    return [sorted(batch, key=identity) for batch in batches if batch]


def identity(event):
    return event[2:5]


def in_batches(events, batches):
    """Return events in batches as long as others; what is left over is the last."""
    found = []
    for batch in ordered(batches):
        found.append(sorted(events[: len(batch)], key=identity))
        events = events[len(batch) :]
    return [*found, events] if events else found


def execute_with(model, sql, values, *params):
    """Execute a statement with the values of fields, as their columns take them."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    stored = {
        fields[name].column: fields[name].get_db_prep_save(value, connection)
        for name, value in values.items()
    }
    text = sql.format(
        table=connection.ops.quote_name(model._meta.db_table),
        columns=", ".join(map(connection.ops.quote_name, stored)),
        marks=", ".join(["%s"] * len(stored)),
        settings=", ".join(f"{connection.ops.quote_name(name)} = %s" for name in stored),
    )
    with connection.cursor() as cursor:
        cursor.execute(text, [*stored.values(), *params])


def test_nothing_is_lost_nothing_is_invented_and_the_order_is_right():
    run_state_machine_as_test(Machine, settings=SETTINGS)
