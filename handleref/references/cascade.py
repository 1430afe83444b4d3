"""Which rows a soft delete reaches: the edges between models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections, models
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat, Substr

from handleref.references.fields import live
from handleref.references.options import options

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from django.db.models import Field, Func, Model

CASCADE, PROTECT, RESTRICT = models.CASCADE, models.PROTECT, models.RESTRICT
# Whatever else on_delete says leaves the child alone, since its parent's row stays.
KINDS = {
    CASCADE: CASCADE,
    PROTECT: PROTECT,
    RESTRICT: RESTRICT,
    getattr(models, "DB_CASCADE", CASCADE): CASCADE,
}


@dataclass(frozen=True)
class Edge(ABC):
    """A relation along which the deletion of a parent reaches its children."""

    parent: type[Model]
    child: type[Model]
    kind: Any

    @property
    def stays(self) -> bool:
        """Whether the child is no reference model, and so is left alone."""
        return not is_reference(self.child)

    @abstractmethod
    def condition(self, parents: QuerySet[Any]) -> Q:
        """Return the condition that a child's parent is among ``parents``."""

    @abstractmethod
    def linked(self, parents: QuerySet[Any]) -> Q:
        """Return the same condition for few children of many parents."""

    @abstractmethod
    def parent_of(self, child: Model) -> Model:
        """Return the parent of one child."""

    def children(self, parents: QuerySet[Any]) -> QuerySet[Any]:
        """Return the children of the parents that are not soft-deleted."""
        rows = self.child._base_manager.using(parents.db).filter(self.condition(parents))
        return rows if self.stays else rows.filter(live())


@dataclass(frozen=True)
class KeyEdge(Edge):
    """A foreign key or one-to-one field of the child."""

    key: models.ForeignKey[Any, Any]

    def __str__(self) -> str:
        return f"{self.child.__name__}.{self.key.name}"

    @property
    def _target(self) -> str:
        # By "pk", the rows of a parent table stand for those of its child tables.
        target = self.key.target_field
        return "pk" if target.primary_key else target.name

    def condition(self, parents: QuerySet[Any]) -> Q:
        return Q((f"{self.key.name}__in", parents.order_by().values(self._target)))

    def linked(self, parents: QuerySet[Any]) -> Q:
        return Q(Exists(parents.filter((self._target, OuterRef(self.key.attname)))))

    def parent_of(self, child: Model) -> Model:
        parent: Model = getattr(child, self.key.name)
        return parent


@dataclass(frozen=True)
class GenericEdge(Edge):
    """A ``GenericRelation`` of the parent."""

    relation: Any

    def __str__(self) -> str:
        return f"{self.child.__name__}.{self.relation.object_id_field_name}"

    def condition(self, parents: QuerySet[Any]) -> Q:
        keys = self._keyed(parents).values("hr_key")
        return self._of_type(parents.db) & Q((f"{self.relation.object_id_field_name}__in", keys))

    def linked(self, parents: QuerySet[Any]) -> Q:
        key = OuterRef(self.relation.object_id_field_name)
        return self._of_type(parents.db) & Q(Exists(self._keyed(parents).filter(hr_key=key)))

    def parent_of(self, child: Model) -> Model:
        key = getattr(child, self.relation.object_id_field_name)
        return self.parent._base_manager.using(child._state.db).get(pk=key)

    def _of_type(self, using: str) -> Q:
        name = self.relation.content_type_field_name
        types: Any = self.child._meta.get_field(name).related_model
        content_type = types._default_manager.db_manager(using).get_for_model(
            self.relation.model, for_concrete_model=self.relation.for_concrete_model
        )
        return Q((name, content_type))

    def _keyed(self, parents: QuerySet[Any]) -> QuerySet[Any]:
        """Annotate the parents with their key as the child stores it."""
        stored: Any = self.child._meta.get_field(self.relation.object_id_field_name)
        key = parents.model._meta.pk
        expression = as_text(key, parents.db) if is_text(stored) and not is_text(key) else F("pk")
        keyed: QuerySet[Any] = parents.order_by().annotate(hr_key=expression)
        return keyed


def is_text(field: Field[Any, Any]) -> bool:
    """Tell whether a field holds text."""
    return isinstance(field, models.CharField | models.TextField)


def as_text(key: Field[Any, Any], using: str) -> Func:
    """Return a primary key as ``str()`` would write it."""
    text = Cast("pk", models.CharField())
    features = connections[using].features
    if not isinstance(key, models.UUIDField) or features.has_native_uuid_field:
        return text
    parts = [Substr(text, start, size) for start, size in UUID_PARTS]
    return Concat(*[p for part in parts for p in (Value("-"), part)][1:])


# Where the five groups of a UUID start in its 32 digits, and how long they are.
UUID_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def is_reference(model: type[Model]) -> bool:
    """Tell whether a model is a ``HandleRefModel``."""
    return hasattr(model, "_handleref")


def owner(model: type[Model]) -> type[Model]:
    """Return the model whose table has the stamps: a base, with multi-table inheritance."""
    return model._meta.get_field("status").model


def edges(model: type[Model], *, follow: bool = False) -> Iterator[Edge]:
    """Yield the edges that the deletion of a model's rows goes along, or stops at.

    :param follow: follow ``on_delete``, because a parent said so.
    """
    follow = follow or options(model).delete_cascade is True
    named = names(model)
    for edge, name in all_edges(model):
        if name in named:
            yield replace(edge, kind=CASCADE)
        elif follow and edge.kind:
            yield edge


def parent_edges(model: type[Model]) -> Iterator[Edge]:
    """Yield the edges to a model from the reference models that it belongs to."""
    for parent in apps.get_models():
        if is_reference(parent) and owner(parent) is parent:
            named = names(parent)
            for edge, name in all_edges(parent):
                if (edge.kind or name in named) and not edge.stays and owner(edge.child) is model:
                    yield edge


def names(model: type[Model]) -> Collection[str]:
    """Return the related names that a model's ``delete_cascade`` lists."""
    option = options(model).delete_cascade
    return () if isinstance(option, bool) else option


def all_edges(model: type[Model], *, include_parents: bool = True) -> Iterator[tuple[Edge, str]]:
    """Yield every edge of a model with the name that reaches its children."""
    fields: Any = model._meta.get_fields(include_parents=include_parents, include_hidden=True)
    for relation in fields:
        if getattr(relation, "parent_link", False) and relation.auto_created:
            # The rows of a child table go with this one's, and so their children.
            yield from all_edges(relation.related_model, include_parents=False)
        elif isinstance(relation, models.ManyToOneRel):
            kind = KINDS.get(relation.on_delete)
            name = relation.get_accessor_name() or ""
            yield KeyEdge(model, relation.related_model, kind, relation.field), name
        elif hasattr(relation, "bulk_related_objects"):
            yield GenericEdge(model, relation.related_model, CASCADE, relation), relation.name


def reachable(model: type[Model], *, follow: bool = False) -> dict[type[Model], list[Edge]]:
    """Return, for each model that a deletion may reach, the edges that go on from it."""
    found: dict[type[Model], list[Edge]] = {}
    waiting = [(model, follow or options(model).delete_cascade is True)]
    while waiting:
        current, follow = waiting.pop()
        ahead = list(edges(current, follow=follow))
        if current in found and len(ahead) <= len(found[current]):
            continue
        found[current] = ahead
        for edge in ahead:
            if edge.kind is CASCADE and not edge.stays:
                child = owner(edge.child)
                waiting.append((child, follow or options(child).delete_cascade is True))
    return found


@dataclass
class Reach:
    """The rows that a deletion would take, and those that could stop it.

    Nothing is written and, unless the models form a cycle, nothing is read:
    the rows are querysets nested in each other.
    """

    graph: dict[type[Model], list[Edge]]
    taken: dict[type[Model], list[QuerySet[Any]]] = field(default_factory=dict)
    barred: list[tuple[Edge, QuerySet[Any]]] = field(default_factory=list)
    seen: dict[type[Model], set[Any]] = field(default_factory=dict)

    def walk(self, rows: QuerySet[Any], path: tuple[type[Model], ...] = ()) -> Reach:
        """Go along the edges from the rows; ``path`` are the models passed."""
        model = rows.model
        self.taken.setdefault(model, []).append(rows)
        for edge in self.graph[model]:
            children = edge.children(rows)
            if edge.kind is not CASCADE:
                self.barred.append((edge, children))
            elif not edge.stays:
                self._enter(owned(children), (*path, model))
        return self

    def _enter(self, rows: QuerySet[Any], path: tuple[type[Model], ...]) -> None:
        if rows.model in path:
            # A cycle ends where it meets no new rows, so here they must be read.
            seen = self.seen.setdefault(rows.model, set())
            new = set(rows.values_list("pk", flat=True)) - seen
            if not new:
                return
            seen |= new
            rows = rows.model._base_manager.using(rows.db).filter(pk__in=new)
        self.walk(rows, path)

    def protected(self) -> Iterator[tuple[Edge, QuerySet[Any]]]:
        """Yield the edges that stop the deletion, with the rows in the way."""
        for edge, children in self.barred:
            rows = children
            for taken in self.taken.get(edge.child, ()) if edge.kind is RESTRICT else ():
                rows = rows.exclude(pk__in=taken.values("pk"))
            yield edge, rows


def keys(rows: QuerySet[Any]) -> list[Any]:
    """Return the primary keys of the rows, each once, whatever joins select them."""
    return list(dict.fromkeys(rows.values_list("pk", flat=True)))


def owned(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows as those of the table that has the stamps."""
    model = owner(rows.model)
    if rows.model._meta.concrete_model is model:
        return rows
    return model._base_manager.using(rows.db).filter(pk__in=rows.values("pk"))
