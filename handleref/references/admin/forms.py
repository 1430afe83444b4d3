"""Forms that neither delete rows nor bring them back by their status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.forms import BaseModelFormSet
from django.utils.translation import gettext_lazy as _

from handleref.references.expressions import DELETED

if TYPE_CHECKING:
    from django.db.models import Model
    from django.forms import Field, ModelForm


def is_deleted(row: Model | None) -> bool:
    """Tell whether there is a row, and it is soft-deleted."""
    return getattr(row, "status", None) == DELETED


def keep_alive(field: Field) -> Field:
    """Let the form field of a status neither offer nor take "deleted"."""
    if hasattr(field, "choices"):
        field.choices = _without_deleted(field.choices)
    field.validators = [*field.validators, _refuse_deleted]
    return field


def _without_deleted(choices: Any) -> list[Any]:
    """Return the choices, grouped ones included, without "deleted"."""
    return [
        (value, _without_deleted(label) if isinstance(label, list | tuple) else label)
        for value, label in choices
        if value != DELETED
    ]


def _refuse_deleted(value: Any) -> None:
    if value == DELETED:
        raise ValidationError(_("Delete the row instead: that can be undone."), code="deleted")


class LiveRowsFormSet(BaseModelFormSet):  # type: ignore[type-arg]  # no generic at run time
    """Edits the rows of a change list, the deleted ones left out."""

    def add_fields(self, form: ModelForm[Any], index: int | None) -> None:
        if is_deleted(form.instance):
            form.fields.clear()
        super().add_fields(form, index)
