"""What a model says in its inner ``class HandleRef``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from django.db.models import Model


class HandleRefOptions:
    """The options of one model, found at ``Model._handleref``.

    :ivar tag: the name of the model in handles, by default its lower-case name.
    :ivar delete_cascade: related names to soft-delete along, or True to follow
        ``on_delete``.

    Other names of the inner class are passed through as they are.
    """

    tag: str
    delete_cascade: bool | list[str] | tuple[str, ...] = ()

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    def __repr__(self) -> str:
        values = ", ".join(f"{k}={v!r}" for k, v in sorted(vars(self).items()))
        return f"{type(self).__name__}({values})"


def options(model: type[Model]) -> HandleRefOptions:
    """Return the options of a reference model."""
    reference: Any = model
    found: HandleRefOptions = reference._handleref
    return found


class OptionsAttribute:
    """Computes ``_handleref`` once for each class that asks."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[type, HandleRefOptions] = WeakKeyDictionary()

    def __get__(self, instance: object, owner: type[Model]) -> HandleRefOptions:
        if owner not in self._known:
            self._known[owner] = merged_options(owner)
        return self._known[owner]


def merged_options(model: type[Model]) -> HandleRefOptions:
    """Merge the inner classes ``HandleRef`` along the bases of a model.

    A tag names one table, so a base with a table of its own keeps its tag.
    """
    table: Any = model._meta.concrete_model
    values: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        values |= _declared(vars(base).get("HandleRef"))
        meta = getattr(base, "_meta", None)
        if meta and not meta.abstract and meta.concrete_model is not table:
            values.pop("tag", None)
    values.setdefault("tag", table.__name__.lower())
    return HandleRefOptions(**values)


def _declared(inner: type | None) -> dict[str, Any]:
    bases = reversed(inner.__mro__) if inner else ()
    names = {name: value for base in bases for name, value in vars(base).items()}
    return {name: value for name, value in names.items() if not name.startswith("__")}
