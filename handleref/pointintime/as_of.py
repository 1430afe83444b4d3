"""Querysets that look at the moment at which they were made: in their own rows, and in all others.

Outside of ``as_of()`` that is the present.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Manager, Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.signals import m2m_changed
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

from handleref.exceptions import PastIsReadOnlyError
from handleref.pointintime.base import STAMPS, is_point_in_time, stored
from handleref.pointintime.joins import PointInTimeJoin, PointInTimeTable, moment_of
from handleref.versions.as_of import current_moment, refuse_writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from typing import Self

M = TypeVar("M", bound=Model)


def present_or_past() -> datetime | None:
    """Return the moment of the block, as the project stores moments; None for the present."""
    moment = current_moment()
    return None if moment is None else stored(moment)


class PointInTimeCompiler(SQLCompiler):
    """Compiles for a query of the past, whose tables have no keys."""

    def collapse_group_by(self, expressions: Any, having: Any) -> Any:
        """Return all expressions: no key of a subquery stands for its other columns."""
        return expressions


@cache
def past_compiler(compiler: type[SQLCompiler]) -> type[SQLCompiler]:
    """Return a database's own compiler with ours in front of it."""
    return type(PointInTimeCompiler.__name__, (PointInTimeCompiler, compiler), {})


class PointInTimeQuery(Query):
    """A query that looks at one moment, or at the present, through all of its joins."""

    base_table_class = PointInTimeTable
    join_class = PointInTimeJoin

    moment: datetime | None = None
    # Django makes queries of this class for parts of others, which look where those do.
    is_chosen = False
    # Whether the query's own table is the whole one, with each row under its own key.
    every_row = False

    def look_at(self, moment: datetime | None) -> None:
        """Choose the moment; None is the present."""
        self.moment, self.is_chosen = moment, True

    def get_compiler(
        self, using: str | None = None, connection: Any = None, *args: Any, **kwargs: Any
    ) -> SQLCompiler:
        """Return Django's compiler; in the past, ours."""
        connection = connection or connections[using or DEFAULT_DB_ALIAS]
        compiler: Any = connection.ops.compiler(self.compiler)
        if self.moment is not None:
            compiler = past_compiler(compiler)
        made: SQLCompiler = compiler(self, connection, using, *args, **kwargs)
        return made

    def resolve_expression(self, query: Any = None, *args: Any, **kwargs: Any) -> Self:
        """Return the query as a part of another, whose moment it has if it has none of its own."""
        clone: Any = super().resolve_expression(query, *args, **kwargs)
        if not clone.is_chosen:
            clone.look_at(moment_of(query))
        return clone  # type: ignore[no-any-return]

    def combine(self, rhs: Any, connector: str) -> None:
        """Combine two queries, of one moment."""
        if moment_of(rhs) != self.moment:
            one, other = (moment_of(query) or "the present" for query in (self, rhs))
            raise TypeError(
                f"Cannot combine querysets that look at two moments: {one} and {other}."
            )
        super().combine(rhs, connector)

    def is_nullable(self, field: Any) -> bool:
        """Tell whether a field may lead nowhere: in the past a key may name what was not there."""
        related = getattr(field, "remote_field", None) and field.related_model
        past = self.moment is not None and related and is_point_in_time(related)
        return bool(past) or super().is_nullable(field)

    def trim_start(self, names_with_path: Any) -> Any:
        """Cut off the first joins, and keep what the first one left says of its rows."""
        for alias, join in self.alias_map.items():
            if isinstance(join, PointInTimeJoin) and join.from_version:
                # Not this one: what is cut off leads to the object's key, not to the version's.
                self.alias_map[alias] = join.promote()
        joins = dict(self.alias_map)
        result = super().trim_start(names_with_path)
        for alias, table in self.alias_map.items():
            join = joins[alias]
            if isinstance(table, PointInTimeTable) and isinstance(join, PointInTimeJoin):
                table.join = join
        return result

    def add_immediate_loading(self, field_names: Iterable[str]) -> None:
        """Load only those fields, and what tells of which version they are."""
        super().add_immediate_loading([*field_names, *self._stamps(field_names)])

    def add_deferred_loading(self, field_names: Iterable[str]) -> None:
        """Load those fields later, but not what tells of which version they are."""
        super().add_deferred_loading(set(field_names) - set(self._stamps(field_names)))

    def _stamps(self, field_names: Iterable[str]) -> Iterator[str]:
        if self.moment is None:
            return
        for path in {name.rpartition(LOOKUP_SEP)[0] for name in field_names} | {""}:
            names = path.split(LOOKUP_SEP) if path else []
            model: Any = self.names_to_path(names, self.get_meta())[1].model if path else self.model
            if is_point_in_time(model):
                yield from (LOOKUP_SEP.join([*names, stamp]) for stamp in STAMPS)


class MomentQuerySet(QuerySet[M]):
    """Rows of any model that reach those of point-in-time models as of one moment.

    That of the :class:`~handleref.versions.as_of` block in which the queryset is made, or
    the present; wherever it is evaluated.
    """

    query: PointInTimeQuery

    def __init__(
        self, model: type[M] | None = None, query: Any = None, using: Any = None, hints: Any = None
    ) -> None:
        if query is None:
            query = PointInTimeQuery(model)
            query.look_at(present_or_past())
        super().__init__(model, query, using, hints)


class MomentManager(Manager.from_queryset(MomentQuerySet)):  # type: ignore[misc]
    """A manager for plain models, whose queries reach point-in-time rows as of one moment."""


def looking(manager: type[Manager[Any]]) -> type[Manager[Any]]:
    """Return a class of managers whose querysets look at a moment, as ours do."""

    class LookingManager(manager):  # type: ignore[misc, valid-type]
        def get_queryset(self) -> QuerySet[Any]:
            rows: Any = super().get_queryset()
            if not isinstance(rows.query, PointInTimeQuery):
                rows.query = rows.query.chain(PointInTimeQuery)
                rows.query.look_at(present_or_past())
            return rows  # type: ignore[no-any-return]

    return LookingManager


def own_version(obj: Model, using: str | None = None) -> MomentQuerySet[Any] | None:
    """Return the row of an object that is shown as it was, or None for any other instance."""
    held = vars(obj)
    if held.get("replaced_at") is None or held.get("row_id") != obj.pk:
        return None
    rows: MomentQuerySet[Any] = MomentQuerySet(type(obj), using=using or obj._state.db)
    rows.query.look_at(held.get("created_at"))
    return rows


def refuse_past(rows: Any) -> None:
    """Refuse to write in the past.

    :raises PastIsReadOnlyError: inside a block, and for a queryset that was made in one.
    """
    what = rows.model._meta.label
    refuse_writing(what)
    if moment := rows.query.moment:
        raise PastIsReadOnlyError(
            f"{what} as of {moment.isoformat()} cannot be written: the past is only read."
            " Make the queryset outside of as_of()."
        )


def guard_links(model: type[Model]) -> None:
    """Let links of a point-in-time model be only read in the past; they keep no versions."""
    for field in model._meta.local_many_to_many:
        through: Any = field.remote_field.through
        # For these alone: where somebody listens, Django looks before it adds.
        if getattr(getattr(through, "_meta", None), "auto_created", False):
            m2m_changed.connect(
                _refuse_links, sender=through, dispatch_uid=f"handleref.{through._meta.label}"
            )


def _refuse_links(instance: Model, action: str, **_: Any) -> None:
    if action.startswith("pre_"):
        refuse_writing(instance._meta.label)
