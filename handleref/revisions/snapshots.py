"""Rows as the database holds them, read many at a time and serialised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from django.core import serializers
from django.core.serializers.json import DjangoJSONEncoder
from django.core.serializers.python import Serializer
from django.db.models import CompositePrimaryKey, Model, Prefetch, prefetch_related_objects
from django.utils.encoding import force_str
from django.utils.timezone import is_aware
from reversion import is_registered

from handleref.references.base import MANY, is_reference
from handleref.references.expressions import DELETED
from handleref.revisions import base
from handleref.versions.state import many_to_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from handleref.revisions.base import Options, Source


class ExactEncoder(DjangoJSONEncoder):
    """Writes moments to the microsecond, where Django cuts them to milliseconds."""

    def default(self, o: Any) -> Any:
        """Return what stands for a value that JSON does not know."""
        if isinstance(o, datetime) or (isinstance(o, time) and not is_aware(o)):
            return o.isoformat().replace("+00:00", "Z")
        return super().default(o)


EXACT = ExactEncoder(ensure_ascii=False)


@dataclass(eq=False)
class Snapshot:
    """A row at one moment, ready to become a version.

    :ivar values: the values by field name as the serializer gives them, those of
        the tables of its bases included.
    :ivar text: the serialised row, followed by the rows of its bases.
    :ivar label: what ``str()`` said of it.
    """

    row: Model
    object_id: str
    values: dict[str, Any]
    text: str
    label: str

    @property
    def key(self) -> Any:
        """The primary key."""
        return self.row.pk

    @property
    def is_soft_deleted(self) -> bool:
        """Whether the row is a soft-deleted one."""
        return is_reference(type(self.row)) and vars(self.row)["status"] == DELETED


def snapshots(source: Source, keys: Iterable[Any]) -> Iterator[Snapshot]:
    """Read the rows with the keys, as far as there are any; few queries, however many.

    :param source: a registered model and the alias of its database.
    """
    model, using = source
    options = base.options(model)
    rows = model._base_manager.using(using)
    for part in parts(model, keys):
        yield from _snapshots(list(rows.filter(pk__in=part)), options)


def parts(model: type[Model], keys: Iterable[Any]) -> Iterator[list[Any]]:
    """Cut keys into parts that one query can list."""
    key: Any = model._meta.pk
    columns = len(key.fields) if isinstance(key, CompositePrimaryKey) else 1
    keys, size = [*keys], MANY // columns
    yield from (keys[start : start + size] for start in range(0, len(keys), size))


def _snapshots(rows: list[Model], options: Options) -> Iterator[Snapshot]:
    if not rows:
        return
    prefetch_related_objects(rows, *_links(rows[0], options))
    bases = type(rows[0])._meta.all_parents if options.format == "json" else ()
    tables = [_serialized(rows, options), *(_of_base(rows, model) for model in bases)]
    for row, label, *parts_of_row in zip(rows, _labels(rows), *tables, strict=True):
        if options.format == "json":
            text = EXACT.encode(parts_of_row)
        else:
            text = serializers.serialize(options.format, [row], **_arguments(options))
        object_id = force_str(getattr(row, options.object_id_field))
        yield Snapshot(row, object_id, merged(parts_of_row), text, label)


def _arguments(options: Options) -> dict[str, Any]:
    natural = options.use_natural_foreign_keys
    return {"fields": frozenset(options.fields), "use_natural_foreign_keys": natural}


def _serialized(rows: list[Model], options: Options | None) -> list[dict[str, Any]]:
    arguments = _arguments(options) if options else {}
    tables: list[dict[str, Any]] = Serializer().serialize(rows, **arguments)
    return tables


def _of_base(rows: list[Model], model: type[Model]) -> list[dict[str, Any]]:
    """Serialise the part of the rows that is in the table of a base."""
    names = [field.attname for field in model._meta.concrete_fields]
    parents = [
        model.from_db(row._state.db, names, [getattr(row, name) for name in names]) for row in rows
    ]
    for row, parent in zip(rows, parents, strict=True):
        vars(parent)["_prefetched_objects_cache"] = vars(row).get("_prefetched_objects_cache", {})
    return _serialized(parents, base.options(model) if is_registered(model) else None)


def _links(row: Model, options: Options) -> Iterator[Prefetch[Any]]:
    """Yield what reads all many-to-many values of the rows at once, soft-deleted ones too."""
    for field in many_to_many(type(row)):
        related: Any = field.related_model
        if field.model is not row._meta.concrete_model or field.name in options.fields:
            rows = related._base_manager.using(row._state.db).order_by("pk")
            natural = options.use_natural_foreign_keys
            yield Prefetch(field.name, rows if natural else rows.only("pk"))


def _labels(rows: list[Model]) -> Iterator[str]:
    """Return what the rows are called; what the first one's name reads is read for all."""
    first, *others = rows
    before = set(first._state.fields_cache)
    yield force_str(first)
    read = first._state.fields_cache.keys() - before
    prefetch_related_objects(others, *(read & base.relation_names(type(first))))
    yield from map(force_str, others)


def merged(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the values of serialised tables by field name; the row's own table is the first."""
    values: dict[str, Any] = {}
    for table in reversed(tables):
        values |= table["fields"]
    return values
