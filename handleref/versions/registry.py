"""Who keeps versions of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.signals import pre_save

from handleref.exceptions import KeeperError
from handleref.versions.as_of import current_moment, refuse_writing
from handleref.versions.history import History

if TYPE_CHECKING:
    from collections.abc import Callable

    from handleref.versions.keepers import Keeper

_keepers: dict[str, Keeper] = {}


def register(keeper: Keeper) -> Callable[[], None]:
    """Let a keeper be found, and return the undoing.

    :raises ValueError: when another keeper has the name.
    """
    if _keepers.get(keeper.name, keeper) is not keeper:
        raise ValueError(f"There is a keeper called {keeper.name!r} already.")
    _keepers[keeper.name] = keeper
    pre_save.connect(refuse_save, dispatch_uid="handleref.versions.as_of")

    def unregister() -> None:
        _keepers.pop(keeper.name, None)

    return unregister


def keepers(model: type[Model]) -> dict[str, Keeper]:
    """Return the keepers of a model by name."""
    return {name: keeper for name, keeper in _keepers.items() if keeper.keeps(model)}


def keeper_of(model: type[Model], name: str | None = None) -> Keeper:
    """Return the keeper of a model.

    :param name: of which one, by default the one that the model's
        ``class HandleRef: keeper = …`` names, or else the only one.
    :raises KeeperError: when there is none, or several and none is named.
    """
    found = keepers(model)
    name = name or named_keeper(model)
    if name in found:
        return found[name]
    if len(found) == 1 and name is None:
        return next(iter(found.values()))
    raise KeeperError(_reason(model, name, found))


def named_keeper(model: type[Model]) -> str | None:
    """Return the keeper that a model's inner ``class HandleRef`` names."""
    name: str | None = getattr(getattr(model, "HandleRef", None), "keeper", None)
    return name


def _reason(model: type[Model], name: str | None, found: dict[str, Keeper]) -> str:
    label, names = model._meta.label, ", ".join(map(repr, sorted(found)))
    if not found:
        installed = ", ".join(map(repr, sorted(_keepers))) or "none at all"
        return f"Nobody keeps versions of {label}. Keepers installed: {installed}."
    if name is None:
        return f"{label} has several keepers, so name one: keeper= takes {names}."
    return f"{label} has no keeper {name!r}: keeper= takes {names}."


def history(
    target: Model | type[Model],
    object_id: Any = None,
    *,
    keeper: str | None = None,
    using: str | None = None,
) -> History:
    """Return the versions of an object or of all objects of a model, newest first.

    :param target: an instance, or a model class.
    :param object_id: with a class, the key of one object, which need not exist any more.
    :param keeper: the name of the keeper, where a model has several.
    :param using: the alias of the database that has the objects, by default that
        of the instance, or the router's.
    :raises KeeperError: when nobody keeps versions of the model, or several do.
    :raises ValueError: for an instance without a key.
    """
    model = target if isinstance(target, type) else type(target)
    found = keeper_of(model, keeper)
    if isinstance(target, Model):
        object_id = found.id_of(target)
        using = using or target._state.db
        if object_id is None:
            raise ValueError(
                f"This {model._meta.object_name} has no key, so no history: it was never"
                f" saved, or is deleted. Ask history({model._meta.object_name}, key)."
            )
    return History(found, model, object_id=object_id, using=using)


def refuse_save(sender: type[Model], instance: Model, **_: Any) -> None:
    """Refuse to save an object that has a keeper while the past is looked at."""
    # The cheap question first: this runs at every save of every model.
    if current_moment() is not None and keepers(sender):
        refuse_writing(f"{sender._meta.label} {instance.pk}")
