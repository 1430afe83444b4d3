"""Triggers as PostgreSQL has them: a function each, for rows or for statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from handleref.triggers.base import NEW, OLD, Copy, Refuse, Trigger
from handleref.triggers.dialects.base import (
    CONTEXT,
    SUSPENDED,
    Dialect,
    Features,
    Installed,
    read_mark,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
FOR EACH {level} WHEN ({guard}) EXECUTE FUNCTION {function}()"""

INSTALLED: Final = """
SELECT p.proname,
  CASE WHEN pg_table_is_visible(c.oid) THEN c.relname
    WHEN c.oid IS NOT NULL THEN format('"%s"."%s"', n.nspname, c.relname) END,
  p.prosrc, t.tgenabled
FROM pg_catalog.pg_proc p
LEFT JOIN (pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid)
  ON t.tgfoid = p.oid AND NOT t.tgisinternal
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.pronamespace = current_schema()::regnamespace AND p.prosrc LIKE '%-- handleref:%'
  AND p.prorettype = 'trigger'::regtype
ORDER BY p.proname, c.relname"""

# Those of other schemas go by the name that Django's users write them with.
TABLES: Final = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname
  ELSE format('"%s"."%s"', n.nspname, c.relname) END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""

COLUMNS: Final = """
SELECT attname FROM pg_catalog.pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"""

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
        switches=True,
        survives_rebuild=True,
        transaction_ids=True,
        memory="transaction",
    )

    def distinct(self, column: str, *, as_text: bool) -> str:
        cast = '::text COLLATE "C"' if as_text else ""
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
        names = ", ".join(map(self.text, keys))
        return (
            f"COALESCE({told}, '') = ''"
            f" OR NOT string_to_array({told}, '|') && ARRAY[{names}]::text[]"
        )

    def render(self, trigger: Trigger, mark: str) -> str:
        statement = trigger.level == "statement" or trigger.operation == "truncate"
        body = self._body(trigger, statement=statement)
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
            table=self.name(trigger.table),
            tables=self._transition_tables(trigger) if statement else "",
            level="STATEMENT" if statement else "ROW",
            guard=self.not_suspended(trigger.keys),
        )

    def _body(self, trigger: Trigger, *, statement: bool) -> str:
        if isinstance(trigger.body, Refuse):
            message = self.text(trigger.body.message)
            return f"RAISE EXCEPTION USING MESSAGE = {message}, ERRCODE = 'restrict_violation';"
        condition = self.condition(trigger)
        if statement:
            source = self._rows(self.rows_of(trigger))
            where = f"\n  WHERE {condition}" if condition else ""
            return f"{self.insertion(trigger, source)}{where};"
        # In the function and not in WHEN: a column named there could not change its type.
        insertion = self.insertion(trigger)
        return f"IF {condition} THEN {insertion}; END IF;" if condition else f"{insertion};"

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
        statements = [f"DROP TRIGGER IF EXISTS {self.name(name)} ON {self.name(table)}"]
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
        return [f"ALTER TABLE {self.name(trigger.table)} {word} TRIGGER {self.name(trigger.name)}"]

    def tell(self, told: Mapping[str, str | None]) -> list[tuple[str, tuple[Any, ...]]]:
        calls = ", ".join("set_config(%s, %s, true)" for _ in told)
        params = [part for key, value in told.items() for part in (f"handleref.{key}", value or "")]
        return [(f"SELECT {calls}", tuple(params))]

    def is_new_transaction(self) -> bool:
        status = self.connection.connection.info.transaction_status
        return bool(status == status.IDLE)


DIALECT = PostgreSQL
