"""What every database must say of triggers, and what all say alike."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote, unquote

from django.db import DatabaseError

from handleref.triggers.base import NEW, OLD, Copy, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# What our triggers carry in their text: a hash of it, the table that they write, and whether
# they were switched off.
MARK: Final = re.compile(r"handleref:([0-9a-f]+):([^:\s]*):(on|off)")

# What takes away a table or a column, as schema editors and most people write it.
LOSS: Final = tuple(
    re.compile(
        words.replace("{", "(?P<")
        .replace("}", r""">"[^"]+"(?:\."[^"]+")?|`[^`]+`|[\w.$]+)""")
        .replace(" ", r"\s+"),
        re.IGNORECASE,
    )
    for words in (
        r"(?:DROP|(?P<renamed>RENAME)) TABLE (?:IF EXISTS )?{table}",
        r"ALTER TABLE {table} (?P<renamed>RENAME) (?:TO|AS) ",
        r"ALTER TABLE {table} (?:DROP|(?P<renamed>RENAME)) COLUMN (?:IF EXISTS )?{column}",
        r"ALTER TABLE {table} (?P<renamed>CHANGE) (?:COLUMN )?{column}",
    )
)

# What triggers are told of the session.
SUSPENDED: Final = "suspended"
CONTEXT: Final = "context"


@dataclass(frozen=True)
class Features:
    """What a database can do.

    :ivar statement_level: triggers for statements, with all rows they touched.
    :ivar truncates: TRUNCATE empties a table.
    :ivar truncate: triggers for it.
    :ivar cascades: foreign keys that cascade in the database run the triggers.
    :ivar replace: REPLACE runs the trigger for the row that it deletes; None: there is none.
    :ivar switches: a trigger can be switched off without being replaced.
    :ivar survives_rebuild: schema changes leave triggers as they are.
    :ivar transaction_ids: transactions have numbers.
    :ivar memory: how long what a session was told lasts: ``"statement"``,
        ``"transaction"`` or ``"session"``.
    """

    statement_level: bool
    truncates: bool
    truncate: bool
    cascades: bool
    replace: bool | None
    switches: bool
    survives_rebuild: bool
    transaction_ids: bool
    memory: str


@dataclass(frozen=True)
class Installed:
    """A trigger of ours that a database has.

    :ivar name: what it is called.
    :ivar table: the table that it watches; empty for what a trigger left behind.
    :ivar fingerprint: the hash of the text that it was made of.
    :ivar into: the table that it writes.
    :ivar enabled: whether it runs.
    :ivar text: its body; on SQLite the whole statement.
    """

    name: str
    table: str
    fingerprint: str
    into: str
    enabled: bool
    text: str


@dataclass(frozen=True)
class Loss:
    """What a statement takes away.

    :ivar table: the table.
    :ivar column: its column, or empty for all of it.
    :ivar renamed: whether it is there afterwards, by another name.
    """

    table: str
    column: str
    renamed: bool


class Dialect(ABC):
    """How one database speaks of triggers."""

    features: ClassVar[Features]
    title: ClassVar[str]

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    # Words

    def name(self, identifier: str) -> str:
        """Return a name as the database quotes it."""
        quoted: str = self.connection.ops.quote_name(identifier)
        return quoted

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
    def distinct(self, column: str, *, as_text: bool) -> str:
        """Return whether a column changed, which is never NULL."""

    @abstractmethod
    def now(self) -> str:
        """Return the clock's time, in the form of a ``DateTimeField``."""

    @abstractmethod
    def told(self, key: str) -> str:
        """Return what the session was told under a key, or NULL."""

    @abstractmethod
    def not_suspended(self, keys: Sequence[str]) -> str:
        """Return whether none of the names is suspended in this session."""

    # Creating

    def fingerprint(self, trigger: Trigger) -> str:
        """Return the hash of the text that the trigger is made of."""
        return hashlib.sha256(self.render(trigger, "").encode()).hexdigest()[:16]

    def create(self, trigger: Trigger, *, enabled: bool = True) -> list[str]:
        """Return the statements that create the trigger or bring it up to date."""
        return [*self.prepare(trigger), self.render(trigger, self.mark(trigger, enabled=enabled))]

    def mark(self, trigger: Trigger, *, enabled: bool = True) -> str:
        """Return what the trigger carries in its text."""
        state = "on" if enabled else "off"
        return f"handleref:{self.fingerprint(trigger)}:{quote(trigger.into, safe='')}:{state}"

    def prepare(self, trigger: Trigger) -> list[str]:
        """Return what has to be run before the trigger is created."""
        return []

    @abstractmethod
    def render(self, trigger: Trigger, mark: str) -> str:
        """Return the one statement, or script, that creates the trigger with a mark in it."""

    def script(self, statements: Iterable[str]) -> Iterator[str]:
        """Yield statements as the database's own client reads them."""
        for sql in statements:
            yield f"{sql};"

    @abstractmethod
    def drop(self, name: str, table: str) -> list[str]:
        """Return the statements that remove a trigger, if it is there."""

    @abstractmethod
    def installed(self) -> list[Installed]:
        """Return the triggers of ours that the database has."""

    @abstractmethod
    def switch(self, trigger: Trigger, *, enabled: bool) -> list[str]:
        """Return the statements that switch a trigger that is there on or off."""

    @abstractmethod
    def tell(self, told: Mapping[str, str | None]) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the statements, with their parameters, that tell the session something.

        :param told: values by key; None takes back what was told.
        """

    def is_new_transaction(self) -> bool:
        """Tell whether the next statement begins a transaction."""
        return False

    def supports(self, trigger: Trigger) -> bool:
        """Tell whether the database has triggers of this kind."""
        return trigger.operation != "truncate" or self.features.truncate

    def is_refused(self, error: DatabaseError) -> bool:
        """Tell whether the server refused a trigger for want of a right."""
        return False

    def lacks_rights(self) -> bool:
        """Tell whether the server would refuse a trigger for want of a right."""
        return False

    def hides_replaced_rows(self) -> bool:
        """Tell whether this connection's REPLACE deletes rows without running triggers."""
        return False

    # In migrations

    def create_in_migration(self, trigger: Trigger, editor: BaseDatabaseSchemaEditor) -> str:
        """Create the trigger, unless its tables are missing, or return what ``sqlmigrate`` shows.

        Here and now: SQL that Django puts off until the end of a migration records none of
        its writes, leaves half of it where changes of the schema are not taken back, and is
        run with its percent signs read when a table is rebuilt.
        """
        if not self.supports(trigger):
            return ""
        *first, last = self.create(trigger)
        if editor.collect_sql:
            for sql in first:
                editor.execute(sql, params=None)
            return last
        if self.has_columns(trigger) and not self._has(trigger):
            self._try(editor, [*first, last])
        return ""

    def _has(self, trigger: Trigger) -> bool:
        """Tell whether a trigger is there as it should be, perhaps switched off."""
        wanted = trigger.name, trigger.table, self.fingerprint(trigger)
        return any((e.name, e.table, e.fingerprint) == wanted for e in self.installed())

    def _try(self, editor: BaseDatabaseSchemaEditor, statements: Iterable[str]) -> None:
        try:
            for sql in statements:
                editor.execute(sql, params=None)
        except DatabaseError as error:
            if not self.is_refused(error):
                raise

    def drop_in_migration(self, trigger: Trigger, editor: BaseDatabaseSchemaEditor) -> str:
        """Remove the trigger wherever it is, or return what ``sqlmigrate`` shows."""
        if editor.collect_sql:
            *first, last = self.drop(trigger.name, trigger.table)
            for sql in first:
                editor.execute(sql, params=None)
            return last
        for each in self.installed():
            # Its table may have got another name.
            if each.name == trigger.name:
                for sql in self.drop(each.name, each.table):
                    editor.execute(sql, params=None)
        return ""

    def lost_in_migration(self, sql: str) -> Loss | None:
        """Return what a statement takes away, or None."""
        for pattern in LOSS:
            if found := pattern.match(sql.lstrip()):
                groups = {"column": "", "renamed": None, **found.groupdict()}
                table, column = (groups[name].strip('"`') for name in ("table", "column"))
                return Loss(table, column, renamed=bool(groups["renamed"]))
        return None

    def names(self, installed: Installed, loss: Loss) -> bool:
        """Tell whether a trigger that is there names what a statement takes away."""
        in_body = self.name(loss.table) in installed.text
        if loss.renamed and not loss.column:
            # A table takes its own triggers along to its new name.
            return in_body
        column = not loss.column or self.name(loss.column) in installed.text
        return column and (in_body or installed.table == loss.table)

    def tables(self) -> set[str]:
        """Return the names of the tables that there are."""
        with self.connection.cursor() as cursor:
            return {*self.connection.introspection.table_names(cursor)}

    def has_columns(self, trigger: Trigger) -> bool:
        """Tell whether the database has every column that a trigger reads and writes."""
        if not trigger.columns.keys() <= self.tables():
            return False
        return all(columns <= self.columns_of(table) for table, columns in trigger.columns.items())

    def columns_of(self, table: str) -> set[str]:
        """Return the names of a table's columns."""
        with self.connection.cursor() as cursor:
            found = self.connection.introspection.get_table_description(cursor, table)
        return {column.name for column in found}

    # Bodies

    def condition(self, trigger: Trigger) -> str:
        """Return what must hold of the row, or an empty text."""
        return "" if trigger.condition is None else trigger.condition.sql(self)

    def insertion(self, trigger: Trigger, source: str = "") -> str:
        """Return the statement that writes the events.

        :param source: where the rows come from, with aliases ``old`` and ``new``;
            by default it is the one row that the trigger sees.
        """
        body: Any = trigger.body
        values = self.values(trigger, body)
        columns = ", ".join(map(self.name, values))
        head = f"INSERT INTO {self.name(body.into)} ({columns})"
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
            f" INNER JOIN {self.name(join.table)} ON {self.name(join.table)}."
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


def read_mark(text: str) -> tuple[str, str, bool] | None:
    """Return the hash, the table and the state that a trigger carries, or None: not ours."""
    found = MARK.search(text)
    return (found[1], unquote(found[2]), found[3] == "on") if found else None
