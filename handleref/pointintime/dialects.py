"""What the databases of the point-in-time room say differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
  UPDATE {table} SET {assignments}, {row_id} = hr_old.{key},
    {row_version} = hr_old.{row_version} + 1,
    {created_at} = GREATEST(%s, hr_old.{created_at} + interval '1 microsecond')
  FROM hr_old WHERE {table}.{key} = hr_old.{key}
  RETURNING {table}.{created_at} AS hr_made
)
INSERT INTO {table} ({columns}) SELECT {sources} FROM hr_new CROSS JOIN hr_old
RETURNING {key}, {row_version} + 1, {replaced_at}"""


def replaces_at_once(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether one statement can write two rows and lock what it reads."""
    return connection.vendor == "postgresql"


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
