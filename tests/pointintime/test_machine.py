"""A machine writes whatever comes to its mind, and what was known when must be what it remembers.

HANDLEREF_EXAMPLES=2000 makes it think longer, of something else each time, and has it
make what fails as short as can be.
"""

import os
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from django.db.models import F, ProtectedError
from django.utils.timezone import now
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

from handleref.exceptions import (
    PortionError,
    RevertInvalidError,
    RowPurgedError,
    RowReplacedError,
)
from handleref.pointintime.base import TICK, all_rows
from handleref.pointintime.history import Period
from handleref.versions import Reverter, history
from handleref.versions.as_of import as_of
from tests.pointintime.models import Article, Citation, Tag, Tariff

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLES = int(os.environ.get("HANDLEREF_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 20,
    stateful_step_count=40,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    # It takes minutes to make a failing example small.
    phases=[Phase.generate, *[Phase.shrink][: bool(EXAMPLES)]],
    suppress_health_check=[*HealthCheck],
)

MODELS = [Article, Tariff]
COLUMNS = {Article: ("header", "body"), Tariff: ("code", "price")}
STAMPS = ("row_id", "row_version", "created_at", "replaced_at")
PERIOD = ("start_at", "end_at")
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)

# What is reverted is validated before it is written.
REFUSALS = (DatabaseError, RevertInvalidError)

texts = st.sampled_from(["A", "a", "b", "ä 100% %s ' \\ \U0001f5dd"])
prices = st.sampled_from([Decimal("0.00"), Decimal("1.10"), Decimal("-2.00")])
days = st.integers(0, 8).map(lambda number: FIRST_DAY + timedelta(days=number))
ends = st.none() | days
values = {
    Article: st.fixed_dictionaries({"header": texts, "body": texts}),
    Tariff: st.fixed_dictionaries({"code": st.sampled_from("AB"), "price": prices}),
}
models = st.sampled_from(MODELS)
numbers = st.integers(0, 100)
several = st.sets(numbers, min_size=1, max_size=3)
periods = st.fixed_dictionaries({}, optional={"start_at": days, "end_at": ends})


class World:
    """What is known of each object, and was: its versions, as rows, by its key.

    :ivar chains: for each model, the rows of each object, oldest first.
    :ivar cited: which version of which article each citation is on.
    :ivar tagged: pairs of a tariff and a tag.
    """

    def __init__(self):
        self.chains = {model: {} for model in MODELS}
        self.cited = {}
        self.tagged = set()

    def current(self, model, *, deleted=False):
        """Return the keys of the objects that are there, or of all."""
        chains = self.chains[model].items()
        return [key for key, rows in chains if deleted or rows[-1]["replaced_at"] is None]

    def allows(self, model, changes):
        """Tell whether the database lets the objects be so."""
        chains = {**self.chains[model], **changes}
        rows = [rows[-1] for rows in chains.values() if rows]
        held = [row for row in rows if row["replaced_at"] is None]
        if any(row["end_at"] and row["end_at"] <= row["start_at"] for row in rows):
            return False
        pairs = [(one, other) for n, one in enumerate(held) for other in held[:n]]
        return model is not Tariff or not any(
            one["code"] == other["code"] and overlap(one, other) for one, other in pairs
        )


def overlap(one, other):
    return (one["end_at"] is None or other["start_at"] < one["end_at"]) and (
        other["end_at"] is None or one["start_at"] < other["end_at"]
    )


def holds(moment, start, end):
    return start <= moment and (end is None or moment < end)


def first(key, moment, given):
    """Return the rows of a new object."""
    row = {"row_id": key, "row_version": 1, "created_at": moment, "replaced_at": None}
    period = {"start_at": given.get("start_at") or moment, "end_at": given.get("end_at")}
    return [{**given, **row, **period}]


def following(rows, moment, new):
    """Return the rows of an object with one version more."""
    *old, last = rows
    stamps = {"row_version": last["row_version"] + 1, "created_at": moment}
    return [*old, {**last, "replaced_at": moment}, {**last, **new, **stamps}]


def ended(rows, moment):
    """Return the rows of an object that is deleted."""
    *old, last = rows
    return [*old, {**last, "replaced_at": moment}]


def back(rows, count, kept):
    """Return the first rows of an object that forgets the others.

    :param kept: names of the columns that stay what they are.
    """
    *old, target = rows[:count]
    stays = {name: rows[-1][name] for name in kept}
    return [*old, {**target, **stays, "replaced_at": None}]


def has_objects(machine):
    return any(machine.world.chains.values())


class Machine(RuleBasedStateMachine):
    """Writes to the database, and to a world of its own."""

    @initialize()
    def begin(self):
        self.world = World()
        self.worlds = []
        self.blocks = []
        self.held = []
        Citation.objects.all().delete()
        Tariff.tags.through.objects.all().delete()
        for model in MODELS:
            rows = all_rows(model)
            rows._raw_delete(rows.db)
        self.tags = [Tag.objects.create(name=name) for name in "xy"]
        for header in "ab":
            self.make(Article, {"header": header, "body": ""})
        self.make(Tariff, {"code": "A", "price": Decimal("1.00")})

    def teardown(self):
        while getattr(self, "blocks", None):
            self.roll_back()

    # Choices ------------------------------------------------------------------------------------

    def key(self, model, number, *, deleted=False):
        """Return the key of an object, or None if there is none."""
        keys = self.world.current(model, deleted=deleted)
        return keys[number % len(keys)] if keys else None

    def some(self, model, wanted, *, deleted=False):
        keys = self.world.current(model, deleted=deleted)
        return sorted({keys[number % len(keys)] for number in wanted}) if keys else []

    def moment(self, model, number):
        """Return a moment at which something began or ended, or one beside it."""
        rows = [row for chain in self.world.chains[model].values() for row in chain]
        found = {row[name] for row in rows for name in ("created_at", "replaced_at", *PERIOD)}
        found = sorted(found - {None}) or [FIRST_DAY]
        return found[number // 3 % len(found)] + (number % 3 - 1) * TICK

    # What is done, and what must come of it -----------------------------------------------------

    def write(self, model, plan, do):
        """Do it, and remember what came of it; or see that it is refused.

        :param plan: returns the rows of each object then, for the moment of the write and the
            keys of new objects.
        :param do: returns these.
        """
        before = now()
        if not self.world.allows(model, plan(before, [-1, -2, -3, -4])):
            with pytest.raises(REFUSALS), transaction.atomic():
                do()
            return False
        moment, keys = do()
        assert before <= moment <= now()
        self.world.chains[model].update(plan(moment, keys))
        return True

    def change(self, model, changes, do):
        """Let objects have their next version.

        :param changes: new values by key.
        """
        chains = self.world.chains[model]

        def plan(moment, _keys):
            return {key: following(chains[key], moment, new) for key, new in changes.items()}

        def done():
            do()
            stamps = model.records.filter(pk__in=[*changes]).values_list("created_at", flat=True)
            return max(stamps), []

        return self.write(model, plan, done)

    def forget(self, model, changes, do):
        """Let objects go back, to rows that are given, or go altogether.

        :returns: whether the machine let it pass.
        """
        gone = [key for key, rows in changes.items() if not rows]
        cited = {key for key, _version in self.world.cited.values()} if model is Article else {}
        if any(key in cited for key in gone):
            with pytest.raises(ProtectedError), transaction.atomic():
                do()
            return
        if not self.world.allows(model, changes):
            with pytest.raises(DatabaseError), transaction.atomic():
                do()
            return
        do()
        for key, rows in changes.items():
            self.world.chains[model][key] = rows
            if not rows:
                del self.world.chains[model][key]
                pairs = {pair for pair in self.world.tagged if pair[0] == key}
                self.world.tagged -= pairs if model is Tariff else set()
            elif model is Article:
                self.cited_versions_go_back(key, len(rows))

    def cited_versions_go_back(self, key, highest):
        for citation, (cited, version) in self.world.cited.items():
            if cited == key and version > highest:
                self.world.cited[citation] = (key, highest)

    # Objects come -------------------------------------------------------------------------------

    @rule(data=st.data(), model=models, period=periods)
    def create(self, data, model, period):
        self.make(model, {**data.draw(values[model]), **period})

    def make(self, model, given):
        def do():
            obj = model.objects.create(**given)
            return obj.created_at, [obj.pk]

        self.write(model, lambda moment, keys: {keys[0]: first(keys[0], moment, given)}, do)

    @rule(data=st.data(), model=models, count=st.integers(1, 3), period=periods)
    def bulk_create(self, data, model, count, period):
        given = [{**data.draw(values[model]), **period} for _ in range(count)]

        def do():
            objs = model.objects.bulk_create([model(**row) for row in given])
            return objs[0].created_at, [obj.pk for obj in objs]

        def plan(moment, keys):
            return {key: first(key, moment, row) for key, row in zip(keys, given, strict=False)}

        self.write(model, plan, do)

    # Objects change -----------------------------------------------------------------------------

    @precondition(has_objects)
    @rule(
        data=st.data(),
        model=models,
        number=numbers,
        period=periods,
        how=st.sampled_from(["full", "fields", "deferred"]),
    )
    def save(self, data, model, number, period, how):
        if (key := self.key(model, number)) is None:
            return
        name = COLUMNS[model][1]
        given = {**data.draw(values[model]), **period}
        if how == "deferred":
            given = {name: given[name]}

        def do():
            obj = (model.objects.only(name) if how == "deferred" else model.objects).get(pk=key)
            for attribute, value in given.items():
                setattr(obj, attribute, value)
            if how == "fields":
                # Not among the fields.
                obj.change_comment = "in vain"
            obj.save(update_fields=[*given] if how == "fields" else None)

        self.change(model, {key: given}, do)

    @precondition(has_objects)
    @rule(number=numbers)
    def save_expression(self, number):
        if (key := self.key(Tariff, number)) is None:
            return

        def do():
            obj = Tariff.objects.get(pk=key)
            obj.price = F("price") + 1
            obj.save()

        price = self.world.chains[Tariff][key][-1]["price"]
        self.change(Tariff, {key: {"price": price + 1}}, do)

    @precondition(has_objects)
    @rule(model=models, number=numbers)
    def hold(self, model, number):
        """Read an object, to save it when it may have become another, or none."""
        if (key := self.key(model, number)) is not None:
            self.held.append(model.objects.get(pk=key))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), number=numbers)
    def save_stale(self, data, number):
        obj = self.held[number % len(self.held)]
        model = type(obj)
        new = data.draw(values[model])
        for name, value in new.items():
            setattr(obj, name, value)
        rows = self.world.chains[model].get(obj.pk)
        if rows and rows[-1]["replaced_at"] is None:
            period = {name: getattr(obj, name) for name in PERIOD}
            self.change(model, {obj.pk: {**new, **period}}, obj.save)
        else:
            with pytest.raises(RowReplacedError if rows else RowPurgedError):
                obj.save()

    @precondition(has_objects)
    @rule(data=st.data(), model=models, wanted=several, end=st.just(...) | ends)
    def update(self, data, model, wanted, end):
        keys = self.some(model, wanted)
        new = data.draw(values[model])
        new = new if end is ... else {COLUMNS[model][1]: new[COLUMNS[model][1]], "end_at": end}
        if not keys:
            assert model.objects.filter(pk__in=keys).update(**new) == 0
            return

        def do():
            assert model.objects.filter(pk__in=keys).update(**new) == len(keys)

        self.change(model, dict.fromkeys(keys, new), do)

    @precondition(has_objects)
    @rule(model=models)
    def update_expression(self, model):
        """Reckon with old values, in all objects."""
        chains = self.world.chains[model]
        keys = self.world.current(model)
        if not keys:
            return
        new = {"body": F("header")} if model is Article else {"price": F("price") + 1}
        changes = {
            key: {"body": chains[key][-1]["header"]}
            if model is Article
            else {"price": chains[key][-1]["price"] + 1}
            for key in keys
        }

        def do():
            assert model.objects.update(**new) == len(keys)

        self.change(model, changes, do)

    @precondition(has_objects)
    @rule(data=st.data(), model=models, wanted=several)
    def bulk_update(self, data, model, wanted):
        keys = self.some(model, wanted)
        if not keys:
            return
        name = COLUMNS[model][1]
        changes = {key: {name: data.draw(values[model])[name]} for key in keys}
        objs = [*model.objects.filter(pk__in=keys)]
        for obj in objs:
            setattr(obj, name, changes[obj.pk][name])

        def do():
            assert model.objects.bulk_update(objs, [name]) == len(keys)

        self.change(model, changes, do)

    @precondition(has_objects)
    @rule(data=st.data(), model=models, number=numbers, start=ends, end=ends)
    def correct(self, data, model, number, start, end):
        if (key := self.key(model, number)) is None:
            return
        given = data.draw(values[model])
        chains = self.world.chains[model]
        last = chains[key][-1]
        begun = max(last["start_at"], start or last["start_at"])
        over = min([moment for moment in (last["end_at"], end) if moment], default=None)
        obj = model.objects.get(pk=key)
        if (over and begun >= over) or (start and end and start >= end):
            with pytest.raises(PortionError), transaction.atomic():
                obj.correct(start, end, **given)
            return
        before = [{"start_at": last["start_at"], "end_at": begun}][: last["start_at"] < begun]
        after = [{"start_at": over, "end_at": last["end_at"]}][: over != last["end_at"]]
        made = []

        def do():
            made.extend(obj.correct(start, end, **given))
            others = [part.pk for part in made if part.pk != key]
            assert made.index(obj) == len(before)
            return obj.created_at, others

        def plan(moment, keys):
            rest = {
                new: first(new, moment, {**last, **period})
                for new, period in zip(keys, [*before, *after], strict=False)
            }
            portion = {**given, "start_at": begun, "end_at": over}
            return {key: following(chains[key], moment, portion), **rest}

        if self.write(model, plan, do) and model is Tariff:
            tags = [tag for tariff, tag in self.world.tagged if tariff == key]
            self.world.tagged |= {(part.pk, tag) for part in made for tag in tags}

    @precondition(has_objects)
    @rule(model=models, number=numbers, version=numbers)
    def revert(self, model, number, version):
        """Make an older version the newest one, which forgets nothing."""
        if (key := self.key(model, number)) is None:
            return
        rows = self.world.chains[model][key]
        source = rows[version % len(rows)]
        names = (*COLUMNS[model], *PERIOD)
        if all(rows[-1][name] == source[name] for name in names):
            return

        def do():
            obj = model.objects.get(pk=key)
            Reverter().rollback(obj, f"{key}.{source['row_version']}")

        self.change(model, {key: {name: source[name] for name in names}}, do)

    # Objects go ---------------------------------------------------------------------------------

    @precondition(has_objects)
    @rule(model=models, wanted=several, at_once=st.booleans())
    def delete(self, model, wanted, at_once):
        keys = self.some(model, wanted)[: None if at_once else 1]
        if not keys:
            return
        chains = self.world.chains[model]

        def do():
            if at_once:
                label = model._meta.label
                found = model.objects.filter(pk__in=keys).delete()
                assert found == (len(keys), {label: len(keys)})
            else:
                model.objects.get(pk=keys[0]).delete()
            return model.records.get(pk=keys[0]).replaced_at, []

        self.write(
            model, lambda moment, _keys: {key: ended(chains[key], moment) for key in keys}, do
        )

    @precondition(has_objects)
    @rule(model=models, wanted=several, data=st.data(), by_row=st.booleans())
    def rollback_latest(self, model, wanted, data, by_row):
        keys = self.some_that_go_back(model, wanted)
        names, kept = self.fields(data, model)
        chains = self.world.chains[model]
        changes = {}
        for key in keys:
            rows = chains[key]
            if rows[-1]["replaced_at"] is not None:
                changes[key] = back(rows, len(rows), ())
            else:
                changes[key] = back(rows, len(rows) - 1, kept) if len(rows) > 1 else []

        def do():
            # Rows that were replaced stand for their objects too.
            rows = model.records.filter(**{"row_id__in" if by_row else "pk__in": keys})
            assert rows.rollback_latest(**names) == len(keys)

        self.forget(model, changes, do)

    @precondition(has_objects)
    @rule(model=models, wanted=several, data=st.data(), number=numbers)
    def rollback_to_at(self, model, wanted, data, number):
        keys = self.some_that_go_back(model, wanted)
        names, kept = self.fields(data, model)
        moment = self.moment(model, number)
        changes = {}
        for key in keys:
            rows = self.world.chains[model][key]
            count = sum(row["created_at"] <= moment for row in rows)
            replaced = rows[-1]["replaced_at"]
            if count < len(rows):
                changes[key] = back(rows, count, kept) if count else []
            elif replaced is not None and replaced > moment:
                changes[key] = back(rows, count, ())

        def do():
            found = model.records.filter(pk__in=keys).rollback_to_at(moment, **names)
            assert found == len(changes)

        self.forget(model, changes, do)

    def some_that_go_back(self, model, wanted):
        keys = self.some(model, wanted, deleted=True)
        # In which order the database writes rows, and refuses one, is its own affair.
        return keys[:1] if model is Tariff else keys

    def fields(self, data, model):
        """Return arguments of a rollback, and the columns that they spare."""
        columns = [*COLUMNS[model], *PERIOD]
        some = data.draw(st.sets(st.sampled_from(columns), min_size=1))
        how = data.draw(st.sampled_from(["all", "all", "fields", "exclude"]))
        if how == "all":
            return {}, []
        left_out = set(columns) - some if how == "fields" else some
        return {how: [*some]}, left_out

    @precondition(has_objects)
    @rule(model=models, wanted=several)
    def purge(self, model, wanted):
        keys = self.some(model, wanted, deleted=True)
        self.forget(
            model,
            {key: [] for key in keys},
            lambda: model.records.filter(row_id__in=keys).purge(reason="the machine wants it"),
        )

    # Others refer to them -----------------------------------------------------------------------

    @precondition(lambda self: self.world.chains[Article])
    @rule(number=numbers, version=numbers)
    def cite(self, number, version):
        """Freeze a key on any version, whatever has become of its object."""
        key = self.key(Article, number, deleted=True)
        rows = self.world.chains[Article][key]
        row = rows[version % len(rows)]["row_version"]
        article = Article.records.get(row_id=key, row_version=row)
        self.world.cited[Citation.objects.create(article=article).pk] = (key, row)

    @precondition(lambda self: self.world.cited)
    @rule(number=numbers)
    def uncite(self, number):
        citation = [*self.world.cited][number % len(self.world.cited)]
        Citation.objects.filter(pk=citation).delete()
        del self.world.cited[citation]

    @precondition(has_objects)
    @rule(number=numbers, which=st.integers(0, 1))
    def tag(self, number, which):
        if (key := self.key(Tariff, number)) is not None:
            Tariff.objects.get(pk=key).tags.add(self.tags[which])
            self.world.tagged.add((key, self.tags[which].pk))

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

    # What is asked ------------------------------------------------------------------------------

    def known(self, model, moment):
        chains = self.world.chains[model].values()
        rows = [row for chain in chains for row in chain]
        return [row for row in rows if holds(moment, row["created_at"], row["replaced_at"])]

    @precondition(has_objects)
    @rule(model=models, then=numbers, there=numbers)
    def ask_for_two_times(self, model, then, there):
        known_at, valid_at = self.moment(model, then), self.moment(model, there)
        known = self.known(model, known_at)
        true = [row for row in known if holds(valid_at, row["start_at"], row["end_at"])]

        found = model.records.version(known_at).active(valid_at)
        assert read(found) == told(model, true)
        assert read(model.records.version(known_at)) == told(model, known)
        with as_of(known_at):
            shown = model.objects.active(valid_at)
            assert read(shown) == told(model, true)
            assert {obj.pk for obj in shown} == {row["row_id"] for row in true}

    @precondition(has_objects)
    @rule(model=models, valid=numbers)
    def ask_for_what_is_true(self, model, valid):
        moment = self.moment(model, valid)
        rows = [self.world.chains[model][key][-1] for key in self.world.current(model)]
        true = [row for row in rows if holds(moment, row["start_at"], row["end_at"])]

        assert read(model.objects.active(moment)) == told(model, true)

    @precondition(has_objects)
    @rule(model=models, number=numbers)
    def ask_for_timelines(self, model, number):
        key = self.key(model, number, deleted=True)
        if key is None:
            return
        rows = self.world.chains[model][key]

        spans = model.records.get(pk=key).timeline()

        assert [(span.known, span.valid, span.row.row_version) for span in spans] == [
            (
                Period(row["created_at"], row["replaced_at"]),
                Period(row["start_at"], row["end_at"]),
                row["row_version"],
            )
            for row in rows
        ]
        versions = [*history(model.records.get(pk=key))]
        assert [version.id for version in reversed(versions)] == [
            f"{key}.{row['row_version']}" for row in rows
        ]

    # Then ---------------------------------------------------------------------------------------

    @invariant()
    def the_rows_are_as_they_should(self):
        for model in MODELS:
            chains = self.world.chains[model]
            rows = [row for chain in chains.values() for row in chain]
            assert read(model.records.all()) == told(model, rows)
            assert read(model.objects.all()) == told(
                model, [chains[key][-1] for key in self.world.current(model)]
            )
            last = model.records.filter(pk=F("row_id")).values_list("pk", "row_version")
            assert dict(last) == {key: len(rows) for key, rows in chains.items()}

    @invariant()
    def frozen_keys_are_where_they_should(self):
        found = Citation.objects.values_list("pk", "article__row_id", "article__row_version")
        assert {pk: version for pk, *version in found} == {
            pk: [*version] for pk, version in self.world.cited.items()
        }

    @invariant()
    def so_are_links(self):
        found = Tariff.tags.through.objects.values_list("tariff_id", "tag_id")
        assert sorted(found) == sorted(self.world.tagged)


def read(rows):
    """Return the rows of a queryset, in an order."""
    columns = (*STAMPS, *PERIOD, *COLUMNS[rows.model])
    return [dict(zip(columns, row, strict=True)) for row in in_order(rows.values_list(*columns))]


def told(model, rows):
    """Return rows of the world in the same order."""
    columns = (*STAMPS, *PERIOD, *COLUMNS[model])
    found = in_order(tuple(row[name] for name in columns) for row in rows)
    return [dict(zip(columns, row, strict=True)) for row in found]


def in_order(rows):
    return sorted(rows, key=lambda row: row[:2])


def test_what_was_known_when_is_what_was_written():
    run_state_machine_as_test(Machine, settings=SETTINGS)
