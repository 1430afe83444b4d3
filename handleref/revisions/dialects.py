"""What the databases of the revisions room say differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import BooleanField, F, Func, Q, TextField, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.expressions import Combinable

# A JSON list of texts as a table ``o`` with the column ``value``.
LISTS = {
    "postgresql": "json_array_elements_text(%(objects)s::json) AS o(value)",
    "sqlite": "json_each(%(objects)s) AS o",
    "mysql": "JSON_TABLE(%(objects)s, '$[*]' COLUMNS (value VARCHAR(191) PATH '$')) AS o",
}

# One descent of the unique index for each object, however many versions it has.
LATEST = """
    SELECT o.value, v.format, v.serialized_data, r.complete
    FROM {objects}
    JOIN {version} v ON v.id = (
        SELECT w.id FROM {version} w
        WHERE w.db = %(db)s AND w.content_type_id = %(type)s AND w.object_id = o.value
        AND w.revision_id <> %(revision)s
        ORDER BY w.revision_id DESC LIMIT 1
    )
    LEFT JOIN {record} r ON r.version_id = v.id
"""

# The same for PostgreSQL. Given the plain condition it may go down the index of the revisions
# and read the whole table for an object without versions; this order only the unique index
# has. What comes last up to the object may be another's, so the outer query looks again.
# A join without LATERAL it may answer by reading the whole table into a hash.
LATEST_BY_KEY = """
    SELECT o.value, v.format, v.serialized_data,
        (SELECT r.complete FROM {record} r WHERE r.version_id = v.id) AS complete
    FROM {objects}
    CROSS JOIN LATERAL (
        SELECT * FROM {version} w
        WHERE (w.db, w.content_type_id, w.object_id, w.revision_id)
            <= (%(db)s::text, %(type)s::integer, o.value, 9223372036854775807)
        AND w.revision_id <> %(revision)s
        ORDER BY w.db DESC, w.content_type_id DESC, w.object_id DESC, w.revision_id DESC LIMIT 1
    ) v
    WHERE v.db = %(db)s AND v.content_type_id = %(type)s AND v.object_id = o.value
"""

THOUGHT_SPARSE = """
    SELECT reltuples >= 0 AND reltuples < relpages FROM pg_class WHERE oid = %s::regclass
"""


def is_thought_sparse(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Tell whether PostgreSQL takes a table to have fewer rows than pages.

    It does after it has looked at a table of which most rows are uncommitted yet, as
    those of a long import are. Then any index seems as good as the right one, and what
    is asked for each of many objects may read the whole table each time.
    """
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(THOUGHT_SPARSE, [connection.ops.quote_name(table)])
        return bool(cursor.fetchone()[0])


def latest(connection: BaseDatabaseWrapper, version: str, record: str) -> str:
    """Return the query for the last version of each of many objects.

    Its parameters: ``objects`` (object ids, as JSON), ``db`` (alias), ``type``
    (content type) and ``revision`` (to be passed over); its columns: object id,
    format, data and, if there is a record, whether the version is complete.

    :param version, record: the names of the tables.
    """
    quote = connection.ops.quote_name
    query = LATEST_BY_KEY if connection.vendor == "postgresql" else LATEST
    return query.format(
        objects=LISTS[connection.vendor], version=quote(version), record=quote(record)
    )


def before(
    connection: BaseDatabaseWrapper, object_id: str, revision: Any
) -> Iterator[Combinable | Q]:
    """Yield the conditions for what comes before a version in reversion's unique index, backwards.

    PostgreSQL finds the place by a comparison of rows; given the first of the two plain
    conditions, it may go down the index of the revisions instead. The others, given a
    comparison of rows, read all that comes between.
    """
    if connection.vendor != "postgresql":
        yield Q(object_id=object_id, revision_id__lt=revision)
        yield Q(object_id__lt=object_id)
        return
    there = Func(F("object_id"), F("revision_id"), function="", output_field=TextField())
    here = Func(Value(object_id), Value(revision), function="", output_field=TextField())
    yield Func(
        there, here, template="%(expressions)s", arg_joiner=" < ", output_field=BooleanField()
    )
