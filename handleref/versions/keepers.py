"""What the keeper of versions must tell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import router
from django.utils.functional import Promise

from handleref.versions.diff import same

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import Model, QuerySet

    from handleref.versions.base import Version
    from handleref.versions.state import State

Text = str | Promise


class Keeper(ABC):
    """One way to keep versions.

    Each version is a row that a queryset can give; the class attributes name the
    lookups on such rows. The rest of ``handleref.versions`` is written against these.

    :cvar name: what models and callers call it, such as ``"revisions"``.
    :cvar order: a total order among the versions of one object, which agrees
        with the order of the writes, whatever the clocks say.
    :cvar object_id: what names the object, in the keeper's form.
    :cvar date: when the change was made.
    :cvar user: the foreign key to who made it.
    :cvar timeline: an order among the versions of all objects, as the writes were made;
        by default ``order``, which not every keeper counts across objects.
    :cvar deletes: whether its objects can be deleted as Django does.
    """

    name: ClassVar[str]
    order: ClassVar[str]
    object_id: ClassVar[str]
    date: ClassVar[str]
    user: ClassVar[str]
    timeline: ClassVar[str] = ""
    deletes: ClassVar[bool] = True

    # Reading

    @abstractmethod
    def keeps(self, model: type[Model]) -> bool:
        """Tell whether versions of the model are kept."""

    @abstractmethod
    def rows(self, model: type[Model], using: str | None = None) -> QuerySet[Any]:
        """Return the rows of every version of every object of the model, unordered.

        :param using: the alias of the database that has the objects, by default the router's.
        """

    @abstractmethod
    def version(self, model: type[Model], row: Any) -> Version:
        """Return the version that a row stands for; no query."""

    @abstractmethod
    def changing(self, rows: QuerySet[Any], field: str) -> QuerySet[Any]:
        """Narrow rows to those whose version changed the field; first versions changed none."""

    @abstractmethod
    def searched(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Narrow rows to those whose object was called something with the text in it."""

    @abstractmethod
    def existing(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow rows to versions as of which the object was not deleted."""

    @abstractmethod
    def gone(
        self, model: type[Model], rows: QuerySet[Any], using: str | None = None
    ) -> QuerySet[Any]:
        """Narrow rows to those of objects that are deleted now, softly or for good."""

    def at(self, rows: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        """Narrow rows to those made at a moment or before it.

        A keeper of whose versions none says that the object was deleted leaves out
        those that a deletion had ended by then.
        """
        return rows.filter((f"{self.date}__lte", moment))

    def with_id(self, rows: QuerySet[Any], version_id: Any) -> QuerySet[Any]:
        """Narrow rows to that of the version with an id, see :attr:`Version.id`.

        :raises TypeError, ValueError, ValidationError: for what is no id.
        """
        return rows.filter(pk=version_id)

    def stored_id(self, object_id: Any) -> Any:
        """Return the keeper's form of what names an object."""
        return object_id

    def id_of(self, obj: Model) -> Any:
        """Return what names the object among those of its model."""
        return obj.pk

    def changed_fields(self, version: Version) -> list[str]:
        """Return the fields that the version changed; a keeper that wrote them down knows."""
        return [*version.changes()] if version.previous else []

    # What its models are like

    @abstractmethod
    def stamp_fields(self, model: type[Model]) -> frozenset[str]:
        """Return the names of the fields that tell of a write rather than of the object."""

    @abstractmethod
    def is_deleted(self, version: State) -> bool:
        """Tell whether the object is deleted, softly or for good, in a version or state."""

    def is_current(self, version: Version, state: State) -> bool:
        """Tell whether an object still has the values of a version, its stamps aside."""
        both = version.data.keys() & state.data.keys() - version.stamp_fields
        return all(same(version.data[name], state.data[name]) for name in both)

    def objects(self, model: type[Model], using: str | None = None) -> QuerySet[Any]:
        """Return the rows that are objects as they are now, soft-deleted or not."""
        return model._base_manager.using(using or router.db_for_write(model))

    def find(
        self, model: type[Model], object_id: Any, *, using: str | None = None, lock: bool = False
    ) -> Model | None:
        """Return the object, soft-deleted or not, or None if its row is gone.

        :param using: the alias of the database that has the row.
        :param lock: whether to hold the row until the transaction ends.
        """
        rows = self.objects(model, using)
        return (rows.select_for_update() if lock else rows).filter(pk=object_id).first()

    # Writing

    @abstractmethod
    def recording(self, user: Any = None, comment: Text = "") -> AbstractContextManager[Any]:
        """Return the block whose writes become versions by the user, with the comment.

        :param comment: a text; a lazy one is read when the block ends.
        """

    def values_for(
        self, version: Version, values: dict[str, Any], *, deleted: bool
    ) -> dict[str, Any]:
        """Return the values of a version as they are to be set.

        :param deleted: whether the object will be soft-deleted then.
        """
        return values

    @abstractmethod
    def check_restorable(self, obj: Model) -> None:
        """Refuse an object that would be live under a deleted parent.

        :raises ParentDeletedError: naming the parent.
        """

    @abstractmethod
    def mark_reverted(self, obj: Model, version: Version) -> None:
        """Note in the block being recorded that the object took back values of a version."""

    def undelete(self, obj: Model) -> None:
        """Bring back a soft-deleted object, by the rules of its model."""
        raise NotImplementedError(f"{self.name} knows no soft-deleted objects.")

    def delete(self, obj: Model) -> None:
        """Delete a live object, softly if its model can, by the rules of its model."""
        obj.delete()

    def refresh(self, obj: Model, using: str) -> None:
        """Let an instance that the caller holds become the object as it is now."""
        obj.refresh_from_db(using=using)

    def insert(self, obj: Model, version: Version) -> None:
        """Write the row of an object that is gone anew; stamps go on from the version's."""
        obj.save(force_insert=True)
