"""Going back: fields, whole objects, deleted objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from handleref.exceptions import RevertError, RevertInvalidError
from handleref.versions.base import Version
from handleref.versions.history import History
from handleref.versions.keepers import Text
from handleref.versions.registry import keeper_of
from handleref.versions.reversal import Plan, Reversal, Work, refusals
from handleref.versions.state import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.db.models import Field, Model

    from handleref.versions.keepers import Keeper


@dataclass
class Reverter:
    """Takes objects back to earlier versions, each time as one new version.

    :param user: who does it, for the new version.
    :param comment: what to say of it; by default what was done.
    :param keeper: the name of the keeper, where a model has several.
    :param using: the alias of the database with the objects, by default the router's.

    Every method validates with ``full_clean()``, writes in one transaction and
    returns a :class:`Reversal`; with ``dry_run`` it does all but write. Where
    nothing differs, nothing is written. Stamps are never taken back, they go on.

    All raise, before anything is written:
    :class:`~handleref.exceptions.RevertConflictError` when the object is not as in
    ``expected_version`` (a version or its id);
    :class:`~handleref.exceptions.RevertInvalidError` when a value no longer fits;
    :class:`~handleref.exceptions.ParentDeletedError` when the object would be live
    under a deleted parent;
    :class:`~handleref.exceptions.RevertError` for a version of another object.
    """

    user: Any = None
    comment: Text = ""
    keeper: str | None = None
    using: str | None = None

    def revert_fields(
        self,
        obj: Model,
        fields: Mapping[str, Any],
        *,
        expected_version: Any = None,
        expected_state: str | None = None,
        dry_run: bool = False,
    ) -> Reversal:
        """Take back some fields, each from a version of its own.

        :param fields: ``{field name: version}``, a version or its id.
        :param expected_state: what :func:`fingerprint` said of the object.
        """
        history = self._history(obj)
        versions = {name: self._version(history, given) for name, given in fields.items()}
        if not versions:
            raise RevertError("revert_fields() needs at least one field.")
        values = {name: _value(version, name) for name, version in versions.items()}
        # The new version can name one source: the newest.
        source = max(versions.values(), key=_place)
        said = " ".join(_said(versions))
        plan = Plan(history, source, values, said, expected_version, expected_state)
        return self._carry_out(plan, dry_run=dry_run, instance=obj)

    def rollback(
        self,
        obj: Model,
        version: Any,
        *,
        expected_version: Any = None,
        expected_state: str | None = None,
        dry_run: bool = False,
    ) -> Reversal:
        """Take back all fields from one version, a version or its id.

        A soft-deleted object is restored if the version was live, and deleted if
        the version was. Fields that did not exist then stay as they are.
        """
        history = self._history(obj)
        source = self._version(history, version)
        said = _("Rolled back to version %(version)s.") % {"version": _name(source)}
        plan = Plan(
            history, source, _values(source), said, expected_version, expected_state, whole=True
        )
        return self._carry_out(plan, dry_run=dry_run, instance=obj)

    def restore(
        self,
        version: Version,
        *,
        expected_version: Any = None,
        expected_state: str | None = None,
        dry_run: bool = False,
    ) -> Reversal:
        """Bring back a deleted object, soft-deleted or gone, as it was in a version.

        :raises RevertError: when the object is not deleted.
        """
        history = History(
            version.keeper, version.model, object_id=version.object_id, using=version.using
        )
        said = _("Recovered from version %(version)s.") % {"version": _name(version)}
        plan = Plan(
            history,
            version,
            _values(version),
            said,
            expected_version,
            expected_state,
            whole=True,
            recover=True,
        )
        return self._carry_out(plan, dry_run=dry_run)

    def _history(self, obj: Model) -> History:
        keeper = keeper_of(type(obj), self.keeper)
        using = self.using or obj._state.db
        return History(keeper, type(obj), object_id=keeper.id_of(obj), using=using)

    def _version(self, history: History, given: Any) -> Version:
        """Return the version given, if it is one of the object's."""
        version = given if isinstance(given, Version) else history.get(given)
        if version is None or not _is_of(version, history):
            raise RevertError(
                f"{given!r} is no version of {history.model._meta.label} {history.object_id}."
            )
        return version

    def _carry_out(self, plan: Plan, *, dry_run: bool, instance: Any = None) -> Reversal:
        using = self.using or (instance and instance._state.db) or plan.source.using
        work = Work(plan, using)
        with refusals(), transaction.atomic(using=using):
            obj = work.prepare()
            if dry_run or not work.has_effect(obj):
                work.validate(obj)
                return work.reversal(obj)
            with work.keeper.recording(self.user, self.comment or plan.said):
                work.write(obj)
            written = work.written()
        instance = instance or obj
        work.keeper.refresh(instance, using)
        return Reversal(work.before, written, instance)


def _can_be_set(field: Field[Any, Any]) -> bool:
    """Tell whether a field takes values; keys, generated and ``auto_now`` fields do not."""
    kept = field.primary_key or getattr(field, "generated", False)
    return not kept and not getattr(field, "auto_now", False)


def fields_to_take_back(keeper: Keeper, model: type[Model]) -> frozenset[str]:
    """Return the names of the fields that a :class:`Reverter` can take back."""
    stamps, fields = keeper.stamp_fields(model), fields_of(model)
    return frozenset(n for n, field in fields.items() if n not in stamps and _can_be_set(field))


def _values(version: Version) -> dict[str, Any]:
    """Return what a version can give back to its model as that is now."""
    fields = fields_of(version.model)
    return {
        name: value
        for name, value in version.data.items()
        if name in fields and name not in version.stamp_fields and _can_be_set(fields[name])
    }


def _value(version: Version, name: str) -> Any:
    """Return the value of one field, or say why it cannot be taken back."""
    fields = fields_of(version.model)
    if name not in fields:
        reason = _("This field exists no more.")
    elif name in version.stamp_fields or not _can_be_set(fields[name]):
        reason = _("This field cannot be taken back: every write sets it.")
    elif name not in version.data:
        reason = _("This field did not exist then.")
    else:
        return version.data[name]
    raise RevertInvalidError({name: [reason]})


def _is_of(version: Version, history: History) -> bool:
    ours = version.keeper is history.keeper and version.object_id == history.object_id
    return ours and version.model._meta.concrete_model is history.model._meta.concrete_model


def _place(version: Version) -> Any:
    return getattr(version.row, version.keeper.order)


def _said(versions: Mapping[str, Version]) -> Iterator[str]:
    """Yield a sentence for each version that values are taken from, oldest first."""
    comment = _("Took back %(names)s from version %(version)s.")
    for source in sorted(set(versions.values()), key=_place):
        names = [name for name, version in versions.items() if version == source]
        yield comment % {"names": ", ".join(names), "version": _name(source)}


def _name(version: Version) -> str:
    return f"{version.id} ({localize(localtime(version.date))})"
