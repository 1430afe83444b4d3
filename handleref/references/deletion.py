"""Soft delete and restore: set-based, in one transaction, told once per model."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, transaction
from django.db.models import (
    F,
    OuterRef,
    ProtectedError,
    Q,
    QuerySet,
    RestrictedError,
    UUIDField,
    Value,
)
from django.db.models.functions import Coalesce
from django.utils.timezone import now

from handleref.exceptions import ParentDeletedError
from handleref.references.base import MANY, keys, owned, owner, rows_of
from handleref.references.cascade import (
    CASCADE,
    PROTECT,
    RESTRICT,
    Edge,
    Reach,
    parent_edges,
    reachable,
)
from handleref.references.constraints import clash
from handleref.references.dialects import runs_subqueries_per_row
from handleref.references.fields import Status, live, stamped
from handleref.references.signals import restored, rows_written, soft_deleted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from django.db.models import Model
    from django.dispatch import Signal

Deleted = tuple[int, dict[str, int]]
BOOKKEEPING = ("status", "former_status", "deletion", "updated", "version")


@dataclass
class Operation:
    """One delete or restore: writes the rows of model after model, and counts them."""

    name: str
    using: str
    signal: Signal
    takes_live: bool
    id: UUID = field(default_factory=uuid4)
    moment: datetime = field(default_factory=now)
    counts: Counter[type[Model]] = field(default_factory=Counter)
    pks: dict[type[Model], list[Any]] = field(default_factory=dict)

    def write(self, rows: QuerySet[Any], values: dict[str, Any], *, nested: bool) -> bool:
        """Write the values into the rows and tell whether there were any.

        :param nested: the rows are those of a subquery.
        """
        model: Any = rows.model._meta.concrete_model
        by_keys = nested and runs_subqueries_per_row(connections[self.using])
        if by_keys or self.has_listeners(model):
            pks = keys(rows)
            self.pks.setdefault(model, []).extend(pks)
            if by_keys:
                rows = model._base_manager.using(self.using).filter(pk__in=pks)
        # Again, since another transaction may have come between.
        rows = rows.filter(status__live=self.takes_live)
        # Past our own update(), which would tell of each step.
        count = QuerySet.update(rows, **stamped(model, {**values, "updated": self.moment}))
        if count:
            self.counts[model] += count
        return count > 0

    def has_listeners(self, model: type[Model]) -> bool:
        """Tell whether someone wants to hear of the model's rows."""
        return self.signal.has_listeners(model) or rows_written.has_listeners(model)

    def spread(self, graph: dict[type[Model], list[Edge]], step: Callable[[Edge], bool]) -> None:
        """Take the step along every edge, from the models whose rows it wrote."""
        waiting = [*self.counts]
        while waiting:
            ahead = [e for e in graph[waiting.pop()] if e.kind is CASCADE and not e.leaves_alone]
            waiting += [owner(edge.child) for edge in ahead if step(edge)]

    def announce(self, deletion: UUID | None, rows: Callable[[type[Model]], Any]) -> None:
        """Send the signals, once for each model that had rows."""
        for model in self.counts:
            self.signal.send(
                sender=model, using=self.using, deletion=deletion, queryset=rows(model)
            )
            rows_written.send(
                sender=model,
                using=self.using,
                operation=self.name,
                pks=self.pks.get(model, []),
                fields=frozenset(BOOKKEEPING),
            )

    @property
    def result(self) -> Deleted:
        """The number of rows, and a dict of model label to number, as Django has it."""
        counts = {model._meta.label: count for model, count in self.counts.items()}
        return sum(counts.values()), counts


def soft_delete(rows: QuerySet[Any]) -> Operation:
    """Soft-delete the rows and what they take along.

    :raises ProtectedError, RestrictedError: before anything is written.
    """
    rows = owned(rows)
    using = rows.db
    graph = reachable(rows.model)
    operation = Operation("soft_delete", using, soft_deleted, takes_live=True)
    # former_status first: MariaDB assigns from left to right.
    values = {
        "former_status": F("status"),
        "status": Status.DELETED.value,
        "deletion": operation.id,
    }

    def marked(model: type[Model]) -> QuerySet[Any]:
        return model._base_manager.using(using).filter(deletion=operation.id)

    def step(edge: Edge) -> bool:
        children = owned(edge.children(marked(edge.parent)))
        return operation.write(children, values, nested=True)

    refuse(rows.filter(live()), graph)
    # One statement needs no transaction.
    alone = not graph[rows.model] and not operation.has_listeners(rows.model)
    with nullcontext() if alone else transaction.atomic(using=using):
        operation.write(rows, values, nested=False)
        operation.spread(graph, step)
        operation.announce(operation.id, marked)
    return operation


def refuse(rows: QuerySet[Any], graph: dict[type[Model], list[Edge]]) -> None:
    """Raise Django's error when protected or restricted rows stand in the way."""
    if all(edge.kind is CASCADE for ahead in graph.values() for edge in ahead):
        return
    barring: dict[Any, dict[Edge, set[Model]]] = {PROTECT: {}, RESTRICT: {}}
    for edge, children in Reach(graph).walk(rows).protected():
        if objects := set(children):
            barring[edge.kind].setdefault(edge, set()).update(objects)
    if barring[PROTECT]:
        raise ProtectedError(*_refusal("protected", barring[PROTECT]))
    if barring[RESTRICT]:
        raise RestrictedError(*_refusal("restricted", barring[RESTRICT]))


def _refusal(adjective: str, barring: dict[Edge, set[Model]]) -> tuple[str, set[Model]]:
    """Return what Django's errors take: the text, and all rows in the way."""
    models = ", ".join(dict.fromkeys(repr(edge.parent.__name__) for edge in barring))
    relations = ", ".join(f"'{edge}'" for edge in barring)
    text = (
        f"Cannot delete some instances of model {models} because they are referenced"
        f" through {adjective} foreign keys: {relations}."
    )
    return text, set().union(*barring.values())


def restore(rows: QuerySet[Any]) -> Operation:
    """Bring back soft-deleted rows, and exactly what their deletions took.

    :raises ParentDeletedError: when a parent of a row is deleted and stays so.
    :raises ValidationError: when a live row has taken a unique value.
    """
    rows = owned(rows).filter(status__live=False)
    operation = Operation("restore", rows.db, restored, takes_live=False)
    deletions = list(rows.order_by().values_list("deletion", flat=True).distinct())
    if not deletions:
        return operation
    restoration = Restoration(operation, {deletion or operation.id for deletion in deletions})
    try:
        with transaction.atomic(using=rows.db):
            restoration.run(rows)
            operation.announce(deletions[0] if len(deletions) == 1 else None, restoration.written)
    except IntegrityError as error:
        raise restoration.reason() or error from error
    return operation


class Restoration:
    """A restore under way.

    Until it ends, the rows brought back keep their ``deletion``: live and with a
    mark, they are the ones whose children may come back too.
    """

    def __init__(self, operation: Operation, marks: set[UUID]) -> None:
        self.operation = operation
        few = len(marks) <= MANY
        self.marked = Q(deletion__in=marks) if few else Q(deletion__isnull=False)
        self.current: QuerySet[Any] | None = None

    def run(self, rows: QuerySet[Any]) -> None:
        """Restore the rows and what was taken with them."""
        rows = rows.filter(self.marked | Q(deletion=None))
        roots = keys(rows)
        self._write(rows, nested=False)
        self.operation.spread(reachable(rows.model, follow=True), self._step)
        for start in range(0, len(roots), MANY):
            root_rows = self._all(rows.model).filter(pk__in=roots[start : start + MANY])
            self._refuse_orphans(root_rows, parent_edges(rows.model, follow=True))
        # What was taken may have been live under a row that takes nothing along.
        for model in self.operation.counts:
            self._refuse_orphans(self._back(model), parent_edges(model))
        for model in self.operation.counts:
            # Not a write to be counted, only the end of the bookkeeping.
            QuerySet.update(self._back(model), deletion=None)

    def reason(self) -> ValidationError | None:
        """Return why the database refused the rows written last."""
        return clash(self.current) if self.current is not None else None

    def written(self, model: type[Model]) -> QuerySet[Any]:
        """Return the rows of a model that came back; known only to listeners."""
        return self._all(model).filter(pk__in=self.operation.pks.get(model, ()))

    def _all(self, model: type[Model]) -> QuerySet[Any]:
        return model._base_manager.using(self.operation.using).all()

    def _back(self, model: type[Model]) -> QuerySet[Any]:
        return self._all(model).filter(self.marked, live())

    def _write(self, rows: QuerySet[Any], *, nested: bool) -> bool:
        self.current = self._all(rows.model).filter(self.marked) if nested else rows
        values = {
            # status first: MariaDB assigns from left to right.
            "status": Coalesce("former_status", Value(Status.OK.value)),
            "former_status": None,
            "deletion": Coalesce("deletion", Value(self.operation.id, UUIDField())),
        }
        return self.operation.write(rows, values, nested=nested)

    def _step(self, edge: Edge) -> bool:
        parents = self._back(edge.parent).filter(deletion=OuterRef("deletion"))
        taken = self._all(edge.child).filter(self.marked, status__live=False)
        return self._write(owned(taken.filter(edge.linked(parents))), nested=True)

    def _refuse_orphans(self, rows: QuerySet[Any], edges: Iterable[Edge]) -> None:
        for edge in edges:
            deleted = self._all(edge.parent).filter(status__live=False)
            orphans = rows_of(edge.child, rows).filter(edge.linked(deleted))
            if orphan := orphans.first():
                raise parent_deleted(orphan, edge.parent_of(orphan))


def refuse_deleted_parents(obj: Model, using: str) -> None:
    """Refuse an object, saved or not, that would be live under a deleted parent.

    :raises ParentDeletedError: naming the parent.
    """
    for edge in parent_edges(owner(type(obj)), follow=True):
        if isinstance(obj, edge.child) and (parent := edge.deleted_parent(obj, using)):
            raise parent_deleted(obj, parent)


def parent_deleted(obj: Model, parent: Model) -> ParentDeletedError:
    """Return the error that names an object and its deleted parent."""
    return ParentDeletedError(
        f"{obj._meta.label} {obj.pk} cannot be restored while its parent"
        f" {parent._meta.label} {parent.pk} is deleted. Restore the parent first."
    )
