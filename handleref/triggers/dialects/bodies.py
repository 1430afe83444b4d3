"""What triggers do, in the words of a database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.core.exceptions import FieldError

from handleref.triggers.base import NEW, OLD, Copy, Refuse, Trigger
from handleref.triggers.dialects.values import CONTEXT, Features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")


class Bodies(ABC):
    """How a database writes what triggers do."""

    features: ClassVar[Features]
    title: ClassVar[str]
    # What a query of a trigger ends with that must not miss what others are about to commit.
    awaiting: ClassVar[str] = ""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    # Words

    def name(self, identifier: str) -> str:
        """Return a name as the database quotes it."""
        quoted: str = self.connection.ops.quote_name(identifier)
        return quoted

    def table(self, name: str) -> str:
        """Return a table as statements of any session find it."""
        return self.name(name)

    def column(self, side: str, column: str) -> str:
        """Return a column of the row before or after."""
        return f"{side.upper()}.{self.name(column)}"

    def literal(self, value: Any) -> str:
        """Return a value as the database writes it."""
        editor = self.connection.SchemaEditorClass(self.connection, collect_sql=True)
        return str(editor.quote_value(value))

    def text(self, value: str) -> str:
        """Return a text as every database writes it."""
        return "'" + value.replace("'", "''") + "'"

    def check_expression(self, sql: str) -> None:  # noqa: B027 - most understand all
        """Refuse SQL that only Django's own connections understand.

        :raises ValueError: quoting it.
        """

    @abstractmethod
    def distinct(self, column: str, *, as_text: bool, strict: bool) -> str:
        """Return whether a column changed, which is never NULL.

        :param as_text: whether its text is to be compared.
        :param strict: whether the database calls only equal values equal.
        """

    @abstractmethod
    def now(self) -> str:
        """Return the clock's time, in the form of a ``DateTimeField``."""

    @abstractmethod
    def told(self, key: str) -> str:
        """Return what the session was told under a key, or NULL."""

    # Bodies

    def condition(self, trigger: Trigger) -> str:
        """Return what must hold of the row, or an empty text."""
        return "" if trigger.condition is None else self._said(trigger, trigger.condition.sql)

    def under_condition(self, trigger: Trigger, action: str) -> str:
        """Return an action of a trigger for rows, under what must hold of the row.

        One part is asked after another: whatever is in one is prepared for each row.
        """
        condition = trigger.condition
        if condition is None:
            return f"{action};"
        ways = self._said(trigger, condition.ways)
        if len(ways) > 1 and not isinstance(trigger.body, Refuse):
            # Nothing is done twice.
            ways = [[self.condition(trigger)]]
        return " ".join(_nested(way, action) for way in ways)

    def _said(self, trigger: Trigger, say: Callable[[Bodies], T]) -> T:
        try:
            return say(self)
        except (FieldError, TypeError, ValueError) as error:
            raise ValueError(f"The condition of {trigger}: {error}") from error

    def insertion(self, trigger: Trigger, source: str = "") -> str:
        """Return the statement that writes the events.

        :param source: where the rows come from, with aliases ``old`` and ``new``;
            by default it is the one row that the trigger sees.
        """
        body: Any = trigger.body
        values = self.values(trigger, body)
        columns = ", ".join(map(self.name, values))
        head = f"INSERT INTO {self.table(body.into)} ({columns})"
        selected = ", ".join(values.values())
        if not source and not body.joins:
            return f"{head} VALUES ({selected})"
        source = source or "(SELECT 1 AS hr_one) hr_row"
        return f"{head} SELECT {selected} FROM {source}{self.joins(trigger, body)}"

    def copying(self, trigger: Trigger, where: str) -> str:
        """Return a statement with parameters that copies rows as they are, without a trigger.

        :param where: which rows, called ``NEW``; its percent signs are placeholders.
        """
        sql = self.insertion(trigger, f"{self.name(trigger.table)} AS NEW").replace("%", "%%")
        return f"{sql} WHERE {where}"

    def values(self, trigger: Trigger, body: Copy) -> dict[str, str]:
        """Return what is written, by column."""
        values = {
            "hr_created_at": self.now(),
            "hr_operation": self.text(body.operation or trigger.operation),
            "hr_label": self.text(body.label),
        }
        if self.features.transaction_ids:
            values["hr_txid"] = self.told("transaction")
        if body.context:
            values["hr_context_id"] = self.told(CONTEXT)
        for into, column, *table in body.columns:
            values[into] = self._source(trigger, body, column, table)
        return values

    def joins(self, trigger: Trigger, body: Copy) -> str:
        """Return the clauses that join the other tables that have a part of the row."""
        return "".join(
            f" INNER JOIN {self.table(join.table)} ON {self.name(join.table)}."
            f"{self.name(join.column)} = " + self._source(trigger, body, join.to_column, [join.to])
            for join in body.joins
        )

    def _source(self, trigger: Trigger, body: Copy, column: str, table: Iterable[str]) -> str:
        for other in table:
            if other != trigger.table:
                return f"{self.name(other)}.{self.name(column)}"
        return self.column(body.row, column)

    def rows_of(self, trigger: Trigger) -> set[str]:
        """Return which sides of the row a trigger looks at."""
        sides = set() if trigger.condition is None else {*trigger.condition.sides()}
        if isinstance(trigger.body, Copy):
            sides.add(trigger.body.row)
        return sides & {"insert": {NEW}, "delete": {OLD}}.get(trigger.operation, {OLD, NEW})


def _nested(parts: Iterable[str], action: str) -> str:
    """Return an action under all of several conditions, the first one asked first."""
    inner = f"{action};"
    for part in reversed([*parts]):
        inner = f"IF {part} THEN {inner} END IF;"
    return inner
