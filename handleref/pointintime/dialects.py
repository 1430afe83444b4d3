"""What the databases of the point-in-time room say differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from handleref.references.dialects import block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

# Writes no row, and makes SQLite's transaction a writer's: one that has read first is refused
# where another has written since.
BECOME_WRITER = "UPDATE {table} SET {column} = {column} WHERE 0"


def become_writer(connection: BaseDatabaseWrapper, table: str, column: str) -> None:
    """Wait for other writers now, where they exclude each other; elsewhere rows are locked."""
    if connection.vendor == "sqlite":
        quote = connection.ops.quote_name
        sql = BECOME_WRITER.format(table=quote(table), column=quote(column))
        with connection.cursor() as cursor:
            cursor.execute(sql)


# As a row is locked by whoever refers to it.
SHARE = {"postgresql": "FOR KEY SHARE", "mysql": "LOCK IN SHARE MODE"}


def locks_rows(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether rows can be locked; elsewhere one writer waits for another anyway."""
    return connection.vendor in SHARE


def share(connection: BaseDatabaseWrapper, sql: str, params: Any) -> None:
    """Read rows, and lock them against being saved, where rows are locked."""
    if locks_rows(connection):
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} {SHARE[connection.vendor]}", params)


# The key of a version, as it is written, and the row locked so that it does not move meanwhile;
# the current row first, as those do who save it: else each would wait for the other.
NOW_OR_THEN = (
    "CASE WHEN (SELECT {version} FROM {table} WHERE {key} = {of}{lock}) = {number} THEN {of}"
    " ELSE (SELECT {key} FROM {table} WHERE {row_id} = {of} AND {version} = {number}{lock}) END"
)
# MariaDB reads what it can before it runs anything, and locks what it reads; it looks into the
# table that it writes only in a subquery of a subquery.
NOW_THEN = (
    "(SELECT hr_key FROM (SELECT hr_then.{key} AS hr_key FROM {table} hr_now"
    " STRAIGHT_JOIN {table} hr_then"
    " ON hr_then.{row_id} = hr_now.{row_id} AND hr_then.{version} = {number}"
    " WHERE hr_now.{key} = {of} LIMIT 1) hr_version)"
)


def key_lock(connection: BaseDatabaseWrapper) -> str:
    """Return what locks a row whose key is written, where foreign keys are not checked at once.

    Elsewhere they are, and that locks it.
    """
    return " FOR KEY SHARE" if connection.vendor == "postgresql" else ""


def written_key(connection: BaseDatabaseWrapper) -> str:
    """Return a template for the key of a version, as it is written."""
    return NOW_THEN if connection.vendor == "mysql" else NOW_OR_THEN


# A version in one statement. The row is locked and read first, since both others draw from
# there; then it is written, since the copy draws from that: so it is never there twice.
REPLACE = """\
WITH hr_old AS MATERIALIZED (
  SELECT * FROM {table} WHERE {key} = %s AND {replaced_at} IS NULL{expected} FOR UPDATE
), hr_new AS (
  UPDATE {table} SET {created_at} = GREATEST(%s, hr_old.{created_at} + interval '1 microsecond'),
    {row_id} = hr_old.{key}, {row_version} = hr_old.{row_version} + 1{assignments}
  FROM hr_old WHERE {table}.{key} = hr_old.{key}
  RETURNING {table}.{created_at} AS hr_made
)
INSERT INTO {table} ({columns}) SELECT {sources} FROM hr_new CROSS JOIN hr_old
RETURNING {key}, {row_version} + 1, {replaced_at}"""

# The same as a block, where a statement writes one table. A variable goes before a column of
# its name, so columns name their table.
DECLARE = """\
DECLARE hr_made DATETIME(6); {declarations}
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;"""
REPLACE_STEPS = """\
SELECT {read} INTO {variables} FROM {table}
  WHERE {table}.{key} = %s AND {table}.{replaced_at} IS NULL{expected} FOR UPDATE;
  IF {old_key} IS NOT NULL THEN
    SET hr_made = GREATEST(CAST(%s AS DATETIME(6)), {old_made} + INTERVAL 1 MICROSECOND);
    UPDATE {table} SET {table}.{created_at} = hr_made,
      {table}.{row_id} = {old_key}, {table}.{row_version} = {old_version} + 1{assignments}
    WHERE {table}.{key} = {old_key};
    INSERT INTO {table} ({columns}) VALUES ({sources})
    RETURNING {table}.{key}, {table}.{row_version} + 1, {table}.{replaced_at};
  END IF;"""


def replaces_at_once(connection: BaseDatabaseWrapper, *, citing: bool = False) -> bool:
    """Tell whether one statement can lock a row, read it, and write two.

    :param citing: whether rows of the table have frozen keys: MariaDB locks the rows that they
        lead to as soon as it writes them, and somebody has to see to the order of that.
    """
    if connection.vendor == "mysql":
        return not citing
    return connection.vendor == "postgresql"


def replacement(
    connection: BaseDatabaseWrapper,
    table: str,
    stamps: dict[str, str],
    given: Sequence[str],
    copied: Sequence[str],
    *,
    expected: bool,
    alone: bool,
) -> str:
    """Return the statement that writes a version, and what it replaces into a row of its own.

    :param stamps: the columns ``key``, ``row_id``, ``row_version``, ``created_at`` and
        ``replaced_at``.
    :param given: the columns that are given values.
    :param copied: the columns of the copy; the key is among them if it is given.
    :param expected: whether only a version is replaced that is given.
    :param alone: whether no transaction is open.
    :returns: SQL with a ``%s`` for the key, the expected version, the time, each value, and
        the key of the copy. It returns that key, and number and time of the new version.
    """
    quote, in_block = connection.ops.quote_name, connection.vendor == "mysql"
    template = block(REPLACE_STEPS, DECLARE, alone=alone) if in_block else REPLACE
    held = [*dict.fromkeys([*stamps.values(), *copied])]
    variables = [f"hr_{place}" for place in range(len(held))]
    where = variables if in_block else [f"hr_old.{quote(column)}" for column in held]
    old = dict(zip(held, where, strict=True))
    target = f"{quote(table)}." if in_block else ""
    read = [f"{target}{quote(column)}" for column in held]
    types = zip(variables, read, strict=True)
    sources = _sources(stamps, old)
    names = {name: quote(column) for name, column in stamps.items()}
    return template.format(
        table=quote(table),
        declarations=" ".join(f"DECLARE {name} TYPE OF {column};" for name, column in types),
        read=", ".join(read),
        variables=", ".join(variables),
        expected=f" AND {target}{names['row_version']} = %s" if expected else "",
        assignments="".join(f", {target}{quote(column)} = %s" for column in given),
        columns=", ".join(map(quote, copied)),
        sources=", ".join(sources[column] for column in copied),
        old_key=old[stamps["key"]],
        old_version=old[stamps["row_version"]],
        old_made=old[stamps["created_at"]],
        **names,
    )


def _sources(stamps: dict[str, str], old: dict[str, str]) -> dict[str, str]:
    """Return where each column of a copy comes from, most from what the row was."""
    key = old[stamps["key"]]
    return {**old, stamps["replaced_at"]: "hr_made", stamps["row_id"]: key, stamps["key"]: "%s"}


# What MariaDB's unique index has beside its columns: NULL for rows that do not count.
CURRENT = "IF(%(replaced_at)s IS NULL, 1, NULL)"

# PostgreSQL's own way to keep periods apart; the operators of single values are btree_gist's.
EXCLUDE = (
    "CONSTRAINT %(name)s EXCLUDE USING gist (%(same)s, tstzrange(%(start)s, %(end)s) WITH &&)"
    " WHERE (%(among)s IS NULL)"
)
ADD_EXCLUDE = f"ALTER TABLE %(table)s ADD {EXCLUDE}"
DROP_EXCLUDE = "ALTER TABLE %(table)s DROP CONSTRAINT IF EXISTS %(name)s"

HAS_BTREE_GIST = (
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'btree_gist')"
)


def excludes(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether constraints of the database keep periods apart; elsewhere triggers do."""
    return connection.vendor == "postgresql"


def lacks_operators(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether such constraints want an extension that the database does not have."""
    if not excludes(connection):
        return False
    with connection.cursor() as cursor:
        cursor.execute(HAS_BTREE_GIST)
        return not cursor.fetchone()[0]


def finds_by_key(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether rows of a moment are found faster by their keys, which an index has.

    MariaDB reads the whole table rather than the rows of a half of an index, and does not
    count that the index tells which of them are none.
    """
    return connection.vendor == "mysql"


# Rows of values, called hr_given, are written into rows of a table, perhaps by way of other
# rows of it, called hr_other.
WRITE_GIVEN = (
    "WITH hr_given ({names}) AS (VALUES %s) UPDATE {table} SET {assignments}"
    " FROM hr_given{other} WHERE {table}.{key} = hr_key"
)
WRITE_GIVEN_BY_JOIN = (
    "UPDATE {table} INNER JOIN (WITH hr_given ({names}) AS (VALUES %s) SELECT * FROM hr_given)"
    " hr_given ON {table}.{key} = hr_key{other} SET {assignments}"
)
OTHER = " INNER JOIN {table} hr_other ON hr_other.{key} = hr_row"


def write_given(
    connection: BaseDatabaseWrapper, table: str, key: str, values: dict[str, str], *names: str
) -> str:
    """Return the statement that writes given values into the rows whose keys are given first.

    :param values: by column, the name of what is given, or empty for the same column of the
        row whose key is given as ``hr_row``.
    :param names: what is given with each key.
    :returns: SQL with one ``%s``, for the rows of parameters.
    """
    quote = connection.ops.quote_name
    joins = connection.vendor == "mysql"
    # What is assigned is no more than a column's name, except where there are several tables.
    target = f"{quote(table)}." if joins else ""
    assignments = [
        f"{target}{quote(column)} = {name or f'hr_other.{quote(column)}'}"
        for column, name in values.items()
    ]
    other = OTHER.format(table=quote(table), key=quote(key)) if "hr_row" in names else ""
    return (WRITE_GIVEN_BY_JOIN if joins else WRITE_GIVEN).format(
        names=", ".join(["hr_key", *names]),
        table=quote(table),
        key=quote(key),
        assignments=", ".join(assignments),
        other=other,
    )
