"""Triggers as SQLite has them: for rows, gone when Django rebuilds their table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.conf import settings

from handleref.triggers.base import NEW, OLD, Refuse, Trigger
from handleref.triggers.dialects.base import Dialect
from handleref.triggers.dialects.values import Features, Installed, Loss, read_mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# SQLite has no variables of a session: this table only ever has rows while a statement of
# their own connection runs, and commits none.
SESSION: Final = "handleref_session"
CREATE_SESSION: Final = (
    f"CREATE TABLE IF NOT EXISTS {SESSION} (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"
)

CREATE: Final = """\
CREATE TRIGGER {name} {timing} {operation} ON {table} FOR EACH ROW WHEN {condition}
BEGIN
  /* {mark} */
  {body};
END"""

# Functions that Django gives its own connections: any other client would fail on them.
PRIVATE: Final = re.compile(r"\bdjango_\w+|\bREGEXP\b", re.IGNORECASE)


class SQLite(Dialect):
    """How SQLite speaks of triggers."""

    title = "SQLite"
    features: ClassVar[Features] = Features(
        statement_level=False,
        truncates=False,
        truncate=False,
        cascades=True,
        replace=False,
        survives_rebuild=False,
        transaction_ids=False,
        excludes=False,
        memory="statement",
    )

    def check_expression(self, sql: str) -> None:
        if found := PRIVATE.search(sql):
            raise ValueError(
                f"A condition uses {found[0]}, which SQLite has in Django's connections only:"
                " any other program that writes the table would fail. Use another lookup."
            )

    def distinct(self, column: str, *, as_text: bool, strict: bool) -> str:
        return f"{self.column(OLD, column)} IS NOT {self.column(NEW, column)} COLLATE BINARY"

    def now(self) -> str:
        zone = "" if self.connection.timezone_name == "UTC" else ", 'localtime'"
        # As Django writes it: six digits of a fraction, or none at all.
        now = f"strftime('%Y-%m-%d %H:%M:%f', 'now'{zone})"
        return f"replace({now} || '000', '.000000', '')"

    def lacks_time_zones(self) -> bool:
        return self.connection.timezone_name not in {"UTC", settings.TIME_ZONE}

    def told(self, key: str) -> str:
        return f"(SELECT value FROM {SESSION} WHERE key = {self.text(key)})"

    def not_suspended(self, keys: Sequence[str]) -> str:
        found = " OR ".join(f"instr(value, {self.text(f'|{key}|')})" for key in keys)
        return f"NOT EXISTS (SELECT 1 FROM {SESSION} WHERE key = 'suspended' AND ({found}))"

    def prepare(self, trigger: Trigger) -> list[str]:
        return [CREATE_SESSION, *self.drop(trigger.name, trigger.table)]

    def render(self, trigger: Trigger, mark: str) -> str:
        if isinstance(trigger.body, Refuse):
            body = f"SELECT RAISE(ABORT, {self.text(trigger.body.message)})"
        else:
            body = self.insertion(trigger)
        conditions = [self.not_suspended(trigger.keys), self.condition(trigger)]
        if mark.endswith(":off"):
            conditions = ["0"]
        return CREATE.format(
            name=self.name(trigger.name),
            timing=trigger.timing.upper(),
            operation=trigger.operation.upper(),
            table=self.name(trigger.table),
            condition=" AND ".join(filter(None, conditions)),
            mark=mark,
            body=body,
        )

    def drop(self, name: str, table: str) -> list[str]:
        return [f"DROP TRIGGER IF EXISTS {self.name(name)}"]

    def installed(self) -> list[Installed]:
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, tbl_name, sql FROM sqlite_master"
                " WHERE type = 'trigger' AND sql LIKE '%%handleref:%%' ORDER BY name",
                (),
            )
            rows = cursor.fetchall()
        marked = [(name, table, read_mark(sql), sql) for name, table, sql in rows]
        return [Installed(name, table, *mark, text) for name, table, mark, text in marked if mark]

    def switch(self, trigger: Trigger, *, enabled: bool) -> list[str]:
        return self.create(trigger, enabled=enabled)

    def hides_replaced_rows(self) -> bool:
        with self.connection.cursor() as cursor:
            return not cursor.execute("PRAGMA recursive_triggers").fetchone()[0]

    def tell(self, told: Mapping[str, str | None]) -> list[tuple[str, tuple[Any, ...]]]:
        gone = [key for key, value in told.items() if value is None]
        said = [part for key, value in told.items() if value is not None for part in (key, value)]
        statements: list[tuple[str, tuple[Any, ...]]] = []
        if gone:
            marks = ", ".join(["%s"] * len(gone))
            statements.append((f"DELETE FROM {SESSION} WHERE key IN ({marks})", tuple(gone)))
        if said:
            rows = ", ".join(["(%s, %s)"] * (len(said) // 2))
            statements += [
                (CREATE_SESSION, ()),
                (f"INSERT OR REPLACE INTO {SESSION} (key, value) VALUES {rows}", tuple(said)),
            ]
        return statements

    def lost_in_migration(self, sql: str) -> Loss | None:
        # Triggers are rewritten to what is renamed.
        loss = super().lost_in_migration(sql)
        return None if loss is None or loss.renamed else loss

    def freed_in_migration(self, loss: Loss) -> list[str]:
        # Django 5.2 drops the keys of a deleted event model before its table, and leaves their
        # indexes, at which SQLite refuses.
        if not loss.column or "hr_operation" not in self.columns_of(loss.table):
            return []
        with self.connection.cursor() as cursor:
            found = self.connection.introspection.get_constraints(cursor, loss.table)
        return [
            f"DROP INDEX IF EXISTS {self.name(name)}"
            for name, each in found.items()
            if each["index"] and not each["unique"] and loss.column in (each["columns"] or ())
        ]


DIALECT = SQLite
