"""Triggers as MariaDB has them: for rows, with conditions in their body."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import DatabaseError, NotSupportedError

from handleref.triggers.base import NEW, OLD, Refuse, Trigger
from handleref.triggers.dialects.base import Dialect
from handleref.triggers.dialects.values import CONTEXT, Features, Installed, read_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


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

# The mark is no comment: the server's own client would strip that.
CREATE: Final = """\
CREATE OR REPLACE TRIGGER {name} {timing} {operation} ON {table} FOR EACH ROW
BEGIN
  DO '{mark}';
  {body}
END"""


class MariaDB(Dialect):
    """How MariaDB speaks of triggers."""

    title = "MariaDB"
    features: ClassVar[Features] = Features(
        statement_level=False,
        truncates=True,
        truncate=False,
        cascades=False,
        replace=True,
        survives_rebuild=True,
        transaction_ids=False,
        memory="session",
    )

    def text(self, value: str) -> str:
        return super().text(value.replace("\\", "\\\\"))

    def distinct(self, column: str, *, as_text: bool, strict: bool) -> str:
        old, new = self.column(OLD, column), self.column(NEW, column)
        if strict:
            return f"NOT ({old} <=> {new})"
        # A collation may call different texts equal, and a number's text may be cut short.
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

    def not_suspended(self, keys: Sequence[str]) -> str:
        # Binary: a collation calls labels equal that differ by their case.
        names = [f"BINARY {self.text(f'|{key}|')}" for key in keys]
        found = " + ".join(f"LOCATE({name}, @handleref_suspended)" for name in names)
        return f"(@handleref_suspended IS NULL OR {found} = 0)"

    def render(self, trigger: Trigger, mark: str) -> str:
        if isinstance(trigger.body, Refuse):
            body = (
                f"SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = {CONSTRAINT_FAILED},"
                f" MESSAGE_TEXT = {self.text(trigger.body.message)}"
            )
        else:
            body = self.insertion(trigger)
        conditions = [self.not_suspended(trigger.keys), self.condition(trigger)]
        whole = f"IF {' AND '.join(filter(None, conditions))} THEN {body}; END IF;"
        return CREATE.format(
            name=self.name(trigger.name),
            timing=trigger.timing.upper(),
            operation=trigger.operation.upper(),
            table=self.name(trigger.table),
            mark=mark,
            body="" if mark.endswith(":off") else whole,
        )

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
