"""First versions of rows that have none, and records of versions that have none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.db import models, router
from django.db.models import OuterRef, Subquery
from django.utils.encoding import force_str
from reversion import is_registered
from reversion.models import Version

from handleref.commands import ignore
from handleref.references.base import is_reference
from handleref.references.expressions import DELETED
from handleref.revisions import base
from handleref.revisions.context import create_revision
from handleref.revisions.diff import Earlier, last_versions, values_of
from handleref.revisions.lifecycle.base import BATCH, checked, databases, walk
from handleref.revisions.models import Record
from handleref.revisions.tracking import touch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.db.models import Model

    from handleref.commands import Tick
    from handleref.revisions.base import Source

    Values = Mapping[str, Any]

COMMENT = "Initial version."
# Reversion alone cuts moments to milliseconds.
MICROSECONDS = re.compile(r"(\d\d:\d\d:\d\d\.\d{3})\d{3}")


def write_first_versions(
    model: type[Model],
    *,
    database: str | None = None,
    using: str | None = None,
    batch_size: int = BATCH,
    comment: str = COMMENT,
    tick: Tick = ignore,
) -> int:
    """Write a version for each row that has none, soft-deleted ones too.

    Each batch is a revision and a transaction of its own: after an interruption,
    call it again and it goes on.

    :param model: a registered model.
    :param database: the alias of the rows' database, by default the router's.
    :param using: the alias of the versions' database, by default the router's.
    :param batch_size: how many rows are in memory at a time, 1 to 5,000.
    :param tick: called with the number of rows just looked at.
    :returns: how many rows had none.
    """
    source = model, database or router.db_for_write(model)
    using = using or router.db_for_write(Version)
    written = 0
    for page in _rows(source, checked(batch_size)):
        known = _known(source, page.values(), using)
        keys = [key for key, object_id in page.items() if object_id not in known]
        if keys:
            with create_revision(using=using, comment=comment):
                touch(*source, keys)
        written += len(keys)
        tick(len(page))
    return written


def _rows(source: Source, size: int) -> Iterator[dict[Any, str]]:
    """Yield the keys of a model's rows some at a time, with what names each in versions."""
    model, using = source
    name = base.options(model).object_id_field
    rows = model._base_manager.using(using).order_by("pk").values_list("pk", name)
    page = rows[:size]
    while found := {key: force_str(object_id) for key, object_id in page}:
        yield found
        page = rows.filter(pk__gt=[*found][-1])[:size]


def _known(source: Source, object_ids: Iterable[str], using: str) -> set[str]:
    """Return those of the objects that have a version."""
    # Their data stays where it is.
    found = last_versions(source, [*object_ids], using, columns="value")
    return {object_id for (object_id,) in found}


# Records of what reversion wrote alone ----------------------------------------------------------


def write_records(
    model: type[Model],
    *,
    database: str | None = None,
    using: str | None = None,
    batch_size: int = BATCH,
    tick: Tick = ignore,
) -> int:
    """Write down what those versions changed that django-reversion made alone.

    Parameters and batches are those of :func:`write_first_versions`.

    :returns: how many versions had no :class:`~handleref.revisions.models.Record`.
    """
    using = using or router.db_for_write(Version)
    rows: Any = Version.objects.using(using).filter(content_type=base.content_type(model, using))
    written = 0
    for db in databases(rows, database):
        keys = rows.filter(db=db).values_list("pk", "object_id", "revision_id", named=True)
        for page in walk(keys, checked(batch_size)):
            records = [*_records(model, _without_record(page, using))]
            # Another run may have been quicker.
            Record.objects.using(using).bulk_create(records, ignore_conflicts=True)
            written += len(records)
            tick(len(page))
    return written


def _without_record(page: list[Any], using: str) -> list[Version]:
    """Return the versions of a page that have none, with their data."""
    keys = {row.pk for row in page}
    records = Record.objects.using(using).filter(version__in=keys)
    missing = keys - {*records.values_list("version", flat=True)}
    return [*Version.objects.using(using).filter(pk__in=missing)] if missing else []


def _records(model: type[Model], versions: list[Version]) -> Iterator[Record]:
    """Yield what is to stand beside versions, each compared with the one before."""
    if not versions:
        return
    before = _before(versions)
    values = _values(model, [*versions, *before.values()])
    for version in versions:
        now, was = values[version.pk], before.get(version.pk)
        yield Record(
            version=version,
            complete=False,
            deleted=is_reference(model) and now.get("status") == DELETED,
            changed_fields=_changed(model, values[was.pk], now) if was else None,
        )


def _before(versions: list[Version]) -> dict[Any, Version]:
    """Return the version before each that has one."""
    rows = Version.objects.using(versions[0]._state.db)
    same = {name: OuterRef(name) for name in ("db", "content_type", "object_id")}
    before = rows.filter(revision_id__lt=OuterRef("revision_id"), **same).order_by("-revision_id")
    asked = rows.filter(pk__in=[version.pk for version in versions]).order_by()
    pairs = dict(asked.values_list("pk", Subquery(before.values("pk")[:1])))
    known = {version.pk: version for version in versions}
    known |= rows.in_bulk({*pairs.values()} - {*known, None})
    return {key: known[previous] for key, previous in pairs.items() if previous in known}


def _values(model: type[Model], versions: list[Version]) -> dict[Any, Values]:
    """Return the values of versions by their keys.

    Reversion alone has what is in the tables of bases in other versions beside.
    """
    using = versions[0]._state.db
    own: dict[Any, Values] = {v.pk: values_of(model, v.format, v.serialized_data) for v in versions}
    for parent in filter(is_registered, model._meta.all_parents):
        beside = Version.objects.using(using).filter(
            content_type=base.content_type(parent, using),
            db=versions[0].db,
            revision_id__in={version.revision_id for version in versions},
            object_id__in={version.object_id for version in versions},
        )
        found = {
            (v.revision_id, v.object_id): values_of(parent, v.format, v.serialized_data)
            for v in beside
        }
        for v in versions:
            own[v.pk] = {**found.get((v.revision_id, v.object_id), {}), **own[v.pk]}
    return own


def _changed(model: type[Model], was: Values, now: Values) -> tuple[str, ...]:
    """Return the fields that differ, as far as both versions have them."""
    kinds = models.DateTimeField, models.TimeField
    moments = {each.name for each in model._meta.concrete_fields if isinstance(each, kinds)}

    def cut(values: Values) -> Values:
        texts = {name: values[name] for name in moments if isinstance(values.get(name), str)}
        return {**values, **{name: MICROSECONDS.sub(r"\1", t) for name, t in texts.items()}}

    both = {name: value for name, value in was.items() if name in now}
    return Earlier(cut(both), exact=False).changed(model, cut(now))
