"""Many objects at once: their current rows are locked, stamped with one moment, and copied."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.sql.where import WhereNode
from django.utils.timezone import now

from handleref.exceptions import RowChangedError, RowReplacedError, StaleRowError
from handleref.pointintime.base import all_rows, frozen_relations, parts_of
from handleref.pointintime.copying import later, table_of
from handleref.pointintime.dialects import become_writer, share
from handleref.pointintime.recording import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from django.db.models import Model, QuerySet


@dataclass
class Held:
    """Current rows that are locked until the transaction ends.

    :ivar model: the model with the table.
    :ivar using: the alias of the database.
    :ivar versions: the ``row_version`` of each, by primary key, in the order of the keys.
    :ivar made: when each was created.
    :ivar ended: when each was deleted, where it was.
    :ivar moment: later than all of these.
    """

    model: type[Model]
    using: str
    versions: dict[Any, int] = field(default_factory=dict)
    made: dict[Any, datetime] = field(default_factory=dict)
    ended: dict[Any, datetime] = field(default_factory=dict)
    moment: datetime = field(default_factory=now)

    def only(self, keys: Iterable[Any]) -> Held:
        """Return some of the rows."""
        some = Held(self.model, self.using, moment=self.moment)
        some.versions = {key: self.versions[key] for key in keys}
        return some

    def join(self, others: Held) -> None:
        """Let others be among the rows."""
        self.versions |= others.versions
        self.made |= others.made
        self.ended |= others.ended
        self.moment = max(self.moment, others.moment)

    def tell(self, obj: Any, values: dict[str, Any]) -> None:
        """Let an instance know what its row has become."""
        stamps = {"row_version": self.versions[obj.pk] + 1, "created_at": self.moment}
        for name, value in {**stamps, **values}.items():
            setattr(obj, name, value)

    def __len__(self) -> int:
        return len(self.versions)

    def parts(self) -> Iterator[list[Any]]:
        """Return the primary keys, no more at a time than a query takes."""
        return parts_of([*self.versions])

    def rows(self, keys: list[Any]) -> QuerySet[Any]:
        """Return rows by their primary keys."""
        return all_rows(self.model, self.using).filter(pk__in=keys)

    def replace(self) -> None:
        """Give each row its next version, and what it was a row of its own.

        The current row has its values still, and what is said of the old version; frozen keys
        are on it still, since the write that comes now may look at them: then :meth:`follow`.
        """
        for keys in self.parts():
            stamps = {"row_id": F("pk"), "row_version": F("row_version") + 1}
            self.rows(keys).update(**stamps, created_at=self.moment)
            said().note(self.model, self.using, self.moment, keys)
            made = [(key, self.made[key]) for key in keys]
            table_of(self.model).copy(connections[self.using], made)

    def follow(self) -> None:
        """Let the frozen keys that are on the rows be on what they were."""
        for frozen in frozen_relations(self.model):
            replaced = all_rows(self.model, self.using).filter(
                row_id=OuterRef(frozen.attname), replaced_at=self.moment
            )
            for keys in self.parts():
                rows = all_rows(frozen.model, self.using).filter(**{f"{frozen.attname}__in": keys})
                rows.update(**{frozen.attname: Subquery(replaced.values("pk"))})


def hold_targets(rows: QuerySet[Any]) -> None:
    """Lock the versions that frozen keys of rows are on, before the rows themselves.

    Whoever saves one of them moves the keys that are on it, and so waits for these rows;
    which would wait for that one, when what they were is inserted.
    """
    connection = connections[rows.db]
    model: type[Model] = rows.model
    fields = table_of(model).frozen if connection.features.has_select_for_update else []
    held = [*zip(*rows.values_list(*(f.attname for f in fields)), strict=True)] if fields else []
    for each, keys in zip(fields, held, strict=False):
        for part in parts_of([*{*keys} - {None}]):
            targets = all_rows(each.related_model, rows.db).filter(pk__in=part).order_by("pk")
            share(connection, *targets.values("pk").query.get_compiler(rows.db).as_sql())


@contextmanager
def holding(
    lock: Callable[..., Held],
    rows: QuerySet[Any],
    *args: Any,
    savepoint: bool = False,
    **options: Any,
) -> Iterator[Held]:
    """Open a transaction with rows locked in it; a refusal leaves one around it usable.

    :param lock: :func:`hold`, or :func:`hold_objects`.
    :param savepoint: whether what fails later leaves one around it usable too.
    """
    refusal = None
    with transaction.atomic(using=rows.db, savepoint=savepoint):
        try:
            held = lock(rows, *args, **options)
        except StaleRowError as error:
            # Nothing was written.
            refusal = error
        else:
            yield held
    if refusal:
        raise refusal


def hold(rows: QuerySet[Any], verb: str, *, deleted: bool = False) -> Held:
    """Lock rows, in the order of their keys, which no two writers do the other way round.

    :param verb: what is to be done, for the message.
    :param deleted: whether rows of deleted objects will do.
    :raises RowReplacedError: when there are replaced rows among them.
    """
    model: Any = rows.model._meta.concrete_model
    table, connection = table_of(model), connections[rows.db]
    become_writer(connection, table.name, table.key.column)
    locked = _lockable(rows).order_by("pk").select_for_update()
    hold_targets(_lockable(rows).order_by())
    held = Held(model, rows.db)
    for key, row_id, version, made, replaced in locked.values_list(
        "pk", "row_id", "row_version", "created_at", "replaced_at"
    ):
        if replaced is not None and not (deleted and row_id == key):
            raise RowReplacedError(
                f"{model._meta.label} {key} is a replaced row of {row_id}, and what was is only"
                f" read: nothing is {verb}. Leave such rows out with current()."
            )
        if replaced is not None:
            held.ended[key] = replaced
        held.versions[key] = version
        held.made[key] = made
    held.moment = later(now(), *held.made.values(), *held.ended.values())
    return held


def hold_objects(rows: QuerySet[Any], objs: Iterable[Any], verb: str) -> Held:
    """Lock the rows of instances.

    :raises RowReplacedError: when there is a replaced row among them.
    :raises RowChangedError: with ``optimistic``, when a row was saved by someone else.
    """
    held = Held(rows.model, rows.db)
    for part in parts_of([obj.pk for obj in objs]):
        held.join(hold(rows.filter(pk__in=part), verb))
    for obj in objs if getattr(rows.model, "optimistic", False) else ():
        found = held.versions.get(obj.pk, obj.row_version)
        if found != obj.row_version:
            raise RowChangedError(
                f"{obj._meta.label} {obj.pk} has version {found}, and not {obj.row_version}:"
                f" somebody else has saved it. Nothing is {verb}; read the row anew.",
                instance=obj,
                expected=obj.row_version,
                found=found,
            )
    return held


def _lockable(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the same rows in a query of their table alone, as databases lock them."""
    query = rows.query
    plain = rows.order_by()
    alone = len(query.alias_map) <= 1 and query.group_by is None and not query.distinct
    if alone and not query.annotations and not query.extra:
        return plain
    keys = plain.values("pk") if query.group_by is None else plain.values_list("pk", flat=True)
    return all_rows(rows.model._meta.concrete_model, rows.db).filter(pk__in=keys)


def narrowed(rows: QuerySet[Any], keys: list[Any]) -> QuerySet[Any]:
    """Return rows by their keys, with what a query has beside its conditions."""
    plain = rows.order_by()
    plain.query.where = WhereNode()
    return plain.filter(pk__in=keys)
