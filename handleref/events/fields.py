"""The columns of an event model: those of the tracked model, and what ties them to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import models
from django.db.models.fields.related import resolve_relation
from model_utils.fields import AutoCreatedField, AutoLastModifiedField

from handleref.references.fields import StatusField, VersionField
from handleref.triggers.fields import django_field, find, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Field, Model


class Default:
    """Stands for what was not given."""

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final = Default()
# These write by themselves; their copies only keep.
STAMPS: Final = (AutoCreatedField, AutoLastModifiedField, StatusField, VersionField)
# Keys of rows that may be gone: nothing is checked, nothing cascades, nothing points back.
LOOSE: Final[dict[str, Any]] = {
    "on_delete": models.DO_NOTHING,
    "db_constraint": False,
    "db_index": False,
    "related_name": "+",
}


class ObjForeignKey:
    """How events refer to the object.

    :param related_name: the accessor from the object to its events.
    :param options: keyword arguments of the ``ForeignKey``, over those of ours.
    """

    def __init__(self, related_name: str = "events", **options: Any) -> None:
        self.options = {**LOOSE, "related_name": related_name, **options}

    def field(self, model: type[Model]) -> models.ForeignKey[Any, Any]:
        """Return the field that refers to a model."""
        return models.ForeignKey(model, **self.options)


class ContextField(models.ForeignKey):  # type: ignore[type-arg]
    """How events refer to their context: a foreign key that migrations see as a UUID.

    Contexts refer to the user, whose app may have events: with a foreign key in its
    migrations, an app could not begin with a user of its own that is tracked.
    """

    def __init__(self, to: Any = "handleref_events.Context", **options: Any) -> None:
        super().__init__(to, **{"null": True, "editable": False, **LOOSE, **options})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name = str(self.name)
        kwargs = {"null": True, "editable": False, "db_column": f"{name}_id"}
        return name, "django.db.models.UUIDField", [], kwargs

    def clone(self) -> Any:
        return models.UUIDField(**self.deconstruct()[3])


def mirror(field: Field[Any, Any]) -> Field[Any, Any]:
    """Return a field of an event model that takes the values of a tracked field.

    It gives out no numbers, and sets no times: an event says what was.
    """
    # Only for the events that are there when a column is added, as for the rows themselves:
    # else makemigrations would ask for it.
    defaults: dict[str, Any] = {"default": field.default} if field.has_default() else {}
    if field.has_db_default():
        defaults["db_default"] = field.db_default
    if isinstance(field, STAMPS):
        return django_field(field, **defaults)
    if field.remote_field is None:
        return plain(field, **defaults)
    relation: Any = field
    # Not deconstructed: what it refers to may not be there yet.
    return models.ForeignKey(
        resolve_relation(field.model, relation.remote_field.model),
        to_field=relation.to_fields[0],
        db_column=field.db_column,
        null=field.null,
        blank=field.blank,
        verbose_name=vars(relation).get("_verbose_name"),
        **defaults,
        **LOOSE,
    )


def chosen(
    model: type[Model], fields: Iterable[str] | None, exclude: Iterable[str] | None
) -> tuple[str, ...]:
    """Return the names of the fields that are to be copied, in the model's order.

    :raises ValueError: for a name that the model has not; a misspelt one would let a
        secret be kept.
    """
    known = [field for field in model._meta.concrete_fields if field.column is not None]
    left_out = {find(model, name).name for name in exclude or ()}
    wanted = (
        {find(model, n).name for n in fields} if fields is not None else {f.name for f in known}
    )
    keys = {field.name for field in model._meta.pk_fields} if has_composite_key(model) else set()
    return tuple(f.name for f in known if f.name in (wanted - left_out) | keys)


def has_composite_key(model: type[Model]) -> bool:
    """Tell whether the primary key of a model has several columns."""
    return len(model._meta.pk_fields) > 1
