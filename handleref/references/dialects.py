"""What the databases of the references room say differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

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


# Several statements in one trip to MariaDB: on rows of one table, trips are half of what they
# cost. Such a block is no transaction, and undoes nothing, by itself.
BLOCK = """\
BEGIN NOT ATOMIC
  {declarations}
  {statements}
END"""
BLOCK_ALONE = """\
BEGIN NOT ATOMIC
  {declarations}
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  START TRANSACTION;
  {statements}
  COMMIT;
END"""


def block(statements: str, declarations: str = "", *, alone: bool) -> str:
    """Return statements as one that MariaDB runs, of which one returns a row at most.

    :param alone: whether the connection commits by itself: the block is a transaction then.
        Otherwise whoever runs it sees to it that nothing goes on after it has failed.
    """
    template = BLOCK_ALONE if alone else BLOCK
    return template.format(statements=statements, declarations=declarations)


def fetch_one(connection: BaseDatabaseWrapper, sql: str, params: Sequence[Any]) -> Any:
    """Execute a statement, which may be a block, to its end; return the row that it returns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        row = cursor.fetchone()
        # What a block runs after it has returned a row may fail.
        while connection.vendor == "mysql" and cursor.nextset():
            pass
    return row
