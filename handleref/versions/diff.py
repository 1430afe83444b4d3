"""What differs between two states of an object, field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from django.db.models import CharField, Field, ManyToManyField, TextField
from django.utils.translation import gettext as _

from handleref.versions.labels import NO_LABELS, Labels
from handleref.versions.state import Misfit, State, fields_of
from handleref.versions.words import Part, word_diff

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Missing:
    """Stands for the value of a field that did not exist."""

    def __repr__(self) -> str:
        return "MISSING"

    def __str__(self) -> str:
        return ""

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()


@dataclasses.dataclass
class Change:
    """What became of one field.

    :ivar name: the field's name.
    :ivar field: the field, or None if the model has it no more.
    :ivar old, new: its values, typed; ``MISSING`` where the field did not exist.
    :ivar labels: what foreign keys are called, once :meth:`Diff.label` has read it.
    """

    name: str
    field: Field[Any, Any] | None
    old: Any
    new: Any
    labels: Labels = dataclasses.field(default=NO_LABELS, repr=False, compare=False)

    @property
    def verbose_name(self) -> str:
        """The field's name for people."""
        return str(self.field.verbose_name) if self.field else self.name

    @property
    def note(self) -> str:
        """What is to be said of the field itself, or an empty text."""
        if self.field is None:
            return _("This field exists no more.")
        if isinstance(self.old, Misfit) or isinstance(self.new, Misfit):
            return _("The field does not take this value any more.")
        if MISSING in (self.old, self.new):
            return _("This field did not exist then.")
        return ""

    @property
    def is_many(self) -> bool:
        """Whether it is a many-to-many relation."""
        return isinstance(self.field, ManyToManyField)

    @property
    def added(self) -> list[Any]:
        """The keys that a many-to-many relation gained, in order."""
        return _without(self.new, self.old)

    @property
    def removed(self) -> list[Any]:
        """The keys that a many-to-many relation lost, in order."""
        return _without(self.old, self.new)

    @property
    def is_text(self) -> bool:
        """Whether both values are texts, without choices, that :attr:`words` can compare."""
        free = isinstance(self.field, CharField | TextField) and not self.field.choices
        return free and isinstance(self.old, str) and isinstance(self.new, str)

    @property
    def words(self) -> list[Part]:
        """What changed within a text, see :func:`~handleref.versions.words.word_diff`."""
        return word_diff(self.old, self.new) if self.is_text else []

    @property
    def old_label(self) -> Any:
        """The old value for people: of choices and foreign keys the label."""
        return self._label(self.old)

    @property
    def new_label(self) -> Any:
        """The new value for people: of choices and foreign keys the label."""
        return self._label(self.new)

    def _label(self, value: Any) -> Any:
        return value if _is_no_value(value) else self.labels.of(self.field, value)

    @property
    def added_labels(self) -> Any:
        """The labels of :attr:`added`."""
        return self.labels.of(self.field, self.added)

    @property
    def removed_labels(self) -> Any:
        """The labels of :attr:`removed`."""
        return self.labels.of(self.field, self.removed)


def _is_no_value(value: Any) -> bool:
    return value is MISSING or isinstance(value, Misfit)


def _without(keys: Any, others: Any) -> list[Any]:
    known = set(_keys(others))
    return [key for key in _keys(keys) if key not in known]


def _keys(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()


Hook = Callable[[Change], Change | None]


class Diff(Mapping[str, Change]):
    """The changes from one state to another, by field name and in the model's order.

    :param a, b: versions or other states of one model; None for nothing at all,
        from which every field of the other changes.
    :param stamps: whether to compare the stamps (such as version, created, updated) too.
    :param hooks: called with each change of a field, by its name or else its
        class (the nearest one); what they return takes its place, None leaves it out.
    """

    def __init__(
        self,
        a: State | None,
        b: State | None,
        *,
        stamps: bool = False,
        hooks: Mapping[str | type[Field[Any, Any]], Hook] | None = None,
    ) -> None:
        self.a, self.b = a, b
        self.hooks = hooks or {}
        ignored = frozenset() if stamps else _stamps(a) | _stamps(b)
        hooked = (self._hooked(change) for change in _changes(a, b, ignored))
        self._changes = {change.name: change for change in hooked if change}

    def _hooked(self, change: Change) -> Change | None:
        hook = self.hooks.get(change.name)
        for kind in type(change.field).__mro__ if hook is None and change.field else ():
            if hook := self.hooks.get(kind):
                break
        return hook(change) if hook else change

    @staticmethod
    def label(diffs: Iterable[Diff], using: str | None = None) -> None:
        """Read what the foreign keys of all the diffs are called, for ``old_label`` and the like.

        :param using: the alias of the database that has the related rows.

        One query for each related model, however many diffs.
        """
        changes = [change for diff in diffs for change in diff.values()]
        labels = Labels(using)
        for change in changes:
            for value in (change.old, change.new):
                if not _is_no_value(value):
                    labels.want(change.field, value)
        labels.load()
        for change in changes:
            change.labels = labels

    def __getitem__(self, name: str) -> Change:
        return self._changes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._changes)

    def __len__(self) -> int:
        return len(self._changes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(self) or 'nothing'}>"


def _stamps(state: State | None) -> frozenset[str]:
    return state.stamp_fields if state else frozenset()


def _changes(a: State | None, b: State | None, ignored: frozenset[str]) -> Iterator[Change]:
    model = (b or a).model if (b or a) else None  # type: ignore[union-attr]
    fields = fields_of(model) if model else {}
    old, new = (state.data if state else {} for state in (a, b))
    strangers = sorted((old.keys() | new.keys()) - fields.keys())
    for name in [*fields, *strangers]:
        before, after = old.get(name, MISSING), new.get(name, MISSING)
        if name not in ignored and not same(before, after):
            yield Change(name, fields.get(name), before, after)


def same(old: Any, new: Any) -> bool:
    """Tell whether two values of one field are the same; relations have no order."""
    if isinstance(old, tuple) and isinstance(new, tuple):
        return set(old) == set(new)
    if isinstance(old, dict | list) and isinstance(new, dict | list):
        return bool(strict(old) == strict(new))
    return bool(old == new)


def strict(value: Any) -> Any:
    """Return a value of JSON as one that equals no other: Python takes 1, 1.0 and True for one."""
    if isinstance(value, dict):
        return {key: strict(each) for key, each in value.items()}
    if isinstance(value, list):
        return [strict(each) for each in value]
    return type(value), value


def relabelled(change: Change, **values: Any) -> Change:
    """Return the change with other values, for hooks."""
    return dataclasses.replace(change, **values)
