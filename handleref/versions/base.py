"""What a version is, whoever keeps it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from django.utils.text import capfirst

from handleref.versions.diff import Diff
from handleref.versions.history import History
from handleref.versions.previous import load_previous
from handleref.versions.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from django.db.models import Model

    from handleref.versions.diff import Change
    from handleref.versions.keepers import Keeper


class _Own:
    """Stands for the version's own previous one."""

    def __repr__(self) -> str:
        return "its own previous version"


OWN: Final = _Own()


class Version(State, ABC):
    """What an object was from one recorded change to the next.

    :ivar keeper: who keeps it.
    :ivar model: the class of the object.
    :ivar row: the keeper's own row.

    Two versions are equal when they are the same version of the same keeper.
    """

    def __init__(self, keeper: Keeper, model: type[Model], row: Any) -> None:
        self.keeper = keeper
        self.model = model
        self.row = row

    @property
    def id(self) -> Any:
        """What names the version among those of its model: the key of its row, or a text."""
        return self.row.pk

    @property
    @abstractmethod
    def object_id(self) -> Any:
        """What names the object among those of its model, typed: its primary key, or its stack."""

    @property
    @abstractmethod
    def date(self) -> datetime:
        """When the change was made, aware."""

    @property
    @abstractmethod
    def user(self) -> Any:
        """The user who made the change, or None."""

    @property
    @abstractmethod
    def comment(self) -> str:
        """What was said of the change, or an empty text."""

    @property
    def reverted_from(self) -> Any:
        """The id of the version whose values this one took back, or None."""
        return None

    @property
    def using(self) -> str:
        """The alias of the database that has the object."""
        alias: str = self.row._state.db
        return alias

    # Read when asked for: not every version that is listed is looked into.
    @property
    @abstractmethod
    def data(self) -> Mapping[str, Any]:
        """The values by field name, see :class:`~handleref.versions.State`."""

    @cached_property
    def stamp_fields(self) -> frozenset[str]:
        """The names of the fields that every write changes."""
        return self.keeper.stamp_fields(self.model)

    @property
    def is_deleted(self) -> bool:
        """Whether the object was deleted, softly or for good, as of this version."""
        return self.keeper.is_deleted(self)

    @property
    def history(self) -> History:
        """All versions of the same object."""
        return History(self.keeper, self.model, object_id=self.object_id, using=self.using)

    @cached_property
    def previous(self) -> Version | None:
        """The version before, or None for the first."""
        return self.history.before(self).first()

    @cached_property
    def next(self) -> Version | None:
        """The version after, or None for the last."""
        return self.history.after(self).last()

    @property
    def instance(self) -> Model | None:
        """The object as it is now, soft-deleted or not, or None if its row is gone."""
        return self.keeper.find(self.model, self.object_id, using=self.using)

    def changes(self, previous: State | _Own | None = OWN) -> Diff:
        """Return what changed since another version.

        :param previous: the version to compare with, None for nothing at all;
            by default the version's own previous one.
        """
        return Diff(self.previous if isinstance(previous, _Own) else previous, self)

    def changed_fields(self, previous: State | _Own | None = OWN) -> list[str]:
        """Return the names of the fields that changed, in the model's order, without stamps.

        The first version changed none. Parameters as for :meth:`changes`.
        """
        if isinstance(previous, _Own):
            return self.keeper.changed_fields(self)
        return [] if previous is None else [*self.changes(previous)]

    @staticmethod
    def changes_summary(versions: Iterable[Version]) -> dict[str, dict[Any, Change]]:
        """Return each changed field with its changes by version id.

        :param versions: versions of one model; each is compared with its own
            previous one. The number of queries does not depend on how many.
        :returns: ``{field name: {version id: change}}``, fields sorted by name,
            versions in the order given. First versions change nothing.
        """
        versions = list(versions)
        load_previous(versions)
        summary: dict[str, dict[Any, Change]] = {}
        for version in versions:
            for name, change in version.changes().items() if version.previous else ():
                summary.setdefault(name, {})[version.id] = change
        return dict(sorted(summary.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.keeper.name, self.model, self.using, self.id

    def __str__(self) -> str:
        """Return what the object was called, as far as the keeper knows."""
        return f"{capfirst(self.model._meta.verbose_name)} {self.object_id}"

    def __repr__(self) -> str:
        label = self.model._meta.label
        return f"<{type(self).__name__} {self.id} of {label} {self.object_id}>"
