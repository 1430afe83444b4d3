"""``HandleRefModel``: the base of a model that knows when it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import sync_to_async
from django.db import connections, models, router, transaction
from django.utils.translation import gettext_lazy as _

from handleref.exceptions import RowDeletedError, RowRestoredError, StaleRowError
from handleref.references import deletion
from handleref.references.base import alters_data, has_plain_key, owner
from handleref.references.expressions import DELETED, Increment
from handleref.references.fields import (
    CreatedDateTimeField,
    Status,
    StatusField,
    UpdatedDateTimeField,
    VersionField,
    not_before,
)
from handleref.references.handles import make_handle
from handleref.references.managers import HandleRefManager
from handleref.references.options import OptionsAttribute

if TYPE_CHECKING:
    from typing import Self

    from django.db.models import QuerySet
    from django.db.models.base import ModelBase

    from handleref.references.deletion import Deleted


KEPT = frozenset({"deletion", "former_status"})


class HandleRefModel(models.Model):
    """Stamps, counts and soft-deletes its rows, whatever path writes them.

    Options go into an inner ``class HandleRef``, see
    :class:`~handleref.references.options.HandleRefOptions`.
    """

    Status: ClassVar = Status

    created = CreatedDateTimeField(_("created"))
    updated = UpdatedDateTimeField(_("updated"), db_index=True)
    status = StatusField(_("status"))
    version = VersionField(_("version"))
    deletion = models.UUIDField(
        _("deletion"), null=True, default=None, editable=False, db_index=True
    )
    former_status = models.CharField(
        _("former status"), max_length=255, null=True, default=None, editable=False
    )

    objects: ClassVar[HandleRefManager] = HandleRefManager()
    handleref: ClassVar[HandleRefManager] = HandleRefManager()
    _handleref = OptionsAttribute()

    class Meta:
        abstract = True
        base_manager_name = "handleref"
        get_latest_by = "updated"

    @alters_data()
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save as Django does, whether the instance holds its version or not.

        For Django a field that is not held is deferred, and narrows the save to
        the others.
        """
        vars(self).setdefault("version", None)
        try:
            super().save(*args, **kwargs)
        finally:
            self._forget_unknown_version()

    @property
    def ref_tag(self) -> str:
        """The tag of the model in handles."""
        return self._handleref.tag

    @property
    def handle(self) -> str:
        """The row's short name, such as ``org123``; ValueError before it is saved."""
        return make_handle(self.ref_tag, self.pk)

    @alters_data()
    def save_base(
        self,
        raw: bool = False,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Any = None,
    ) -> None:
        """Save, with the stamps among the fields even if not asked for.

        Here and not in a receiver: signals are sent with the fields as they are.
        """
        self._forget_unknown_version()
        if update_fields is not None and not raw:
            update_fields = frozenset(update_fields) | {"updated", "version"}
        try:
            super().save_base(raw, force_insert, force_update, using, update_fields)
        except StaleRowError as error:
            # Not for one that a receiver of our signals ran into.
            if error.instance is self:
                self._keep_transaction(using)
            raise

    def _forget_unknown_version(self) -> None:
        """Let the version be read when it is asked for next."""
        if vars(self).get("version", 0) is None:
            del self.version

    def _keep_transaction(self, using: str | None) -> None:
        """Leave an open transaction usable, since the refused save wrote nothing.

        Unless a base with a table of its own was written before ours.
        """
        using = using or router.db_for_write(type(self), instance=self)
        first: Any = self._meta.concrete_model
        while first._meta.parents:
            first = next(iter(first._meta.parents))
        if connections[using].in_atomic_block and first is owner(type(self)):
            transaction.set_rollback(False, using=using)

    # Django 5.2 returns a bool and hands over one argument less.
    def _do_update(  # type: ignore[override]
        self, base_qs: Any, using: str, pk_val: Any, values: Any, *rest: Any
    ) -> Any:
        """Update the row unless it was deleted or restored behind the instance's back.

        The table with the version is the one with the status; a raw save counts
        nothing, and writes what the fixture says.
        """
        if not any(isinstance(value, Increment) for _field, _model, value in values):
            return super()._do_update(base_qs, using, pk_val, values, *rest)
        # The bookkeeping is that of delete() and restore(), never of an instance.
        values = [value for value in values if value[0].name not in KEPT]
        believed = self._believed_live()
        if believed is not None:
            status: Any = base_qs.model._meta.get_field("status")
            base_qs.query.where.add(status.conditions[believed], "AND")
        update = self._update_by_key if has_plain_key(base_qs.model) else super()._do_update
        written = update(base_qs, using, pk_val, values, *rest)
        if believed is not None and not written:
            self._refuse_stale(base_qs.model._base_manager.using(using), pk_val, believed)
        return written

    def _update_by_key(
        self,
        base_qs: Any,
        using: str,
        pk_val: Any,
        values: Any,
        update_fields: Any,
        forced: bool,
        *returning: Any,
    ) -> Any:
        """Do what Django does, but for its ``filter(pk=…)``: a fifth of a ``save()``."""
        key = base_qs.model._meta.pk
        lookup = key.get_lookup("exact")(key.get_col(base_qs.model._meta.db_table), pk_val)
        base_qs.query.where.add(lookup, "AND")
        return base_qs._update(values, *returning)

    def _believed_live(self) -> bool | None:
        """Return whether the row should be live, or None if its status is set by hand."""
        if vars(self).get("status") != DELETED:
            return True
        return False if vars(self).get("deletion") else None

    def _refuse_stale(self, rows: QuerySet[Any], key: Any, believed: bool) -> None:
        if not rows.filter(pk=key, status__live=not believed).exists():
            return
        row = f"{self._meta.label} {self.pk}"
        if believed:
            raise RowDeletedError(
                f"{row} is deleted, which this instance does not know. Nothing is saved;"
                " only restore() brings the row back.",
                instance=self,
            )
        raise RowRestoredError(
            f"{row} was restored since this instance was read. Nothing is saved;"
            " refresh_from_db() reads the row as it is.",
            instance=self,
        )

    @alters_data()
    def delete(
        self, using: str | None = None, keep_parents: bool = False, *, hard: bool = False
    ) -> Deleted:
        """Soft-delete the row and what it takes along, in one transaction.

        :param using: database alias, by default the router's choice.
        :param keep_parents: as in Django, with ``hard``; a soft delete keeps all rows.
        :param hard: really delete, as Django does.
        :returns: the number of rows deleted, and a dict of model label to number.
        :raises ProtectedError, RestrictedError: see ``HandleRef.delete_cascade``.
        """
        if hard:
            if self._is_saved() and "version" not in vars(self):
                # For who hears of the deletion, and could not ask any more.
                self._read_bookkeeping(self._row(using, "deleted"))
            return super().delete(using=using, keep_parents=keep_parents)
        rows = self._row(using, "deleted")
        operation = deletion.soft_delete(rows)
        held = vars(self)
        if operation.counts and {"created", "status"} <= held.keys():
            self.updated = not_before(self.created, operation.moment)
            self.former_status, self.status = self.status, Status.DELETED.value
            self.deletion = operation.id
            held.pop("version", None)
        else:
            self._read_bookkeeping(rows)
        return operation.result

    @alters_data()
    async def adelete(
        self, using: str | None = None, keep_parents: bool = False, *, hard: bool = False
    ) -> Deleted:
        """Do what :meth:`delete` does."""
        return await sync_to_async(self.delete)(using, keep_parents, hard=hard)

    @alters_data()
    def restore(self, using: str | None = None) -> Deleted:
        """Bring back the row, and exactly what its deletion took.

        :param using: database alias, by default the router's choice.
        :returns: the number of rows restored, and a dict of model label to number.
        :raises ParentDeletedError: while a parent of a row is deleted.
        :raises ValidationError: when a live row has taken a unique value.
        """
        rows = self._row(using, "restored")
        operation = deletion.restore(rows)
        self._read_bookkeeping(rows)
        return operation.result

    @alters_data()
    async def arestore(self, using: str | None = None) -> Deleted:
        """Do what :meth:`restore` does."""
        return await sync_to_async(self.restore)(using)

    def _row(self, using: str | None, verb: str) -> QuerySet[Self]:
        if not self._is_saved():
            raise ValueError(
                f"{self._meta.object_name} object can't be {verb} because its"
                f" {self._meta.pk.attname} attribute is set to None."
            )
        using = using or router.db_for_write(type(self), instance=self)
        rows: QuerySet[Self] = type(self)._base_manager.using(using).filter(pk=self.pk)
        return rows

    def _is_saved(self) -> bool:
        return None not in (self.pk if isinstance(self.pk, tuple) else (self.pk,))

    def _read_bookkeeping(self, rows: QuerySet[Self]) -> None:
        """Take over what the database now says of the row, if it is still there."""
        if values := rows.values(*deletion.BOOKKEEPING).first():
            for name, value in values.items():
                setattr(self, name, value)
