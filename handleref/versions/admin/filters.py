"""The form that narrows a history: who, which field, from when to when."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from handleref.versions.state import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from handleref.versions.history import History

NOBODY = "nobody"


class HistoryFilter(forms.Form):
    """Narrows a history by the parameters ``user``, ``field``, ``from`` and ``to`` of a page."""

    def __init__(self, history: History, data: Any) -> None:
        super().__init__(data)
        self.history = history
        self.fields |= {
            "user": _choice(_("User"), self._users()),
            "field": _choice(_("Field"), self._names()),
            "from": _day(_("From")),
            "to": _day(_("Until")),
        }

    def _users(self) -> Iterator[tuple[str, Any]]:
        yield "", _("All users")
        users = sorted((user.get_username(), str(user.pk)) for user in self.history.users())
        for name, key in users:
            yield key, name
        yield NOBODY, _("Nobody")

    def _names(self) -> Iterator[tuple[str, Any]]:
        yield "", _("All fields")
        stamps = self.history.keeper.stamp_fields(self.history.model)
        for name, field in fields_of(self.history.model).items():
            if name not in stamps and not field.primary_key:
                yield name, capfirst(field.verbose_name)

    @property
    def is_set(self) -> bool:
        """Whether anything is asked for."""
        return any(self.data.get(name) for name in self.fields)

    def narrowed(self) -> History:
        """Return the history without what is not asked for; a bad value narrows nothing."""
        history = self.history
        self.full_clean()
        asked = self.cleaned_data
        if user := asked.get("user"):
            history = history.by(None if user == NOBODY else user)
        if name := asked.get("field"):
            history = history.changing(name)
        if asked.get("from") or asked.get("to"):
            end = asked.get("to")
            # The last day counts as a whole.
            history = history.between(asked.get("from"), end and end + timedelta(days=1))
        return history


def _choice(label: Any, choices: Iterator[tuple[str, Any]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=[*choices], required=False)


def _day(label: Any) -> forms.DateField:
    # What lies further out is no day any more in some time zones.
    sane = [MinValueValidator(date(1000, 1, 1)), MaxValueValidator(date(9000, 1, 1))]
    widget = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, widget=widget, validators=sane, required=False)
