"""What the databases of the references room say differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def runs_subqueries_per_row(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether an ``UPDATE`` runs its subquery once for each row of the table.

    MariaDB makes a semi-join of a subquery in SELECT, but until 11.1 not in UPDATE.
    """
    return connection.vendor == "mysql"


def incoming(connection: BaseDatabaseWrapper, column: str) -> str:
    """Return what an upsert would have inserted into a column."""
    name = connection.ops.quote_name(column)
    return f"VALUES({name})" if connection.vendor == "mysql" else f"EXCLUDED.{name}"


def greatest(connection: BaseDatabaseWrapper, first: str, second: str) -> str:
    """Return the later of two SQL values, neither of them NULL."""
    function = "MAX" if connection.vendor == "sqlite" else "GREATEST"
    return f"{function}({first}, {second})"


ADD_PARTIAL_UNIQUE = (
    "ALTER TABLE %(table)s ADD COLUMN %(column)s TINYINT AS (%(flag)s) VIRTUAL INVISIBLE,"
    " ADD UNIQUE %(name)s (%(columns)s, %(column)s)"
)
DROP_PARTIAL_UNIQUE = "ALTER TABLE %(table)s DROP INDEX %(name)s, DROP COLUMN %(column)s"
LIVE = "IF(%(status)s = 'deleted', NULL, 1)"
