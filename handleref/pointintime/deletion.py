"""Objects are deleted: they hold no more, or are forgotten with all that they ever were."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.db.models import F, QuerySet, signals

from handleref.pointintime.base import all_rows, parts_of
from handleref.pointintime.signals import log, purged, remembered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

    from handleref.pointintime.locking import Held

Deleted = tuple[int, dict[str, int]]


def mark_deleted(held: Held) -> Deleted:
    """Let current rows hold no more from their moment on; they stay in the table."""
    for keys in held.parts():
        held.rows(keys).update(replaced_at=held.moment, row_id=F("pk"))
    return len(held), {held.model._meta.label: len(held)} if held else {}


def purge(held: Held, user: Any, reason: str) -> Deleted:
    """Delete all rows of objects, as Django does.

    :returns: the number of rows, and a dict of model label to number.
    :raises ProtectedError, RestrictedError: when rows of others stand in the way.
    """
    counts: Counter[str] = Counter()
    for keys in held.parts():
        rows = all_rows(held.model, held.using).filter(row_id__in=keys)
        forgotten = remembered(purged, held.model, rows)
        counts.update(_delete(rows))
        purged.send(
            sender=held.model,
            using=held.using,
            row_ids=keys,
            rows=forgotten,
            user=user,
            reason=reason,
        )
    if held:
        log("Purged", held.model, len(held), user, reason)
    return counts.total(), dict(counts)


def _delete(rows: QuerySet[Any]) -> dict[str, int]:
    """Delete rows in few statements where nobody refers to them, or wants to hear of each."""
    model: Any = rows.model
    told = (signals.pre_delete, signals.post_delete)
    generic = any(hasattr(field, "bulk_related_objects") for field in model._meta.private_fields)
    if generic or any(signal.has_listeners(model) for signal in told):
        return rows.delete()[1]
    pks = [*rows.values_list("pk", flat=True)]
    if _is_referred_to(model, rows.db, pks):
        return rows.delete()[1]
    counts = release(model, rows.db, pks)
    counts[model._meta.label] += really_delete(rows)
    return counts


def release(model: type[Model], using: str, pks: list[Any]) -> Counter[str]:
    """Delete the links that rows have in automatic many-to-many tables."""
    counts: Counter[str] = Counter()
    for field in references(model):
        if field.model._meta.auto_created:
            for part in parts_of(pks):
                links = all_rows(field.model, using).filter(**{f"{field.attname}__in": part})
                if gone := really_delete(links):
                    counts[field.model._meta.label] += gone
    return counts


def references(model: type[Model]) -> Iterator[Any]:
    """Yield the foreign keys to a model."""
    table: Any = model._meta.concrete_model
    for relation in table._meta.get_fields(include_hidden=True):
        if relation.auto_created and not relation.concrete and not relation.many_to_many:
            yield relation.field


def _is_referred_to(model: type[Model], using: str, pks: list[Any]) -> bool:
    """Tell whether rows of others, links aside, refer to rows."""
    return any(
        all_rows(field.model, using).filter(**{f"{field.attname}__in": part}).exists()
        for field in references(model)
        if not field.model._meta.auto_created
        for part in parts_of(pks)
    )


def really_delete(rows: QuerySet[Any]) -> int:
    """Delete rows in one statement."""
    gone: int = rows._raw_delete(rows.db)  # noqa: SLF001 - Django's, and meant
    return gone
