"""How a form offers versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    # Generic only for type checkers.
    ModelChoiceField = forms.ModelChoiceField[Any]
else:
    ModelChoiceField = forms.ModelChoiceField


class FrozenChoiceField(ModelChoiceField):
    """A choice among the current rows of a model, and the version that is chosen already."""

    def get_bound_field(self, form: Any, field_name: str) -> Any:
        """Let what the form begins with be among the choices."""
        key = form.get_initial_for_field(self, field_name)
        if key and self.queryset is not None:
            key = getattr(key, "pk", key)
            self.queryset = self.queryset | self.queryset.model._base_manager.filter(pk=key)
        return super().get_bound_field(form, field_name)

    def label_from_instance(self, obj: Any) -> str:
        """Return the name of a row; of a replaced one, with its version."""
        label = super().label_from_instance(obj)
        if obj.replaced_at is None:
            return label
        return _("%(name)s (version %(number)s)") % {"name": label, "number": obj.row_version}
