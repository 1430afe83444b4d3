"""A trigger as a value: it carries names, not models, so that a migration can hold it."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from handleref.triggers.expressions import Bound

OLD: Final = "old"
NEW: Final = "new"

# Django's own limit for the name of an index, below that of every database.
LONGEST_NAME: Final = 30


class Operation(Flag):
    """What a statement does to a row; several are joined with ``|``."""

    INSERT = auto()
    UPDATE = auto()
    DELETE = auto()
    TRUNCATE = auto()

    @property
    def word(self) -> str:
        """The operation as a word of SQL, in lower case."""
        return str(self.name).lower()


Insert = Operation.INSERT
Update = Operation.UPDATE
Delete = Operation.DELETE


class Level(Flag):
    """How often a trigger runs: for each row, or once for each statement."""

    ROW = auto()
    STATEMENT = auto()


Row = Level.ROW
Statement = Level.STATEMENT

WORDS: Final = {
    "timing": ("before", "after"),
    "operation": ("insert", "update", "delete", "truncate"),
    "level": ("row", "statement"),
}


class Value:
    """A frozen dataclass that migrations can write down and read again."""

    def deconstruct(self) -> tuple[str, tuple[()], dict[str, Any]]:
        """Return the path of the class and the arguments that are not the default."""
        given: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.default is MISSING or value != field.default:
                given[field.name] = value
        return f"handleref.triggers.{type(self).__name__}", (), given


@dataclass(frozen=True)
class Join(Value):
    """Another table that has a part of the row: the parent of a model, or its child.

    :ivar table: the other table.
    :ivar column: its column.
    :ivar to: the table whose column it equals: the trigger's own, or one joined before.
    :ivar to_column: that column.
    """

    table: str
    column: str
    to: str
    to_column: str


@dataclass(frozen=True)
class Copy(Value):
    """The body of a trigger that copies the row into an event table.

    :ivar into: the event table.
    :ivar row: which side of the row is copied, ``"old"`` or ``"new"``.
    :ivar label: what the event is called.
    :ivar columns: ``(event column, column)`` of the trigger's own table, or
        ``(event column, column, table)`` of one that is joined.
    :ivar joins: the other tables.
    :ivar context: whether the event table refers to a context.
    :ivar operation: what the event says was done, by default the trigger's operation.
    """

    into: str
    row: str
    label: str
    columns: tuple[tuple[str, ...], ...]
    joins: tuple[Join, ...] = ()
    context: bool = True
    operation: str = ""


@dataclass(frozen=True)
class Refuse(Value):
    """The body of a trigger that refuses the statement.

    :ivar message: what the error says.
    """

    message: str


@dataclass(frozen=True)
class Trigger(Value):
    """A trigger, as a value that can be compared, printed, hashed and put into a migration.

    :ivar name: what the database calls it, at most 30 characters.
    :ivar table: the table that it watches.
    :ivar operation: ``"insert"``, ``"update"``, ``"delete"`` or ``"truncate"``.
    :ivar body: what it does, a :class:`Copy` or a :class:`Refuse`.
    :ivar timing: ``"after"`` or ``"before"``.
    :ivar level: ``"row"`` or ``"statement"``; where a database has no triggers for
        statements, it is one for rows, and writes the same.
    :ivar condition: what must hold of the row, or None.
    :ivar keys: the names by which it can be suspended.
    :raises ValueError: for a word that is none of these, or a name too long.
    """

    name: str
    table: str
    operation: str
    body: Copy | Refuse
    timing: str = "after"
    level: str = "row"
    condition: Bound | None = None
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for attribute, words in WORDS.items():
            value = getattr(self, attribute)
            if value not in words:
                raise ValueError(f"{attribute} of a trigger is one of {words}, not {value!r}.")
        if not 0 < len(self.name) <= LONGEST_NAME:
            raise ValueError(
                f"A trigger's name has 1 to {LONGEST_NAME} characters: {self.name!r} does not."
            )

    @property
    def into(self) -> str:
        """The table that it writes, or that of its own where it only refuses."""
        return self.body.into if isinstance(self.body, Copy) else self.table

    @property
    def columns(self) -> dict[str, set[str]]:
        """The columns that it reads and writes, by table."""
        found: dict[str, set[str]] = {self.table: set()}
        if self.condition is not None:
            found[self.table] |= self.condition.columns()
        if isinstance(self.body, Copy):
            found.setdefault(self.body.into, set()).update(c[0] for c in self.body.columns)
            for _, column, *table in self.body.columns:
                found.setdefault(table[0] if table else self.table, set()).add(column)
            for join in self.body.joins:
                found.setdefault(join.table, set()).add(join.column)
                found.setdefault(join.to, set()).add(join.to_column)
        return found

    def __str__(self) -> str:
        return f"{self.name} on {self.table}"
