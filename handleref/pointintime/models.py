"""``PointInTimeModel``: the base of a model whose replaced rows stay in its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import models, router
from django.db.models.signals import class_prepared
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from handleref.exceptions import StaleRowError
from handleref.pointintime.as_of import guard_links, refuse_past
from handleref.pointintime.constraints import declare_all, kept_apart
from handleref.pointintime.deletion import mark_deleted
from handleref.pointintime.expressions import WrittenKey
from handleref.pointintime.fields import ModifiedByField, RowIdField
from handleref.pointintime.history import timelines
from handleref.pointintime.locking import hold_objects, holding
from handleref.pointintime.lookups import version_of
from handleref.pointintime.managers import PointInTimeManager, RecordsManager, RowsManager
from handleref.pointintime.portions import correct
from handleref.pointintime.saving import SavedAsVersion, Saving, replaced
from handleref.references.base import alters_data

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, datetime
    from typing import Self

    from handleref.moments import Moment
    from handleref.pointintime.history import Span


class PointInTimeModel(SavedAsVersion):
    """Keeps what its rows were: each save replaces a row, and leaves it in the table.

    The current row of an object keeps its primary key; the rows it replaced have keys of
    their own, and that key as ``row_id``.

    :cvar valid_unique: names of fields, or tuples of names, whose values no two objects have
        that are valid at one moment.
    :cvar optimistic: whether ``save()`` refuses an instance whose row was saved by someone
        else since it was read.
    """

    valid_unique: ClassVar[Sequence[str | Sequence[str]]] = ()
    optimistic: ClassVar[bool] = False

    row_id = RowIdField(_("row id"))
    row_version = models.PositiveIntegerField(_("row version"), default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    replaced_at = models.DateTimeField(_("replaced at"), null=True, editable=False)
    start_at = models.DateTimeField(_("start at"), default=timezone.now, blank=True)
    end_at = models.DateTimeField(_("end at"), null=True, blank=True)
    modified_by = ModifiedByField(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("modified by"),
    )
    change_comment = models.TextField(_("comment"), blank=True, default="", editable=False)
    reverted_from = models.PositiveIntegerField(_("reverted from"), null=True, editable=False)

    objects: ClassVar[PointInTimeManager] = PointInTimeManager()
    records: ClassVar[RecordsManager] = RecordsManager()
    _rows: ClassVar[RowsManager] = RowsManager()

    class Meta:
        abstract = True
        base_manager_name = "_rows"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # It begins when it is saved, if nothing else is said.
        if not args and "start_at" not in kwargs:
            vars(self)["start_at"] = None

    @alters_data()
    def save(
        self, user: Any = None, *args: Any, expected_version: int | None = None, **kwargs: Any
    ) -> None:
        """Save as Django does; what the row was becomes a row of its own.

        :param user: who made the version; by default who was set as ``modified_by`` since
            the instance was read, or who the :class:`~.recording.recording` block names.
        :param expected_version: the ``row_version`` that the caller saw.
        :raises RowReplacedError: for a row that was replaced or deleted.
        :raises RowPurgedError: for one that is gone.
        :raises RowChangedError: when the row has another version than expected, or, with
            ``optimistic``, than the instance has.
        """
        with Saving(self, user, expected_version):
            try:
                super().save(*args, **kwargs)
            except StaleRowError as error:
                # Not for one that a receiver of our signals ran into.
                if error.instance is self:
                    self._keep_transaction(kwargs.get("using"))
                raise

    @alters_data()
    async def asave(
        self, user: Any = None, *args: Any, expected_version: int | None = None, **kwargs: Any
    ) -> None:
        """Do what :meth:`save` does."""
        await sync_to_async(self.save)(user, *args, expected_version=expected_version, **kwargs)

    @alters_data()
    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        """Mark the object as deleted: from now on it holds no more, and stays in the table.

        Nothing is deleted along, and nothing stands in the way; :meth:`purge` really deletes.

        :returns: the number of rows, and a dict of model label to number, as Django does.
        :raises RowReplacedError: for a replaced row.
        :raises RowChangedError: with ``optimistic``, when it was saved by someone else.
        """
        rows = self._mine(using).current()
        refuse_past(rows)
        with holding(hold_objects, rows, [self], "deleted") as held:
            result = mark_deleted(held)
        if held:
            self.replaced_at = held.moment
        return result

    @alters_data()
    def rollback_latest(
        self,
        fields: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
        *,
        using: str | None = None,
        **said: Any,
    ) -> int:
        """Take back the last change; it is forgotten, see ``handleref.versions`` for an undo.

        Parameters and result as for :meth:`~.managers.PointInTimeQuerySet.rollback_latest`.
        """
        return self._went_back(using, self._mine(using).rollback_latest(fields, exclude, **said))

    @alters_data()
    def rollback_to_at(
        self,
        time: date | datetime,
        fields: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
        *,
        using: str | None = None,
        **said: Any,
    ) -> int:
        """Take the object back to what it was; what came after is forgotten.

        Parameters and result as for :meth:`~.managers.PointInTimeQuerySet.rollback_to_at`.
        """
        rows = self._mine(using)
        return self._went_back(using, rows.rollback_to_at(time, fields, exclude, **said))

    @alters_data()
    def purge(self, *, using: str | None = None, **said: Any) -> tuple[int, dict[str, int]]:
        """Really delete the object, with all that it ever was.

        Parameters and result as for :meth:`~.managers.PointInTimeQuerySet.purge`.
        """
        result: tuple[int, dict[str, int]] = self._mine(using).purge(**said)
        self.pk = None
        return result

    @alters_data()
    def correct(
        self,
        valid_from: Moment | None = None,
        valid_to: Moment | None = None,
        user: Any = None,
        *,
        using: str | None = None,
        **values: Any,
    ) -> list[Self]:
        """Change values for a part of the object's validity, as ``FOR PORTION OF`` does.

        The object keeps that part; what is left before it and after it becomes objects of
        their own, with the old values and the same many-to-many links. What the instance
        holds unsaved does not count.

        :param valid_from: a datetime (naive: current time zone), a date (its start), or unix
            seconds; by default where the object begins.
        :param valid_to: the same, the first moment that is not meant; by default where it ends.
        :param user: who made the versions.
        :returns: the parts in the order of their times.
        :raises PortionError: when the object is not valid then.
        """
        rows = self._mine(using)
        parts: list[Self] = correct(rows, self, (valid_from, valid_to), user, values)
        self.refresh_from_db(using=rows.db)
        return [self if part.pk == self.pk else part for part in parts]

    def timeline(self, using: str | None = None) -> list[Span]:
        """Return the object's rows as rectangles of two times, oldest version first."""
        using = using or self._state.db or router.db_for_read(type(self), instance=self)
        return timelines(type(self), using, [self.row_id]).get(self.row_id, [])

    @alters_data()
    async def acorrect(self, *args: Any, **kwargs: Any) -> list[Self]:
        """Do what :meth:`correct` does."""
        return await sync_to_async(self.correct)(*args, **kwargs)

    @alters_data()
    async def adelete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        """Do what :meth:`delete` does."""
        return await sync_to_async(self.delete)(using, keep_parents)

    @alters_data()
    async def arollback_latest(self, *args: Any, **kwargs: Any) -> int:
        """Do what :meth:`rollback_latest` does."""
        return await sync_to_async(self.rollback_latest)(*args, **kwargs)

    @alters_data()
    async def arollback_to_at(self, *args: Any, **kwargs: Any) -> int:
        """Do what :meth:`rollback_to_at` does."""
        return await sync_to_async(self.rollback_to_at)(*args, **kwargs)

    @alters_data()
    async def apurge(self, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Do what :meth:`purge` does."""
        return await sync_to_async(self.purge)(**kwargs)

    @alters_data()
    def _save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row itself, as Django does: no version is made."""
        super().save(*args, **kwargs)

    @alters_data()
    def _delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the row itself, as Django does; other rows of the object stay."""
        return super().delete(*args, **kwargs)

    def _mine(self, using: str | None) -> Any:
        """Return the row as a queryset, unless it is a replaced one.

        :raises ValueError: before it is saved.
        :raises RowReplacedError: for a replaced row.
        """
        if self.pk is None:
            raise ValueError(
                f"{self._meta.object_name} object has no {self._meta.pk.attname}: it was not saved,"
                " or was purged."
            )
        if self.row_id not in {None, self.pk}:
            raise replaced(self)
        using = using or router.db_for_write(type(self), instance=self)
        return type(self).records.using(using).filter(pk=self.pk)

    def _went_back(self, using: str | None, count: int) -> int:
        """Let the instance be what its object has become."""
        try:
            self.refresh_from_db(using=using)
        except type(self).DoesNotExist:
            self.pk = None
        return count

    def prepare_database_save(self, field: Any) -> Any:
        """Return what ``update()`` writes; for a frozen key that of the version that this is."""
        key = super().prepare_database_save(field)
        version = version_of(self) if getattr(field, "is_frozen", False) else None
        model: Any = self._meta.concrete_model
        return WrittenKey(model, *version, key) if version else key


def prepare(sender: type[models.Model], **_: Any) -> None:
    """Give a model what keeps its versions sound, and the manager that sees them all.

    Django drops the Meta of an abstract base when a model writes its own.
    """
    if not issubclass(sender, PointInTimeModel) or sender._meta.abstract:
        return
    options: Any = sender._meta
    if not options.base_manager_name and "_rows" in options.managers_map:
        options.base_manager_name = "_rows"
    if not options.proxy and any(f.name == "row_id" for f in options.local_concrete_fields):
        declare_all(sender, kept_apart(sender))
        guard_links(sender)


class_prepared.connect(prepare, dispatch_uid="handleref.pointintime.prepare")
