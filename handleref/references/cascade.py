"""Which rows a soft delete reaches: the edges between models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections, models
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat, Substr

from handleref.references.base import MANY, is_reference, keys, owned, owner, rows_of
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
    def leaves_alone(self) -> bool:
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

    @abstractmethod
    def deleted_parent(self, child: Model, using: str) -> Model | None:
        """Return the parent that a child points at, saved or not, if that is soft-deleted."""

    def children(self, parents: QuerySet[Any]) -> QuerySet[Any]:
        """Return the children of the parents that are not soft-deleted."""
        condition = self.condition(rows_of(self.parent, parents))
        rows = self.child._base_manager.using(parents.db).filter(condition)
        return rows if self.leaves_alone else rows.filter(live())


@dataclass(frozen=True)
class KeyEdge(Edge):
    """A foreign key or one-to-one field of the child."""

    key: models.ForeignKey[Any, Any]

    def __str__(self) -> str:
        return f"{self.child.__name__}.{self.key.name}"

    def condition(self, parents: QuerySet[Any]) -> Q:
        targets = parents.order_by().values(self.key.target_field.name)
        return Q((f"{self.key.name}__in", targets))

    def linked(self, parents: QuerySet[Any]) -> Q:
        target = {self.key.target_field.name: OuterRef(self.key.attname)}
        return Q(Exists(parents.filter(**target)))

    def parent_of(self, child: Model) -> Model:
        parent: Model = getattr(child, self.key.name)
        return parent

    def deleted_parent(self, child: Model, using: str) -> Model | None:
        target = {self.key.target_field.name: getattr(child, self.key.attname)}
        return self.parent._base_manager.using(using).filter(status__live=False, **target).first()


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

    def deleted_parent(self, child: Model, using: str) -> Model | None:
        name, parents = self._type(using)
        if getattr(child, name) != parents:
            return None
        key = getattr(child, self.relation.object_id_field_name)
        rows = self.parent._base_manager.using(using).filter(status__live=False)
        return self._keyed(rows).filter(hr_key=key).first()

    def _of_type(self, using: str) -> Q:
        return Q(self._type(using))

    def _type(self, using: str) -> tuple[str, Model]:
        """Return the name of the child's field for the parent's model, and what is in it."""
        name = self.relation.content_type_field_name
        types: Any = self.child._meta.get_field(name).related_model
        content_type = types._default_manager.db_manager(using).get_for_model(
            self.relation.model, for_concrete_model=self.relation.for_concrete_model
        )
        return name, content_type

    def _keyed(self, parents: QuerySet[Any]) -> QuerySet[Any]:
        """Annotate the parents with their key as the child stores it."""
        stored: Any = self.child._meta.get_field(self.relation.object_id_field_name)
        key: Any = parents.model._meta.pk
        while key.remote_field:
            key = key.target_field
        expression = as_text(key, parents.db) if is_text(stored) and not is_text(key) else F("pk")
        keyed: QuerySet[Any] = parents.order_by().annotate(hr_key=expression)
        return keyed


def is_text(field: Field[Any, Any]) -> bool:
    """Tell whether a field holds text."""
    return isinstance(field, models.CharField | models.TextField)


def as_text(key: Field[Any, Any], using: str, name: str = "pk") -> Func:
    """Return a key, by default the primary one, as ``str()`` would write it."""
    text = Cast(name, models.CharField())
    features = connections[using].features
    if not isinstance(key, models.UUIDField) or features.has_native_uuid_field:
        return text
    parts = [Substr(text, start, size) for start, size in UUID_PARTS]
    return Concat(*[p for part in parts for p in (Value("-"), part)][1:])


# Where the five groups of a UUID start in its 32 digits, and how long they are.
UUID_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def edges(model: type[Model], *, follow: bool = False) -> Iterator[Edge]:
    """Yield the edges that the deletion of a model's rows goes along, or stops at.

    :param follow: follow ``on_delete``, because a parent said so.
    """
    for edge, name in all_edges(model):
        # A child table has options of its own.
        if name in names(edge.parent):
            yield replace(edge, kind=CASCADE)
        elif edge.kind and (follow or options(edge.parent).delete_cascade is True):
            yield edge


def parent_edges(model: type[Model], *, follow: bool = False) -> Iterator[Edge]:
    """Yield the edges to a model from those whose deletion takes or spares its rows.

    :param follow: as if every parent followed ``on_delete``.
    """
    for parent in apps.get_models():
        if is_reference(parent) and owner(parent) is parent:
            for edge in edges(parent, follow=follow):
                if not edge.leaves_alone and owner(edge.child) is model:
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
        elif hasattr(relation, "bulk_related_objects") and not isinstance(
            relation.related_model, str
        ):
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
            if edge.kind is CASCADE and not edge.leaves_alone:
                child = owner(edge.child)
                waiting.append((child, follow or options(child).delete_cascade is True))
    return found


@dataclass
class Reach:
    """The rows that a deletion would take, and those that could stop it.

    Nothing is written. Of models that a deletion goes on from, the keys are read;
    all others are querysets.
    """

    graph: dict[type[Model], list[Edge]]
    taken: dict[type[Model], list[QuerySet[Any]]] = field(default_factory=dict)
    barred: list[tuple[Edge, QuerySet[Any]]] = field(default_factory=list)

    def walk(self, rows: QuerySet[Any]) -> Reach:
        """Go along the edges from the rows, as far as they meet new ones."""
        seen: dict[type[Model], set[Any]] = {}
        waiting = [rows]
        while waiting:
            rows = waiting.pop(0)
            if self.graph[rows.model]:
                known = seen.setdefault(rows.model, set())
                new = set(keys(rows)) - known
                if not new:
                    continue
                known |= new
                rows = narrowed(rows, new)
            self.taken.setdefault(rows.model, []).append(rows)
            waiting += self._go_on(rows)
        return self

    def _go_on(self, rows: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        for edge in self.graph[rows.model]:
            children = edge.children(rows)
            if edge.kind is not CASCADE:
                self.barred.append((edge, children))
            elif not edge.leaves_alone:
                yield owned(children)

    def protected(self) -> Iterator[tuple[Edge, QuerySet[Any]]]:
        """Yield the edges that stop the deletion, with the rows in the way."""
        for edge, children in self.barred:
            rows = children
            if edge.kind is RESTRICT and not edge.leaves_alone:
                for taken in self.taken.get(owner(edge.child), ()):
                    same = rows_of(edge.child, taken).values("pk")
                    rows = rows.exclude(pk__in=same)
            yield edge, rows


def narrowed(rows: QuerySet[Any], known: set[Any]) -> QuerySet[Any]:
    """Return the rows by their keys, unless that list is too long for a query."""
    if len(known) > MANY:
        return rows
    found: QuerySet[Any] = rows.model._base_manager.using(rows.db).filter(pk__in=known)
    return found
