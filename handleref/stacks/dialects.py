"""What the databases of the stacks room say differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model

# Writes no row, and makes SQLite's transaction a writer's: one that has read first is refused
# where another has written since.
BECOME_WRITER = "UPDATE {table} SET {column} = {column} WHERE 0"


def become_writer(model: type[Model], using: str) -> None:
    """Wait for other writers now, where they exclude each other; elsewhere rows are locked."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        quote = connection.ops.quote_name
        table, column = quote(model._meta.db_table), quote(str(model._meta.pk.column))
        with connection.cursor() as cursor:
            cursor.execute(BECOME_WRITER.format(table=table, column=column))


INSERT = "INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {key}"
# No index is looked into for what IS TRUE.
DEMOTE = (
    "UPDATE {table} SET {latest} = NULL"
    " WHERE {key} = %s AND ({group} = %s) IS TRUE AND {latest} IS TRUE"
)
# The next version in one statement: its row draws from the one that is demoted, and so comes
# after it, or not at all.
FOLLOW = (
    f"WITH hr_old AS ({DEMOTE} RETURNING {{key}})"  # noqa: S608 - its own names
    " INSERT INTO {table} ({columns}) SELECT {values} FROM hr_old RETURNING {key}"
)


def follows_at_once(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether one statement can write two rows.

    Not MariaDB's blocks: those who save so, and those who delete versions, ran into deadlocks.
    """
    return connection.vendor == "postgresql"


# Gives rows the numbers of a query, by their keys.
_FROM_QUERY = (
    "UPDATE {table} SET {number} = hr_numbers.hr_number"
    " FROM ({numbers}) hr_numbers WHERE {table}.{key} = hr_numbers.hr_key"
)
NUMBER = {
    "postgresql": _FROM_QUERY,
    "sqlite": _FROM_QUERY,
    "mysql": (
        "UPDATE {table} JOIN ({numbers}) hr_numbers ON {table}.{key} = hr_numbers.hr_key"
        " SET {table}.{number} = hr_numbers.hr_number"
    ),
}
# A UUID for each row of a statement, as the column keeps it; SQLite's has 32 digits.
NEW_GROUP = {
    "postgresql": "gen_random_uuid()",
    "sqlite": (
        "lower(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2)"
        " || 'a' || substr(hex(randomblob(2)), 2) || hex(randomblob(6)))"
    ),
    "mysql": "UUID()",
}
