"""Triggers as PostgreSQL has them: a function each, for rows or for statements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from handleref.triggers.base import NEW, OLD, Copy, Refuse, Trigger
from handleref.triggers.dialects.base import Dialect
from handleref.triggers.dialects.values import (
    CONTEXT,
    SUSPENDED,
    Features,
    Installed,
    Loss,
    read_mark,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

TOLD: Final = {
    "transaction": "txid_current()",
    CONTEXT: "NULLIF(current_setting('handleref.context', true), '')::uuid",
}

# Planned once for a statement of many rows, the join would be compiled for each of one row:
# 10 ms instead of 0.2, hence no JIT.
STATEMENT_SETTINGS: Final = " SET jit = off"

QUOTE: Final = "$handleref$"
FUNCTION: Final = """\
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql{settings} AS {quote}
#variable_conflict use_column
BEGIN
  -- {mark}
  {body}
  RETURN {returned};
END
{quote};
CREATE OR REPLACE TRIGGER {name} {timing} {operation} ON {table}{tables}
FOR EACH {level}{guard} EXECUTE FUNCTION {function}()"""

INSTALLED: Final = """
SELECT p.proname,
  CASE WHEN pg_table_is_visible(c.oid) THEN c.relname
    WHEN c.oid IS NOT NULL THEN format('"%s"."%s"', n.nspname, c.relname) END,
  p.prosrc, t.tgenabled
FROM pg_catalog.pg_proc p
LEFT JOIN (pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid)
  ON t.tgfoid = p.oid AND NOT t.tgisinternal AND t.tgparentid = 0
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.pronamespace = (
    SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema()
  ) AND p.prosrc LIKE '%-- handleref:%'
  AND p.prorettype = 'trigger'::regtype
ORDER BY p.proname, c.relname"""

# Those of other schemas go by the name that Django's users write them with.
TABLES: Final = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname
  ELSE format('"%s"."%s"', n.nspname, c.relname) END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""

SCHEMA: Final = """
SELECT COALESCE((
  SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
    ON n.oid = c.relnamespace
  WHERE c.oid = to_regclass(%s)
), current_schema())"""

# Geometry is compared by its size, numbers in JSON by their value, the rest not at all.
LOOSE_TYPES: Final = frozenset(
    {"json", "jsonb", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle"}
    | {"citext", "txid_snapshot", "pg_snapshot"}
)
SPECIAL: Final = """
SELECT a.attname,
  t.typname = ANY(%s::text[]) OR EXISTS (
    SELECT 1 FROM pg_catalog.pg_type e
    WHERE e.oid IN (t.typelem, t.typbasetype) AND e.typname = ANY(%s::text[])
  ),
  CASE a.attgenerated WHEN 'v' THEN pg_get_expr(d.adbin, d.adrelid) END
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped"""

COLUMNS: Final = """
SELECT attname FROM pg_catalog.pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"""

NEW_TYPE: Final = re.compile(
    r'\s*ALTER\s+TABLE\s+(?P<table>"[^"]+"(?:\."[^"]+")?|[\w.$]+)\s.*?\bTYPE\b',
    re.IGNORECASE | re.DOTALL,
)

# Pairs the rows before and after by their place: both are kept in the order of the update,
# and a primary key may have changed.
NUMBERED: Final = "(SELECT *, row_number() OVER () AS hr_place FROM hr_{0}_rows) AS {0}"


class PostgreSQL(Dialect):
    """How PostgreSQL speaks of triggers."""

    title = "PostgreSQL"
    features: ClassVar[Features] = Features(
        statement_level=True,
        truncates=True,
        truncate=True,
        cascades=True,
        replace=None,
        survives_rebuild=True,
        transaction_ids=True,
        excludes=True,
        memory="transaction",
    )

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self._schemas: dict[str, str] = {}
        # Of the table at hand: columns whose equality is none or a loose one, and what those
        # compute that are stored nowhere, which a trigger finds empty.
        self._loose: set[str] = set()
        self._virtual: dict[str, str] = {}

    def table(self, name: str) -> str:
        # A writer's search_path may lead elsewhere, or nowhere, as in a dump.
        if name.startswith('"'):
            return name
        if name not in self._schemas:
            with self.connection.cursor() as cursor:
                cursor.execute(SCHEMA, [self.name(name)])
                self._schemas[name] = cursor.fetchone()[0]
        return f"{self.name(self._schemas[name])}.{self.name(name)}"

    def _look_at(self, table: str) -> None:
        """Learn what is special about the columns of a table."""
        types = sorted(LOOSE_TYPES)
        with self.connection.cursor() as cursor:
            cursor.execute(SPECIAL, [types, types, self.name(table)])
            rows = cursor.fetchall()
        self._loose = {name for name, loose, _ in rows if loose}
        self._virtual = {name: computed for name, _, computed in rows if computed}

    def column(self, side: str, column: str) -> str:
        if column in self._virtual:
            return f"(SELECT {self._virtual[column]} FROM (SELECT {side.upper()}.*) AS hr_row)"
        return super().column(side, column)

    def distinct(self, column: str, *, as_text: bool, strict: bool) -> str:
        cast = '::text COLLATE "C"' if as_text or column in self._loose else ""
        return f"{self.column(OLD, column)}{cast} IS DISTINCT FROM {self.column(NEW, column)}{cast}"

    def literal(self, value: Any) -> str:
        # The server says how texts are written.
        self.connection.ensure_connection()
        return super().literal(value)

    def now(self) -> str:
        return "clock_timestamp()"

    def told(self, key: str) -> str:
        return TOLD[key]

    def not_suspended(self, keys: Sequence[str]) -> str:
        told = f"current_setting('handleref.{SUSPENDED}', true)"
        names = "|".join(re.sub(r"(\W)", r"\\\1", key) for key in keys)
        # One operator: a WHEN is prepared anew for each statement.
        pattern = self.text(rf"\|({names})\|")
        return f"({told} ~ {pattern}) IS NOT TRUE"

    def render(self, trigger: Trigger, mark: str) -> str:
        statement = trigger.level == "statement" or trigger.operation == "truncate"
        self._look_at(trigger.table)
        guard = self.not_suspended(trigger.keys)
        # In WHEN, it spares many rows a call; in the function, it costs a single one less.
        body = self._body(trigger, guard) if statement else self._row_body(trigger)
        if QUOTE in body:
            raise ValueError(f"{trigger} cannot contain {QUOTE}: that ends the function.")
        return FUNCTION.format(
            function=self.name(trigger.name),
            settings=STATEMENT_SETTINGS if statement else "",
            quote=QUOTE,
            mark=mark,
            body=body,
            returned="NULL" if trigger.timing == "after" else "COALESCE(NEW, OLD)",
            name=self.name(trigger.name),
            timing=trigger.timing.upper(),
            operation=trigger.operation.upper(),
            table=self.table(trigger.table),
            tables=self._transition_tables(trigger) if statement else "",
            level="STATEMENT" if statement else "ROW",
            guard="" if statement else f" WHEN ({guard})",
        )

    def _body(self, trigger: Trigger, guard: str) -> str:
        """Return what a trigger for statements does."""
        if isinstance(trigger.body, Refuse):
            action = self._refusal(trigger.body)
        else:
            condition = self.condition(trigger)
            action = self.insertion(trigger, self._rows(self.rows_of(trigger)))
            action += f"\n  WHERE {condition}" if condition else ""
        return f"IF {guard} THEN {action}; END IF;"

    def _row_body(self, trigger: Trigger) -> str:
        """Return what a trigger for rows does."""
        body = trigger.body
        action = self._refusal(body) if isinstance(body, Refuse) else self.insertion(trigger)
        # In the function and not in WHEN: a column named there could not change its type.
        return self.under_condition(trigger, action)

    def _refusal(self, body: Refuse) -> str:
        message = self.text(body.message)
        return f"RAISE EXCEPTION USING MESSAGE = {message}, ERRCODE = 'restrict_violation'"

    def _rows(self, sides: set[str]) -> str:
        if len(sides) == 1:
            (side,) = sides
            return f"hr_{side}_rows AS {side}"
        both = [NUMBERED.format(side) for side in (OLD, NEW)]
        return f"{both[0]} INNER JOIN {both[1]} ON old.hr_place = new.hr_place"

    def _transition_tables(self, trigger: Trigger) -> str:
        if not isinstance(trigger.body, Copy):
            return ""
        sides = sorted(self.rows_of(trigger), reverse=True)
        tables = " ".join(f"{side.upper()} TABLE AS hr_{side}_rows" for side in sides)
        return f" REFERENCING {tables}"

    def tables(self) -> set[str]:
        with self.connection.cursor() as cursor:
            cursor.execute(TABLES)
            return {name for (name,) in cursor.fetchall()}

    def columns_of(self, table: str) -> set[str]:
        with self.connection.cursor() as cursor:
            cursor.execute(COLUMNS, [self.name(table)])
            return {name for (name,) in cursor.fetchall()}

    def drop(self, name: str, table: str) -> list[str]:
        statements = [f"DROP TRIGGER IF EXISTS {self.name(name)} ON {self.table(table)}"]
        return [*statements[: bool(table)], f"DROP FUNCTION IF EXISTS {self.name(name)}()"]

    def installed(self) -> list[Installed]:
        with self.connection.cursor() as cursor:
            cursor.execute(INSTALLED)
            rows = cursor.fetchall()
        found = []
        for name, table, source, enabled in rows:
            if mark := read_mark(source):
                found.append(Installed(name, table or "", mark[0], mark[1], enabled != "D", source))
        return found

    def switch(self, trigger: Trigger, *, enabled: bool) -> list[str]:
        word = "ENABLE" if enabled else "DISABLE"
        return [f"ALTER TABLE {self.table(trigger.table)} {word} TRIGGER {self.name(trigger.name)}"]

    def tell(self, told: Mapping[str, str | None]) -> list[tuple[str, tuple[Any, ...]]]:
        calls = ", ".join("set_config(%s, %s, true)" for _ in told)
        params = [part for key, value in told.items() for part in (f"handleref.{key}", value or "")]
        return [(f"SELECT {calls}", tuple(params))]

    def is_new_transaction(self) -> bool:
        status = self.connection.connection.info.transaction_status
        return bool(status == status.IDLE)

    def changed_in_migration(self, sql: str) -> list[str]:
        if (found := NEW_TYPE.match(sql)) is None:
            return []
        # Sessions that ran a function remember the types of its table, and would fail from now
        # on; any change of the function makes all of them forget.
        loss = Loss(found["table"].strip('"'), "", renamed=False)
        named = {each.name for each in self.installed() if self.names(each, loss)}
        return [f"ALTER FUNCTION {self.name(name)}() VOLATILE" for name in sorted(named)]


DIALECT = PostgreSQL
