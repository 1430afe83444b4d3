"""Objects and numbers for the rows of a table that was there before its rows were versions."""

from __future__ import annotations

from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from django.db import connections, router, transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q

from handleref.commands import amount, ignore
from handleref.pointintime.base import all_rows, is_point_in_time, parts_of
from handleref.pointintime.constraints import KEY
from handleref.pointintime.dialects import become_writer, write_given
from handleref.triggers.suspension import suspend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, QuerySet

    from handleref.commands import Tick

BATCH: Final = 1_000
# So many objects a message names.
NAMED: Final = 5


def adopt(
    model: type[Model],
    *,
    using: str | None = None,
    batch_size: int = BATCH,
    dry_run: bool = False,
    tick: Tick = ignore,
) -> int:
    """Let each row without a ``row_id`` be an object, and number the versions of the others.

    Rows of one object that have one ``row_version``, as a migration leaves those of
    django-pita, are numbered in the order of ``created_at``; ``created_at`` and
    ``start_at`` stay as the migration filled them. Each batch is a few statements and a
    transaction of its own: after an interruption, call it again and it goes on. Once all
    rows are adopted, it does nothing.

    :param using: the alias of the database, by default the router's.
    :param batch_size: how many objects a transaction takes, at least 1.
    :param dry_run: whether to write nothing, and return what would be adopted.
    :param tick: called with the number of rows just adopted.
    :returns: how many rows were adopted: those that are objects now, and all rows of each
        object whose versions were numbered.
    :raises ValueError: for a model whose rows are no versions; and, before anything is
        written, for rows of one object that held at one moment, or ended before they began.
    """
    if batch_size < 1:
        raise ValueError(f"A batch of {batch_size:,} objects; choose at least 1.")
    table, using = table_with_rows(model), using or router.db_for_write(model)
    _refuse_unsound(table, using)
    if dry_run:
        return waiting(table, using)
    done = 0
    batches = (_begun(table, using, batch_size), _numbered(table, using, batch_size))
    for rows in chain.from_iterable(batches):
        done += rows
        tick(rows)
    return done


def table_with_rows(model: type[Model]) -> type[Model]:
    """Return the model that has the table with the versions: of a proxy or child, another one.

    :raises ValueError: for a model whose rows are no versions.
    """
    if not is_point_in_time(model):
        raise ValueError(f"{model._meta.label} is no PointInTimeModel.")
    table: type[Model] = model._meta.get_field("row_id").model
    return table


def waiting(model: type[Model], using: str) -> int:
    """Return how many rows are not adopted yet."""
    model = table_with_rows(model)
    alone = _without_object(model, using).count()
    return alone + all_rows(model, using).filter(row_id__in=_unnumbered(model, using)).count()


def _without_object(model: type[Model], using: str) -> QuerySet[Any]:
    return all_rows(model, using).filter(row_id__isnull=True)


def _unnumbered(model: type[Model], using: str) -> QuerySet[Any]:
    """Return the ids of the objects that have more rows than numbers."""
    objects = all_rows(model, using).filter(row_id__isnull=False).order_by().values("row_id")
    counted = objects.annotate(hr_rows=Count("pk"), hr_last=Max("row_version"))
    ids: QuerySet[Any] = counted.filter(hr_rows__gt=F("hr_last")).values_list("row_id", flat=True)
    return ids


def _refuse_unsound(model: type[Model], using: str) -> None:
    """Refuse rows whose order does not tell which version comes after which."""
    rows = all_rows(model, using).filter(row_id__in=_unnumbered(model, using))
    still_there = Q(replaced_at__isnull=True) | Q(replaced_at__gt=OuterRef("created_at"))
    others = all_rows(model, using).filter(
        still_there, row_id=OuterRef("row_id"), created_at__lte=OuterRef("created_at")
    )
    crossed = Exists(others.exclude(pk=OuterRef("pk")))
    backwards = Q(replaced_at__lte=F("created_at"))
    ids = rows.filter(crossed | backwards).order_by("row_id").values_list("row_id", flat=True)
    if not (found := [*ids.distinct()]):
        return
    named = ", ".join(map(str, found[:NAMED])) + (", …" if len(found) > NAMED else "")
    raise ValueError(
        f"{amount(len(found), 'object')} of {model._meta.label} had two rows at one moment, or"
        f" one that ended before it began: row_id {named}. Nothing was written. See"
        f" {model._meta.object_name}.records.filter(row_id={found[0]!r}), put created_at and"
        " replaced_at right with _save() or remove a row with _delete(), and run this again."
    )


def _begun(model: type[Model], using: str, size: int) -> Iterator[int]:
    """Let each of some rows at a time be an object of its own, and yield how many."""
    names = _without_object(model, using).order_by("pk").values_list("pk", flat=True)
    keys = [*names[:size]]
    while keys:
        with transaction.atomic(using):
            rows = _locked(model, using, keys)
            # To those that somebody saved meanwhile it is nothing new.
            adopted = rows.update(row_id=F("pk"))
        yield adopted
        keys = [*names.filter(pk__gt=keys[-1])[:size]]


def _numbered(model: type[Model], using: str, size: int) -> Iterator[int]:
    """Number the versions of some objects at a time, and yield how many."""
    names = _unnumbered(model, using).order_by("row_id")
    ids = [*names[:size]]
    while ids:
        with transaction.atomic(using):
            _locked(model, using, ids)
            rows = all_rows(model, using).filter(row_id__in=ids)
            in_order = rows.order_by("row_id", "created_at", "pk")
            found = [*in_order.values_list("row_id", "pk", "row_version")]
            wrong = [(key, new) for key, old, new in _numbers(found) if old != new]
            # Rows are written in any order: a trigger would see some with their old numbers.
            with suspend(f"{model._meta.label}:{KEY}", using=using, record=False):
                for part in parts_of(wrong):
                    _write(model, using, part)
        yield len(found)
        ids = [*names.filter(row_id__gt=ids[-1])[:size]]


def _locked(model: type[Model], using: str, keys: list[Any]) -> QuerySet[Any]:
    """Return the rows that have the keys of objects; whoever saves those waits."""
    become_writer(connections[using], model._meta.db_table, str(model._meta.pk.column))
    rows = all_rows(model, using).filter(pk__in=keys)
    # In the order of their keys, which no two writers take the other way round.
    for _ in rows.order_by("pk").select_for_update().values_list("pk"):
        pass
    return rows


def _numbers(rows: list[Any]) -> Iterator[tuple[Any, int, int]]:
    """Yield the key of each row, its number, and which it should have."""
    for _id, versions in groupby(rows, itemgetter(0)):
        for new, (_, key, old) in enumerate(versions, start=1):
            yield key, old, new


def _write(model: type[Model], using: str, numbers: list[tuple[Any, int]]) -> None:
    """Give rows their numbers, in a statement."""
    connection, key = connections[using], model._meta.pk
    version = str(model._meta.get_field("row_version").column)  # type: ignore[union-attr]
    sql = write_given(
        connection, model._meta.db_table, str(key.column), {version: "hr_number"}, "hr_number"
    )
    params = [
        each for pk, number in numbers for each in (key.get_db_prep_value(pk, connection), number)
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql % ", ".join(["(%s, %s)"] * len(numbers)), params)
