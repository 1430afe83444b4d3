"""Which fields a version changed: compared with the one before, read for many objects at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.core import serializers
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.serializers.python import Serializer
from django.db import connections
from reversion.models import Version

from handleref.references.revert import stamp_fields
from handleref.revisions import base, dialects
from handleref.revisions.models import Record
from handleref.revisions.snapshots import EXACT, merged
from handleref.versions.diff import strict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.db.models import Model

    from handleref.revisions.base import Source

MILLISECONDS = DjangoJSONEncoder(ensure_ascii=False)
JSON_TYPES = frozenset({str, int, float, bool, type(None)})
MISSING: Final = object()
# So many objects are looked at one by one, however that is done.
FEW = 10


@dataclass(frozen=True)
class Earlier:
    """The values of an object's previous version, as JSON has them.

    :ivar exact: written with the bridge: to the microsecond, and with all tables.
    """

    values: Mapping[str, Any]
    exact: bool

    def changed(self, model: type[Model], values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the fields whose values differ now, stamps left out."""
        names = [*values, *(self.values.keys() - values.keys())] if self.exact else self.values
        stamps = stamp_fields(model)
        return tuple(n for n in names if n not in stamps and self._differs(model, n, values))

    def _differs(self, model: type[Model], name: str, values: Mapping[str, Any]) -> bool:
        now, then = values.get(name, MISSING), self.values.get(name, MISSING)
        if type(now) not in JSON_TYPES and now is not MISSING:
            now = json.loads((EXACT if self.exact else MILLISECONDS).encode(now))
        if MISSING not in (now, then) and strict(now) == strict(then):
            return False
        if isinstance(now, list) and isinstance(then, list) and _is_many(model, name):
            return sorted(now, key=repr) != sorted(then, key=repr)
        # From memory come forms that no database gives back, such as 0 for 0.00.
        return self.exact or MISSING in (now, then) or _differ_as_typed(model, name, now, then)


def _is_many(model: type[Model], name: str) -> bool:
    return any(field.name == name for field in model._meta.many_to_many)


def _differ_as_typed(model: type[Model], name: str, now: Any, then: Any) -> bool:
    """Tell whether two values differ as the field would have them."""
    try:
        field: Any = model._meta.get_field(name)
        return bool(field.to_python(now) != field.to_python(then))
    except (FieldDoesNotExist, ValidationError):
        return True


def earlier(
    source: Source, object_ids: Iterable[str], using: str, *, revision: int = 0
) -> dict[str, Earlier]:
    """Return the last version of each object that has one, by object id; few queries.

    :param using: the alias of the database that has the versions.
    :param revision: the key of a revision to pass over.
    """
    object_ids, table = [*object_ids], Version._meta.db_table
    many = len(object_ids) > FEW
    if many and dialects.is_thought_sparse(connections[using], table):
        rows = _last_versions_by_scan(source, object_ids, using, revision)
    else:
        rows = last_versions(source, object_ids, using, revision)
    return {
        object_id: Earlier(values_of(source[0], form, text), exact=bool(complete))
        for object_id, form, text, complete in rows
    }


def last_versions(
    source: Source, object_ids: list[str], using: str, revision: int = 0, columns: str = "*"
) -> list[Any]:
    """Return rows of the last versions, by one descent of an index for each object.

    :param columns: those of :func:`~.dialects.latest` to return.
    """
    connection = connections[using]
    query = dialects.latest(connection, Version._meta.db_table, Record._meta.db_table)
    parameters: dict[str, Any] = {
        "objects": json.dumps(object_ids),
        "db": source[1],
        "type": base.content_type(source[0], using).pk,
        "revision": revision,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM ({query}) AS q", parameters)  # noqa: S608
        return list(cursor.fetchall())


def _last_versions_by_scan(
    source: Source, object_ids: list[str], using: str, revision: int
) -> list[Any]:
    """Return the same by queries that, with any plan, read no row of a table twice."""
    versions = Version.objects.using(using).order_by()
    of_objects = versions.filter(
        db=source[1], content_type=base.content_type(source[0], using), object_id__in=object_ids
    ).exclude(revision=revision)
    last = of_objects.order_by("object_id", "-revision_id").distinct("object_id")
    keys = [*last.values_list("pk", flat=True)]
    complete = dict(
        Record.objects.using(using).filter(pk__in=keys).values_list("version_id", "complete")
    )
    rows = versions.filter(pk__in=keys)
    columns = rows.values_list("pk", "object_id", "format", "serialized_data")
    return [(*row, complete.get(key)) for key, *row in columns]


def values_of(model: type[Model], form: str, text: str) -> dict[str, Any]:
    """Return the values of a version by field name, as JSON has them.

    :param form: the name of the serializer that wrote the text.
    :returns: no values when the text can be read no more: no save fails for that.
    """
    try:
        return merged(json.loads(text)) if form == "json" else _deserialized(model, form, text)
    except Exception:  # noqa: BLE001 - what a serializer of any format raises
        return {}


def _deserialized(model: type[Model], form: str, text: str) -> dict[str, Any]:
    options = base.options(model)
    natural = options.use_natural_foreign_keys
    found = next(
        iter(
            serializers.deserialize(
                form, text, ignorenonexistent=True, use_natural_foreign_keys=natural
            )
        )
    )
    own = {field.name for field in model._meta.local_concrete_fields}
    (table,) = Serializer().serialize([found.object], fields=own & {*options.fields})
    links = found.m2m_data or {}
    values: dict[str, Any] = json.loads(EXACT.encode(table["fields"] | links))
    return values
