"""What every database must say of triggers, and what all say alike."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.db import DatabaseError

from handleref.triggers.base import Trigger
from handleref.triggers.dialects.bodies import Bodies
from handleref.triggers.dialects.values import LOSS, Installed, Loss

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class Dialect(Bodies):
    """How one database speaks of triggers."""

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
        if trigger.condition is not None and not trigger.condition.is_needed(self.features):
            return False
        return trigger.operation != "truncate" or self.features.truncate

    def is_refused(self, error: DatabaseError) -> bool:
        """Tell whether the server refused a trigger for want of a right."""
        return False

    def sees_triggers(self) -> bool:
        """Tell whether this user is told which triggers there are."""
        return True

    def lacks_rights(self) -> bool:
        """Tell whether the server would refuse a trigger for want of a right."""
        return False

    def lacks_time_zones(self) -> bool:
        """Tell whether the server cannot give its time in the zone of this connection."""
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
                groups = found.groupdict()
                table, column = (str(groups.get(n) or "").strip('"`') for n in ("table", "column"))
                return Loss(table, column, renamed=bool(groups.get("renamed")))
        return None

    def freed_in_migration(self, loss: Loss) -> list[str]:
        """Return what else has to be run before a statement that takes something away."""
        return []

    def changed_in_migration(self, sql: str) -> list[str]:
        """Return what has to be run for triggers after a statement."""
        return []

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
