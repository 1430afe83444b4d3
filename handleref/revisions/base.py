"""What the files of this room share; the one place that knows reversion's private parts.

Each stands behind a name of ours; tests/revisions/test_base.py says what would
break without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import reversion
from reversion.revisions import (
    _get_content_type,
    _get_options,
    _m2m_changed_receiver,
    _post_save_receiver,
    _stack,
)

from handleref.references.base import is_reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from django.contrib.contenttypes.models import ContentType
    from django.db.models import Model
    from reversion.models import Version

    # What reversion has among the versions of a frame: content type and object id.
    VersionKey = tuple[ContentType, str]

# A table: a model and the alias of the database that its rows are in.
Source = tuple["type[Model]", str]

# They serialise an instance as it is in memory at every save.
post_save_receiver = _post_save_receiver
m2m_changed_receiver = _m2m_changed_receiver


class Frame(Protocol):
    """What reversion knows of an open block.

    :ivar db_versions: the versions so far, by alias of the database that will have them.
    :ivar meta: models and values of rows to be written beside the revision.
    """

    manage_manually: bool
    db_versions: dict[str, dict[VersionKey, Version]]
    meta: tuple[tuple[Any, dict[str, Any]], ...]


class Options(Protocol):
    """With which options a model is registered, see ``reversion.register()``."""

    fields: tuple[str, ...]
    follow: tuple[str, ...]
    format: str
    for_concrete_model: bool
    ignore_duplicates: bool
    use_natural_foreign_keys: bool
    object_id_field: str


class Luggage:
    """What a block carries: reversion keeps it where it keeps models of meta rows.

    So it is dropped with the block, and shared with the blocks in it and the tasks
    born inside.
    """

    @classmethod
    def found(cls) -> Self | None:
        """Return what the open block carries, or None."""
        for meta, _values in frames()[-1].meta if frames() else ():
            if isinstance(meta, cls):
                return meta
        return None

    @classmethod
    def carried(cls) -> Self:
        """Return what the open block carries from now on.

        :raises RevisionManagementError: when no block is open.
        """
        if luggage := cls.found():
            return luggage
        luggage = cls()
        reversion.add_meta(luggage)
        return luggage

    @property
    def _base_manager(self) -> Self:
        return self

    def db_manager(self, using: str) -> Self:
        """Return what reversion asks to create its meta row."""
        return self

    def create(self, **_: Any) -> None:
        """Write nothing: here reversion would have its meta row written."""

    def keeps_something(self) -> bool:
        """Tell, at the end of a block, whether its revision will have a version."""
        raise NotImplementedError


def frames() -> Sequence[Frame]:
    """Return the open blocks, the innermost last; the list is shared with child tasks."""
    return cast("Sequence[Frame]", _stack.get())


def join(blocks: Sequence[Frame]) -> None:
    """Let this task be in the blocks that a thread has opened for it."""
    _stack.set(blocks)


def is_recording() -> bool:
    """Tell whether a block is open that records what is written."""
    blocks = frames()
    return bool(blocks) and not blocks[-1].manage_manually


def saved_alias() -> str:
    """Return the database whose revision the innermost block is saving: that of no other."""
    *outer, current = frames()
    known: Mapping[str, Any] = outer[-1].db_versions if outer else {}
    return next(alias for alias in current.db_versions if alias not in known)


def options(model: type[Model]) -> Options:
    """Return the options of a registered model.

    :raises RegistrationError: when it is not registered.
    """
    return cast("Options", _get_options(model))


def content_type(model: type[Model], using: str) -> ContentType:
    """Return what stands for a registered model in the versions of a database."""
    return cast("ContentType", _get_content_type(model, using))


def model_of(version: Version) -> type[Model] | None:
    """Return the model of a version, or None if it exists no more."""
    model: type[Model] | None = version.content_type.model_class()
    return model


def relation_names(model: type[Model]) -> frozenset[str]:
    """Return the names by which instances reach other rows, forwards and back."""
    back = {relation.get_accessor_name() or "" for relation in model._meta.related_objects}
    generic: Any = model._meta.private_fields
    fields = [*model._meta.get_fields(), *generic]
    forwards = {field.name for field in fields if field.is_relation and not field.auto_created}
    return frozenset(back | forwards)


def child_tables(model: type[Model]) -> tuple[type[Model], ...]:
    """Return the models whose tables add columns to the model's own."""
    return tuple(
        relation.related_model
        for relation in model._meta.related_objects
        if getattr(relation, "parent_link", False)
    )


def is_tracked(model: type[Model]) -> bool:
    """Tell whether we record a model's rows: of reference models and their bases' tables."""
    ours = is_reference(model) or any(map(is_tracked, child_tables(model)))
    return ours and reversion.is_registered(model)
