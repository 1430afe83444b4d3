"""One reversal under way: what is to be set, what stands in the way, and the writing."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import ForeignKey, ManyToManyField, Model
from django.utils.translation import gettext as _

from handleref.exceptions import RevertConflictError, RevertError, RevertInvalidError
from handleref.versions.base import Version
from handleref.versions.diff import Diff, same
from handleref.versions.history import History
from handleref.versions.keepers import Keeper
from handleref.versions.state import InstanceState, Misfit, State, fields_of, target_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


class Reversal(Diff):
    """The changes that a :class:`Reverter` made, or would make.

    :ivar instance: the object; with ``dry_run`` as it would be, unsaved.
    """

    def __init__(self, a: State | None, b: State, instance: Model) -> None:
        super().__init__(a, b)
        self.instance = instance


@dataclass
class Plan:
    """What is to be taken back, and from where."""

    history: History
    source: Version
    values: dict[str, Any]
    said: str
    expected_version: Any = None
    expected_state: str | None = None
    whole: bool = False
    recover: bool = False


class Work:
    """One reversal under way, in its transaction."""

    def __init__(self, plan: Plan, using: str) -> None:
        self.plan = plan
        self.using = using
        self.keeper: Keeper = plan.source.keeper
        self.model = plan.source.model
        self.before: State | None = None
        self.values: dict[str, Any] = {}
        self.undeletes = self.deletes = False

    def prepare(self) -> Model:
        """Return the object with the values taken back, not yet saved."""
        object_id = self.plan.source.object_id
        obj = self.keeper.find(self.model, object_id, using=self.using, lock=True)
        if obj is not None:
            self.before = InstanceState(obj, self.keeper.stamp_fields(self.model))
        self._check_expected()
        obj = self._found(obj)
        self._decide()
        self._set(obj)
        return obj

    def _found(self, obj: Model | None) -> Model:
        label = f"{self.model._meta.label} {self.plan.source.object_id}"
        if self.plan.recover and self.before and not self.keeper.is_deleted(self.before):
            raise RevertError(f"{label} is not deleted, so it cannot be recovered.")
        if obj is None and not self.plan.recover:
            raise RevertError(f"{label} exists no more: restore(version) brings it back.")
        return obj or self._blank()

    def _blank(self) -> Model:
        obj = self.model()
        obj._state.db = self.using
        key: Any = self.model._meta.pk
        for field in getattr(key, "fields", [key]):
            setattr(obj, field.attname, self.plan.source.data[field.name])
        return obj

    def _decide(self) -> None:
        """Choose the values, and whether the object is to be undeleted or deleted for them."""
        deleted = self._to_be_deleted()
        values = self.keeper.values_for(self.plan.source, self.plan.values, deleted=deleted)
        if reasons := dict(self._misfits(values)):
            raise RevertInvalidError(reasons)
        self.values = values
        if self.before is not None:
            was_deleted = self.keeper.is_deleted(self.before)
            self.undeletes = was_deleted and not deleted
            self.deletes = deleted and not was_deleted

    def _to_be_deleted(self) -> bool:
        if self.plan.recover:
            return False
        if self.plan.whole or self.before is None:
            return self.plan.source.is_deleted
        after = State(self.model, {**self.before.data, **self.plan.values})
        return self.keeper.is_deleted(after)

    def _set(self, obj: Model) -> None:
        fields = fields_of(self.model)
        for name, value in self.values.items():
            if not isinstance(fields[name], ManyToManyField):
                setattr(obj, fields[name].attname, value)

    @property
    def _many(self) -> dict[str, Any]:
        fields = fields_of(self.model)
        pairs = self.values.items()
        return {name: value for name, value in pairs if isinstance(fields[name], ManyToManyField)}

    def _check_expected(self) -> None:
        plan = self.plan
        if plan.expected_state is not None:
            found = fingerprint(self.before) if self.before else ""
            if found != plan.expected_state:
                raise self._conflict(plan.history.first())
        if plan.expected_version is not None:
            given = plan.expected_version
            expected = given if isinstance(given, Version) else plan.history.get(given)
            newest = plan.history.first()
            if newest is None or newest != expected or self._drifted(newest):
                raise self._conflict(expected)

    def _drifted(self, newest: Version) -> bool:
        """Tell whether the object is not as its newest version says, since somebody told nobody."""
        return self.before is not None and not self.keeper.is_current(newest, self.before)

    def _conflict(self, expected: Version | None) -> RevertConflictError:
        label = f"{self.model._meta.label} {self.plan.source.object_id}"
        diff = Diff(expected, self.before) if expected and self.before else None
        changed = f" Changed: {', '.join(diff)}." if diff else ""
        return RevertConflictError(
            f"{label} has changed since the version that you saw.{changed}"
            " Look at it again, and decide anew.",
            diff=diff,
        )

    def _misfits(self, values: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
        fields = fields_of(self.model)
        for name, value in values.items():
            if isinstance(value, Misfit):
                yield name, [_("The field does not take “%(value)s” any more.") % {"value": value}]
            elif isinstance(fields[name], ForeignKey | ManyToManyField):
                yield from self._lost_targets(fields[name], value)

    def _lost_targets(self, field: Any, value: Any) -> Iterator[tuple[str, list[str]]]:
        keys = set(value) if isinstance(value, tuple) else {value} - {None}
        if self.before is None and issubclass(self.model, field.remote_field.model):
            # What is brought back may point at itself.
            keys -= {self.plan.source.data.get(target_of(field).name)}
        if not keys or (self.before and same(self.before.data.get(field.name), value)):
            return
        target = target_of(field).attname
        rows = field.remote_field.model._base_manager.using(self.using)
        found = rows.filter((f"{target}__in", keys)).values_list(target, flat=True)
        if lost := sorted(map(str, keys - set(found))):
            text = _("What it pointed at exists no more: %(keys)s.")
            yield field.name, [text % {"keys": ", ".join(lost)}]

    def reversal(self, obj: Model) -> Reversal:
        """Return what the object would become."""
        held = InstanceState(obj, self.keeper.stamp_fields(self.model))
        after = State(self.model, {**held.data, **self._many}, held.stamp_fields)
        return Reversal(self.before, after, obj)

    def has_effect(self, obj: Model) -> bool:
        """Tell whether there is anything to write; the mark of a deletion may not be recorded."""
        return self.undeletes or self.deletes or bool(self.reversal(obj))

    def validate(self, obj: Model) -> None:
        """Refuse what the model's own rules refuse."""
        reversal = self.reversal(obj)
        after = cast("State", reversal.b)
        if not self.keeper.is_deleted(after):
            self.keeper.check_restorable(obj)
        passed = {*_empty(obj), *_unfit_already(obj, {*reversal})}
        if self.before is None:
            passed |= {*_pointing_at_itself(obj)}
        clean = partial(
            obj.full_clean, exclude=passed, validate_unique=False, validate_constraints=False
        )
        errors: dict[str, Any] = {}
        for check in (clean, obj.validate_unique, obj.validate_constraints):
            try:
                check()
            except ValidationError as error:
                errors = error.update_error_dict(errors)
        if errors:
            raise RevertInvalidError(errors)

    def write(self, obj: Model) -> None:
        """Validate and write the object as one new version."""
        self.validate(obj)
        if self.undeletes:
            self.keeper.undelete(self._fresh())
            obj = self._again()
        elif self.deletes:
            self.keeper.delete(self._fresh())
            obj = self._again()
        if self.before is None:
            self.keeper.insert(obj, self.plan.source)
        else:
            obj.save(using=self.using)
        for name, value in self._many.items():
            getattr(obj, name).set(value)
        self.keeper.mark_reverted(obj, self.plan.source)

    def _fresh(self) -> Model:
        """Return the row, which is there: it is locked, or was just inserted."""
        found = self.keeper.find(self.model, self.plan.source.object_id, using=self.using)
        return cast("Model", found)

    def _again(self) -> Model:
        """Return the object with the values once more, after its row was deleted or restored."""
        obj = self._fresh()
        self._set(obj)
        return obj

    def written(self) -> State:
        """Return the object as the database now holds it."""
        return InstanceState(self._fresh(), self.keeper.stamp_fields(self.model))


def _empty(obj: Model) -> Iterator[str]:
    """Yield the fields that are empty, as the database takes it: ``blank`` is for forms."""
    for field in obj._meta.fields:
        if getattr(field, "generated", False):
            continue
        value = getattr(obj, field.attname)
        if value in field.empty_values and (field.null or value is not None):
            yield field.name


def _pointing_at_itself(obj: Model) -> Iterator[str]:
    """Yield the foreign keys to the object's own row, which will be there once it is written."""
    for field in obj._meta.fields:
        if isinstance(field, ForeignKey) and isinstance(obj, field.remote_field.model):
            value = getattr(obj, field.attname)
            if value is not None and value == getattr(obj, field.target_field.attname):
                yield field.name


def _unfit_already(obj: Model, changed: Collection[str]) -> Iterator[str]:
    """Yield the fields that are not changed, and do not fit as they are."""
    try:
        obj.clean_fields(exclude=changed)
    except ValidationError as error:
        yield from error.message_dict


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what Django says of unfit values into our own error."""
    try:
        yield
    except RevertInvalidError:
        raise
    except ValidationError as error:
        raise RevertInvalidError(error) from error
    except IntegrityError as error:
        raise RevertInvalidError(
            _("The database refuses: %(reason)s") % {"reason": error}
        ) from error


def fingerprint(state: State) -> str:
    """Return a short text that is the same for the same values, stamps included.

    A page that shows an object can carry it, and hand it to a :class:`Reverter` as
    ``expected_state``: then nothing that was not on the page is overwritten.
    """
    values = sorted((name, repr(value)) for name, value in state.data.items())
    return blake2b(repr(values).encode(), digest_size=16).hexdigest()
