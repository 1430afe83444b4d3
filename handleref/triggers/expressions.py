"""Conditions as triggers carry them: they name columns, and can be put into a migration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import chain, product
from typing import TYPE_CHECKING, Any, ClassVar, Final

from handleref.triggers.base import NEW, OLD, Value
from handleref.triggers.lookups import compile_lookup, references

if TYPE_CHECKING:
    from handleref.triggers.dialects.bodies import Bodies
    from handleref.triggers.dialects.values import Features
    from handleref.triggers.fields import Column

BOTH: Final = frozenset({OLD, NEW})


class Bound(Value, ABC):
    """A condition on the row that a trigger sees."""

    @abstractmethod
    def sql(self, dialect: Bodies) -> str:
        """Return it as SQL over ``OLD`` and ``NEW``."""

    def ways(self, dialect: Bodies) -> list[list[str]]:
        """Return the ways in which it can hold: parts of each, the cheapest question first."""
        return [[self.sql(dialect)]]

    @abstractmethod
    def columns(self) -> set[str]:
        """Return the names of the columns that it looks at, as far as it knows."""

    @abstractmethod
    def sides(self) -> frozenset[str]:
        """Return which sides of the row it looks at: ``"old"``, ``"new"``."""

    def is_needed(self, features: Features) -> bool:
        """Tell whether a database needs a trigger for this, or sees to it by a constraint."""
        return True


@dataclass(frozen=True)
class Changes(Bound):
    """Whether columns changed.

    :ivar of: the columns.
    :ivar every: whether it takes all of them, or any.
    :ivar unchanged: whether they must have stayed as they were instead.
    :ivar as_text: those of them that are compared by their text.
    :ivar strict: those of whose values no collation calls different ones equal.
    """

    of: tuple[str, ...]
    every: bool = False
    unchanged: bool = False
    as_text: tuple[str, ...] = ()
    strict: tuple[str, ...] = ()

    def sql(self, dialect: Bodies) -> str:
        tests = [
            dialect.distinct(column, as_text=column in self.as_text, strict=column in self.strict)
            for column in self.of
        ]
        # "Any stayed" is "not all changed": one NOT around the tests instead of one in each.
        joined = (" AND " if self.every is not self.unchanged else " OR ").join(tests)
        return f"(NOT ({joined}))" if self.unchanged else f"({joined})"

    def columns(self) -> set[str]:
        return {*self.of}

    def sides(self) -> frozenset[str]:
        return BOTH


@dataclass(frozen=True)
class Raw(Bound):
    """SQL as it was given."""

    text: str

    def sql(self, dialect: Bodies) -> str:
        return f"({self.text})"

    def columns(self) -> set[str]:
        return set()

    def sides(self) -> frozenset[str]:
        return BOTH


@dataclass(frozen=True)
class Compared(Bound):
    """A lookup of Django's, such as ``old__price__gt=F("new__price")``.

    :ivar name: the side, the field and the lookup.
    :ivar value: what it is compared with.
    :ivar fields: the fields that both name.
    """

    name: str
    value: Any
    fields: tuple[Column, ...]

    def __hash__(self) -> int:
        # The value may be a list.
        return hash((self.name, self.fields))

    def sql(self, dialect: Bodies) -> str:
        # Two-valued, as filter() and exclude() are: NULL is no match, and the opposite is one.
        return f"(({compile_lookup(self.name, self.value, self.fields, dialect)}) IS TRUE)"

    def columns(self) -> set[str]:
        return {field.column for field in self.fields}

    def sides(self) -> frozenset[str]:
        return frozenset(side for side, _ in references(self.name, self.value))


@dataclass(frozen=True)
class Every(Bound):
    """Several conditions, all of which must hold."""

    parts: tuple[Bound, ...]
    word: ClassVar[str] = " AND "

    def sql(self, dialect: Bodies) -> str:
        return f"({self.word.join(part.sql(dialect) for part in self.parts)})"

    def ways(self, dialect: Bodies) -> list[list[str]]:
        each = product(*(part.ways(dialect) for part in self.parts))
        return [[*chain.from_iterable(parts)] for parts in each]

    def columns(self) -> set[str]:
        return {column for part in self.parts for column in part.columns()}

    def sides(self) -> frozenset[str]:
        return frozenset(side for part in self.parts for side in part.sides())

    def is_needed(self, features: Features) -> bool:
        return all(part.is_needed(features) for part in self.parts)


@dataclass(frozen=True)
class Either(Every):
    """Several conditions, any of which must hold."""

    word: ClassVar[str] = " OR "

    def ways(self, dialect: Bodies) -> list[list[str]]:
        return [[self.sql(dialect)]]


@dataclass(frozen=True)
class Not(Bound):
    """The opposite of a condition; where that is unknown, so is this."""

    part: Bound

    def sql(self, dialect: Bodies) -> str:
        return f"(NOT {self.part.sql(dialect)})"

    def columns(self) -> set[str]:
        return self.part.columns()

    def sides(self) -> frozenset[str]:
        return self.part.sides()


@dataclass(frozen=True)
class Crosses(Bound):
    """Whether the row's period runs into that of the row before or after it in a sequence.

    Where the sequence is sound, it is enough to look at these two, which an index finds.

    :ivar table: the table.
    :ivar within: the column that rows of one sequence have in common.
    :ivar order: the column that numbers them, from 1; an index has both.
    :ivar start: the column where the period begins.
    :ivar end: that where it ends, NULL for never.
    """

    table: str
    within: str
    order: str
    start: str
    end: str

    def sql(self, dialect: Bodies) -> str:
        ways = (f"({' AND '.join(parts)})" for parts in self.ways(dialect))
        return f"({' OR '.join(ways)})"

    def ways(self, dialect: Bodies) -> list[list[str]]:
        names = map(dialect.name, (self.start, self.end))
        new = (dialect.column(NEW, column) for column in (self.start, self.end))
        (start, end), (new_start, new_end) = names, new
        before = self._nearest(dialect, "<", "DESC", f"{end} IS NULL OR {end} > {new_start}")
        after = self._nearest(dialect, ">", "ASC", f"{new_end} IS NULL OR {start} < {new_end}")
        # Nothing is before the first one: to look there, MariaDB locks the row of another sequence.
        return [[f"{dialect.column(NEW, self.order)} > 1", before], [after]]

    def _nearest(self, dialect: Bodies, compared: str, direction: str, condition: str) -> str:
        """Return whether the row next to it meets a condition, NULL if there is none."""
        within, order = map(dialect.name, (self.within, self.order))
        return (
            f"(SELECT {condition} FROM {dialect.table(self.table)}"
            f" WHERE {within} = {dialect.column(NEW, self.within)}"
            f" AND {order} {compared} {dialect.column(NEW, self.order)}"
            f" ORDER BY {order} {direction} LIMIT 1)"
        )

    def columns(self) -> set[str]:
        return {self.within, self.order, self.start, self.end}

    def sides(self) -> frozenset[str]:
        return frozenset({NEW})


@dataclass(frozen=True)
class Strays(Bound):
    """Whether an update does anything but let a row be the next in its sequence, and begin later.

    One that does not stray cannot run into another row, where the sequence was sound: its
    period got shorter, and its neighbours are the same. So :class:`Crosses` need not look.

    :ivar within, order, start, end: as for :class:`Crosses`.
    """

    within: str
    order: str
    start: str
    end: str

    def sql(self, dialect: Bodies) -> str:
        kept = (dialect.distinct(c, as_text=False, strict=True) for c in (self.within, self.end))
        (old_order, new_order), (old_start, new_start) = (
            (dialect.column(OLD, column), dialect.column(NEW, column))
            for column in (self.order, self.start)
        )
        moved = [f"{new_order} <> {old_order} + 1", f"{new_start} < {old_start}"]
        return f"({' OR '.join([*moved, *kept])})"

    def columns(self) -> set[str]:
        return {self.within, self.order, self.start, self.end}

    def sides(self) -> frozenset[str]:
        return BOTH


@dataclass(frozen=True)
class Overlaps(Bound):
    """Whether another row with the same values has a period that overlaps the row's own.

    :ivar table: the table.
    :ivar key: its primary key.
    :ivar same: the columns with the values, none of them NULL.
    :ivar start: the column where the period begins.
    :ivar end: that where it ends, NULL for never.
    :ivar among: the column that is NULL in the rows that count.
    """

    table: str
    key: str
    same: tuple[str, ...]
    start: str
    end: str
    among: str

    def sql(self, dialect: Bodies) -> str:
        def new(column: str) -> str:
            return dialect.column(NEW, column)

        def other(column: str) -> str:
            return f"hr_other.{dialect.name(column)}"

        start, end = new(self.start), new(self.end)
        conditions = [
            f"{other(self.key)} <> {new(self.key)}",
            *(f"{other(column)} = {new(column)}" for column in self.same),
            f"{other(self.among)} IS NULL",
            f"({other(self.end)} IS NULL OR {other(self.end)} > {start})",
            f"({end} IS NULL OR {other(self.start)} < {end})",
        ]
        rows = (
            f"SELECT 1 FROM {dialect.table(self.table)} hr_other WHERE {' AND '.join(conditions)}"
        )
        return f"({new(self.among)} IS NULL AND EXISTS ({rows}{dialect.awaiting}))"

    def columns(self) -> set[str]:
        return {self.key, *self.same, self.start, self.end, self.among}

    def sides(self) -> frozenset[str]:
        return frozenset({NEW})

    def is_needed(self, features: Features) -> bool:
        return not features.excludes
