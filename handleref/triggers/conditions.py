"""When a tracker writes an event, as users declare it: conditions name fields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Field, Q

from handleref.triggers.base import NEW, OLD
from handleref.triggers.expressions import Bound, Changes, Compared, Either, Every, Not, Raw
from handleref.triggers.fields import (
    Column,
    column_type,
    find,
    is_compared_as_text,
    is_strict,
)
from handleref.triggers.lookups import references

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import Model


class Declared(ABC):
    """A condition on fields; ``&``, ``|`` and ``~`` compose them, with ``Q`` too."""

    # So that Q(…) & condition works as well.
    conditional: ClassVar[bool] = True

    @abstractmethod
    def bind(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> Bound:
        """Return the condition on the columns of a table that it touches.

        :param tracked: the fields that are meant where the condition names none.
        :param table: the model whose table is watched: the model itself, or a parent.
        :raises ValueError: for a field that there is not.
        """

    @abstractmethod
    def touches(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> bool:
        """Tell whether the condition can hold when a table changes; parameters as above."""

    @abstractmethod
    def sides(self) -> frozenset[str]:
        """Return which sides of the row it names for certain: ``"old"``, ``"new"``."""

    def copy(self) -> Declared:
        """Return the condition, which does not change; asked for by ``Q() & condition``."""
        return self

    def __and__(self, other: Declared | Q) -> Declared:
        return Composed(Every, (self, declared(other)))

    def __rand__(self, other: Q) -> Declared:
        return Composed(Every, (declared(other), self))

    def __or__(self, other: Declared | Q) -> Declared:
        return Composed(Either, (self, declared(other)))

    def __ror__(self, other: Q) -> Declared:
        return Composed(Either, (declared(other), self))

    def __invert__(self) -> Declared:
        return Opposite(self)


class Condition(Declared):
    """Raw SQL over ``OLD`` and ``NEW``, in the words of the database.

    :param sql: such as ``'NEW."price" > 2 * OLD."price"'``; it is not changed.
    """

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def bind(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> Bound:
        return Raw(self.sql)

    def touches(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> bool:
        return table is model._meta.concrete_model

    def sides(self) -> frozenset[str]:
        # Whoever writes SQL knows what it names.
        return frozenset()

    def __repr__(self) -> str:
        return f"Condition({self.sql!r})"


class Change(Declared):
    """Base of the conditions that compare the row before with the row after, NULLs too.

    :param fields: names of fields, tracked or not; by default all that are tracked.
    :param exclude: those of them that are not compared.
    :param exclude_auto: whether to leave out ``auto_now`` and ``auto_now_add`` fields.
    """

    every: ClassVar[bool] = False
    unchanged: ClassVar[bool] = False

    def __init__(
        self, *fields: str, exclude: Iterable[str] = (), exclude_auto: bool = False
    ) -> None:
        self.fields = fields
        self.exclude = tuple(exclude)
        self.exclude_auto = exclude_auto

    def bind(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> Bound:
        own = self._compared(model, tracked, table)
        return Changes(
            of=tuple(str(field.column) for field in own),
            every=self.every,
            unchanged=self.unchanged,
            as_text=tuple(str(field.column) for field in own if is_compared_as_text(field)),
            strict=tuple(str(field.column) for field in own if is_strict(field)),
        )

    def touches(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> bool:
        return bool(self._compared(model, tracked, table))

    def sides(self) -> frozenset[str]:
        return frozenset({OLD, NEW})

    def _compared(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> list[Field[Any, Any]]:
        """Return the fields that are compared when a table changes: its own."""
        named = [find(model, name) for name in self.fields] or tracked
        left_out = {find(model, name).name for name in self.exclude}
        compared = [f for f in named if f.name not in left_out and not self._is_automatic(f)]
        if not compared:
            raise ValueError(f"{self!r} leaves no field of {model._meta.label} to compare.")
        return [field for field in compared if field.model is table]

    def _is_automatic(self, field: Field[Any, Any]) -> bool:
        automatic = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
        return self.exclude_auto and automatic

    def __repr__(self) -> str:
        given = [*map(repr, self.fields)]
        given += [f"exclude={self.exclude!r}"] if self.exclude else []
        given += ["exclude_auto=True"] if self.exclude_auto else []
        return f"{type(self).__name__}({', '.join(given)})"


class AnyChange(Change):
    """Some field changed."""


class AllChange(Change):
    """All fields changed."""

    every = True


class AnyDontChange(Change):
    """Some field stayed as it was."""

    unchanged = True


class AllDontChange(Change):
    """All fields stayed as they were."""

    every = True
    unchanged = True


class Composed(Declared):
    """Several conditions, joined."""

    def __init__(self, kind: type[Every], parts: tuple[Declared, ...]) -> None:
        self.kind = kind
        self.parts = parts

    def bind(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> Bound:
        return self.kind(tuple(part.bind(model, tracked, table) for part in self.parts))

    def touches(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> bool:
        touching = {part.touches(model, tracked, table) for part in self.parts}
        if touching == {True, False}:
            raise ValueError(
                f"{self!r} names fields of several tables of {model._meta.label}, of which a"
                " trigger sees one: take a tracker for each."
            )
        return True in touching

    def sides(self) -> frozenset[str]:
        return frozenset(side for part in self.parts for side in part.sides())

    def __repr__(self) -> str:
        return "(" + (" & ", " | ")[self.kind is Either].join(map(repr, self.parts)) + ")"


class Opposite(Declared):
    """The opposite of a condition."""

    def __init__(self, part: Declared) -> None:
        self.part = part

    def bind(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> Bound:
        return Not(self.part.bind(model, tracked, table))

    def touches(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> bool:
        return self.part.touches(model, tracked, table)

    def sides(self) -> frozenset[str]:
        return self.part.sides()

    def __repr__(self) -> str:
        return f"~{self.part!r}"


class Comparison(Declared):
    """One lookup of a ``Q``."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value
        self.references = [*references(name, value)]

    def bind(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> Bound:
        columns = tuple(
            Column(name, str(field.column), column_type(field))
            for name, field in self._fields(model).items()
        )
        return Compared(self.name, self.value, columns)

    def touches(
        self, model: type[Model], tracked: Sequence[Field[Any, Any]], table: type[Model]
    ) -> bool:
        return all(field.model is table for field in self._fields(model).values())

    def sides(self) -> frozenset[str]:
        return frozenset(side for side, _name in self.references)

    def _fields(self, model: type[Model]) -> dict[str, Any]:
        """Return the fields that are meant, by what the lookup calls them."""
        # Sorted, so that the same condition is always written the same.
        names = sorted({name for _side, name in self.references})
        return {name: model._meta.pk if name == "pk" else find(model, name) for name in names}

    def __repr__(self) -> str:
        return f"Q({self.name}={self.value!r})"


def declared(condition: Any) -> Declared:
    """Return a condition, taking a ``Q`` apart.

    :raises TypeError: for anything else.
    """
    if isinstance(condition, Declared):
        return condition
    if not isinstance(condition, Q) or not condition:
        raise TypeError(f"{condition!r} is no condition: take a Q, a Condition or AnyChange(…).")
    parts = tuple(
        Comparison(*child) if isinstance(child, tuple) else declared(child)
        for child in condition.children
    )
    kinds = {Q.AND: Every, Q.OR: Either}
    if condition.connector not in kinds:
        raise TypeError(f"Conditions are joined with & and |, not {condition.connector}.")
    whole = parts[0] if len(parts) == 1 else Composed(kinds[condition.connector], parts)
    return ~whole if condition.negated else whole
