"""Numbers for the rows of a table that was there before it was a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import connections, router, transaction
from django.db.models import F, OuterRef, Q, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber

from handleref.commands import ignore
from handleref.stacks.base import all_rows, is_stack
from handleref.stacks.deletion import promote
from handleref.stacks.dialects import NEW_GROUP, NUMBER, become_writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, QuerySet

    from handleref.commands import Tick

BATCH: Final = 1_000


def adopt(
    model: type[Model],
    *,
    separate: bool | None = None,
    using: str | None = None,
    batch_size: int = BATCH,
    tick: Tick = ignore,
) -> int:
    """Number the rows that have no number yet, and mark the latest of each stack.

    Each batch is a few statements and a transaction of its own: after an interruption,
    call it again and it goes on. Once all rows have numbers, it does nothing.

    :param separate: whether each row becomes a stack of its own; else rows with one
        ``stack_group_uuid`` are versions in the order of their keys. None takes the stacks
        that there are, and refuses where all rows are in one, as a migration leaves them.
    :param using: the alias of the database, by default the router's.
    :param batch_size: how many stacks a transaction takes, at least 1.
    :param tick: called with the number of rows just numbered.
    :returns: how many rows were numbered.
    :raises ValueError: for a model that is no stack, and where ``separate`` must be told.
    """
    if not is_stack(model):
        raise ValueError(f"{model._meta.label} is no AbstractStackModel.")
    if batch_size < 1:
        raise ValueError(f"A batch of {batch_size:,} stacks; choose at least 1.")
    using = using or router.db_for_write(model)
    concrete: Any = model._meta.concrete_model
    if separate is None:
        _refuse_one_stack(concrete, using)
    batches = (
        _separated(concrete, using, batch_size)
        if separate
        else _numbered(concrete, using, batch_size)
    )
    done = 0
    for rows in batches:
        done += rows
        tick(rows)
    return done


def waiting(model: type[Model], using: str) -> QuerySet[Any]:
    """Return the rows that have no number yet."""
    return all_rows(model, using).filter(stack_number=None)


def _refuse_one_stack(model: type[Model], using: str) -> None:
    """Refuse to guess what rows are of which all that wait are in one stack.

    Unless others of it have numbers, or there are second versions: then rows are versions.
    """
    rows, numbered = waiting(model, using), all_rows(model, using).exclude(stack_number=None)
    groups = [*rows.order_by().values_list("stack_group_uuid", flat=True).distinct()[:2]]
    if len(groups) != 1:
        return
    if numbered.filter(Q(stack_group_uuid=groups[0]) | Q(stack_number__gt=1)).exists():
        return
    if (count := rows.count()) > 1:
        raise ValueError(
            f"All {count:,} rows of {model._meta.label} without a number have one"
            " stack_group_uuid, as a migration leaves them: say whether each is a stack of its"
            " own (--separate), or all are versions of one (--together)."
        )


def _numbered(model: type[Model], using: str, size: int) -> Iterator[int]:
    """Number the versions of some stacks at a time, and yield how many."""
    rows = waiting(model, using).order_by("stack_group_uuid")
    names = rows.values_list("stack_group_uuid", flat=True).distinct()
    groups = [*names[:size]]
    while groups:
        with transaction.atomic(using):
            become_writer(model, using)
            own = all_rows(model, using).filter(stack_group_uuid__in=groups)
            # What an old version of the code has just added comes after all others.
            own.filter(stack_latest=True).update(stack_latest=None)
            numbered = _number(model, own.filter(stack_number=None), using)
            promote(model, groups, using)
        yield numbered
        groups = [*names.filter(stack_group_uuid__gt=groups[-1])[:size]]


def _number(model: type[Model], rows: QuerySet[Any], using: str) -> int:
    """Number rows in the order of their keys, after those of their stack that have numbers."""
    last = all_rows(model, using).filter(
        stack_group_uuid=OuterRef("stack_group_uuid"), stack_number__isnull=False
    )
    known = Subquery(last.order_by("-stack_number").values("stack_number")[:1])
    place = Window(RowNumber(), partition_by=F("stack_group_uuid"), order_by=F("pk").asc())
    numbers = rows.annotate(hr_key=F("pk"), hr_number=Coalesce(known, 0) + place)
    query = numbers.values_list("hr_key", "hr_number").query
    sql, params = query.get_compiler(using).as_sql()
    return _execute(NUMBER[connections[using].vendor], model, using, params, numbers=sql)


def _separated(model: type[Model], using: str, size: int) -> Iterator[int]:
    """Make each of some rows at a time a stack of its own, and yield how many."""
    rows = waiting(model, using).order_by("pk").values_list("pk", flat=True)
    field: Any = model._meta.pk
    connection = connections[using]
    group = NEW_GROUP[connection.vendor]
    keys = [*rows[:size]]
    while keys:
        marks = ", ".join(["%s"] * len(keys))
        params = [field.get_db_prep_value(key, connection) for key in keys]
        text = (
            "UPDATE {table} SET {group} = {made}, {number} = 1, {latest} = TRUE"
            " WHERE {number} IS NULL AND {key} IN ({marks})"
        )
        with transaction.atomic(using):
            yield _execute(text, model, using, params, made=group, marks=marks)
        keys = [*rows.filter(pk__gt=keys[-1])[:size]]


def _execute(text: str, model: type[Model], using: str, params: Any, **parts: str) -> int:
    """Run a statement on the table of a model, and return how many rows it has written."""
    quote = connections[using].ops.quote_name
    get: Any = model._meta.get_field
    columns = {
        "key": model._meta.pk.name,
        "group": "stack_group_uuid",
        "number": "stack_number",
        "latest": "stack_latest",
    }
    names = {name: quote(str(get(field).column)) for name, field in columns.items()}
    sql = text.format(table=quote(model._meta.db_table), **names, **parts)
    with connections[using].cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)
