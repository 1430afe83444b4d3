"""What the values of fields are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Field, ForeignKey, ManyToManyField
from django.utils.translation import gettext as _

from handleref.versions.state import target_of

if TYPE_CHECKING:
    from django.db.models import Model

    # The model, the attribute that the keys are of, and what else narrows its rows.
    Relation = tuple[type[Model], str, tuple[tuple[str, Any], ...]]


class Labels:
    """The names of related rows, read together: one query for each related model.

    :param using: the alias of the database that has them.
    """

    def __init__(self, using: str | None = None) -> None:
        self.using = using
        self._wanted: dict[Relation, set[Any]] = {}
        self._known: dict[Relation, dict[Any, str]] = {}

    def want(self, field: Field[Any, Any] | None, value: Any) -> None:
        """Ask for the name of what a relation's value points at."""
        if isinstance(field, ForeignKey | ManyToManyField) and value is not None:
            keys = value if isinstance(value, tuple | list) else (value,)
            self._wanted.setdefault(_relation(field), set()).update(keys)

    def load(self) -> None:
        """Read the names that were asked for."""
        for relation, keys in self._wanted.items():
            model, name, conditions = relation
            rows = model._base_manager.using(self.using).filter((f"{name}__in", keys), *conditions)
            # Names often tell of a parent, which would cost a query each.
            if parents := [field.name for field in model._meta.fields if field.remote_field]:
                rows = rows.select_related(*parents)
            self._known[relation] = {getattr(row, name): str(row) for row in rows}

    def of(self, field: Field[Any, Any] | None, value: Any) -> Any:
        """Return the label of a value, or the value itself if it needs none."""
        if isinstance(value, tuple | list) and isinstance(field, ManyToManyField):
            return [self._of_key(field, key) for key in value]
        if isinstance(field, ForeignKey) and value is not None:
            return self._of_key(field, value)
        choices = dict(getattr(field, "flatchoices", ()))
        try:
            return choices.get(value, value)
        except TypeError:
            # What cannot be hashed is no choice.
            return value

    def _of_key(self, field: Any, key: Any) -> Any:
        known = self._known.get(_relation(field))
        if known is None:
            return key
        return known[key] if key in known else _("%(key)s (exists no more)") % {"key": key}


NO_LABELS = Labels()


def _relation(field: ForeignKey[Any, Any] | ManyToManyField[Any, Any]) -> Relation:
    target = target_of(field)
    return field.remote_field.model, target.attname, () if target.unique else _conditions(field)


def _conditions(field: Any) -> tuple[tuple[str, Any], ...]:
    """Return what tells the row that is meant from others with the same key."""
    return tuple(dict(field.get_extra_descriptor_filter(None)).items())
