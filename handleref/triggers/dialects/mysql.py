"""Triggers as MariaDB has them: for rows, with conditions in their body."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import DatabaseError, NotSupportedError

from handleref.triggers.base import NEW, OLD, Refuse, Trigger
from handleref.triggers.dialects.base import Dialect
from handleref.triggers.dialects.values import CONTEXT, Features, Installed, read_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.db.backends.base.base import BaseDatabaseWrapper


TOLD: Final = {CONTEXT: "@handleref_context"}

# The server's number for: the binary log is on, and you have no SUPER.
NO_SUPER: Final = 1419
# What a grant says of whoever may create triggers all the same.
SUPER: Final = re.compile(r"GRANT (?:ALL PRIVILEGES|.*\bSUPER\b).* ON \*\.\*")
MAY_SEE: Final = """
SELECT EXISTS (SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER')
  OR EXISTS (SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES
    WHERE PRIVILEGE_TYPE = 'TRIGGER' AND DATABASE() LIKE TABLE_SCHEMA)
  OR EXISTS (SELECT 1 FROM information_schema.TABLE_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER')"""
# The number by which Django knows a constraint that fails.
CONSTRAINT_FAILED: Final = 4025

# The mark is no comment, which the server's own client would strip, and no statement, which
# would run for each row. Neither are conditions joined: all of one is prepared for each row.
CREATE: Final = """\
CREATE OR REPLACE TRIGGER {name} {timing} {operation} ON {table} FOR EACH ROW
`{mark}`: BEGIN
  {body}
END"""
UNLESS_SUSPENDED: Final = """\
IF @handleref_suspended IS NOT NULL THEN
    {checks}
  END IF;
  {action}"""

TEXTS: Final = """
SELECT COLUMN_NAME FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s AND COLLATION_NAME IS NOT NULL"""


class MariaDB(Dialect):
    """How MariaDB speaks of triggers."""

    title = "MariaDB"
    awaiting = " LOCK IN SHARE MODE"
    features: ClassVar[Features] = Features(
        statement_level=False,
        truncates=True,
        truncate=False,
        cascades=False,
        replace=True,
        survives_rebuild=True,
        transaction_ids=False,
        excludes=False,
        memory="session",
    )

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        # Columns of the table at hand that hold texts.
        self._texts: set[str] = set()

    def text(self, value: str) -> str:
        return super().text(value.replace("\\", "\\\\"))

    def _look_at(self, table: str) -> None:
        """Learn which columns of a table hold texts."""
        with self.connection.cursor() as cursor:
            cursor.execute(TEXTS, [table])
            self._texts = {name for (name,) in cursor.fetchall()}

    def distinct(self, column: str, *, as_text: bool, strict: bool) -> str:
        old, new = self.column(OLD, column), self.column(NEW, column)
        if strict:
            return f"NOT ({old} <=> {new})"
        if column in self._texts:
            # A collation may call different ones equal.
            return f"NOT (BINARY {old} <=> BINARY {new})"
        # A number's text may be cut short.
        return f"NOT ({old} <=> {new} AND BINARY {old} <=> BINARY {new})"

    def now(self) -> str:
        zone = self.connection.timezone_name
        if zone == "UTC":
            return "UTC_TIMESTAMP(6)"
        # Without the server's tables of time zones there is no conversion; a check says so.
        local = f"CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', {self.text(zone)})"
        return f"COALESCE({local}, UTC_TIMESTAMP(6))"

    def lacks_time_zones(self) -> bool:
        zone = self.connection.timezone_name
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', %s) IS NULL", [zone])
            return zone != "UTC" and bool(cursor.fetchone()[0])

    def told(self, key: str) -> str:
        return TOLD[key]

    def _is_suspended(self, key: str) -> str:
        # Binary: a collation calls labels equal that differ by their case.
        return f"LOCATE(BINARY {self.text(f'|{key}|')}, @handleref_suspended)"

    def render(self, trigger: Trigger, mark: str) -> str:
        self._look_at(trigger.table)
        return CREATE.format(
            name=self.name(trigger.name),
            timing=trigger.timing.upper(),
            operation=trigger.operation.upper(),
            table=self.name(trigger.table),
            mark=mark,
            body="" if mark.endswith(":off") else self._body(trigger, mark),
        )

    def _body(self, trigger: Trigger, mark: str) -> str:
        """Return what a trigger does, once nothing suspends it."""
        if isinstance(trigger.body, Refuse):
            action = (
                f"SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = {CONSTRAINT_FAILED},"
                f" MESSAGE_TEXT = {self.text(trigger.body.message)}"
            )
        else:
            action = self.insertion(trigger)
        action = self.under_condition(trigger, action)
        # Everything first, which is suspended most often.
        checks = [
            f"IF {self._is_suspended(key)} THEN LEAVE `{mark}`; END IF;"
            for key in sorted(trigger.keys)
        ]
        if not checks:
            return action
        return UNLESS_SUSPENDED.format(checks="\n    ".join(checks), action=action)

    def script(self, statements: Iterable[str]) -> Iterator[str]:
        # Else the client would end a trigger at its first semicolon.
        yield "DELIMITER //"
        for sql in statements:
            yield f"{sql} //"
        yield "DELIMITER ;"

    def create(self, trigger: Trigger, *, enabled: bool = True) -> list[str]:
        if not self.connection.mysql_is_mariadb:  # type: ignore[attr-defined]
            raise NotSupportedError("Triggers of handleref need MariaDB: MySQL is not supported.")
        return super().create(trigger, enabled=enabled)

    def drop(self, name: str, table: str) -> list[str]:
        return [f"DROP TRIGGER IF EXISTS {self.name(name)}"]

    def installed(self) -> list[Installed]:
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT"
                " FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
                " AND ACTION_STATEMENT LIKE '%%handleref:%%' ORDER BY TRIGGER_NAME",
                (),
            )
            rows = cursor.fetchall()
        marked = [(name, table, read_mark(body), body) for name, table, body in rows]
        return [Installed(name, table, *mark, text) for name, table, mark, text in marked if mark]

    def switch(self, trigger: Trigger, *, enabled: bool) -> list[str]:
        return self.create(trigger, enabled=enabled)

    def tell(self, told: Mapping[str, str | None]) -> list[tuple[str, tuple[Any, ...]]]:
        return [("SET " + ", ".join(f"@handleref_{key} = %s" for key in told), (*told.values(),))]

    def sees_triggers(self) -> bool:
        with self.connection.cursor() as cursor:
            cursor.execute(MAY_SEE, ())
            return bool(cursor.fetchone()[0])

    def lacks_rights(self) -> bool:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT @@log_bin AND NOT @@log_bin_trust_function_creators")
            if not cursor.fetchone()[0]:
                return False
            cursor.execute("SHOW GRANTS")
            grants = [grant for (grant,) in cursor.fetchall()]
        return not any(map(SUPER.match, grants))

    def is_refused(self, error: DatabaseError) -> bool:
        return bool(error.args) and error.args[0] == NO_SUPER


DIALECT = MariaDB
