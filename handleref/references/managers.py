"""The queryset and manager whose every write is stamped and counted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Manager, Max, Model, QuerySet
from django.db.models.constants import OnConflict

from handleref.exceptions import RowDeletedError
from handleref.references import deletion
from handleref.references.base import MANY, alters_data, is_reference
from handleref.references.deletion import BOOKKEEPING
from handleref.references.expressions import DELETED, is_expression, unless_deleted
from handleref.references.fields import live, stamped
from handleref.references.registry import apply_cursors
from handleref.references.signals import rows_written, tell, write_and_tell
from handleref.references.upserts import CountingInsertQuery, NoticingInsertQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime
    from typing import Self

    from handleref.moments import Moment
    from handleref.references.deletion import Deleted
    from handleref.references.upserts import OwnInsertQuery

M = TypeVar("M", bound=Model)


class HandleRefQuerySet(QuerySet[M]):
    """Rows that know when they changed."""

    if TYPE_CHECKING:  # Django's own, which its stubs leave out.
        _fields: Any
        _chain: Callable[[], Self]
        _not_support_combined_queries: Callable[[str], None]

    # Filled with the keys of the rows made, where conflicts may have passed over others.
    _new_keys: list[Any] | None = None

    def since(
        self,
        timestamp: Moment | None = None,
        version: int | None = None,
        *,
        deleted: bool = False,
        **cursors: Any,
    ) -> Self:
        """Return the rows created or changed strictly later than the cursors say.

        :param timestamp: datetime (naive: current time zone), date (its start),
            or unix seconds as int or float.
        :param version: rows whose own version is higher than this.
        :param deleted: include soft-deleted rows.
        :param cursors: further kinds, see :func:`~.registry.register_cursor`.
        :raises TypeError: without a cursor, or with one of another type.
        :raises ValueError: for nan, infinity and what is out of range.

        A timestamp is taken before its transaction commits: a row committed
        later may bear an earlier one, and a reader who has gone on misses it.
        """
        given = {"timestamp": timestamp, "version": version, **cursors}
        rows: Self = apply_cursors(self, given)  # type: ignore[assignment]
        return rows if deleted else rows.undeleted()

    def undeleted(self) -> Self:
        """Return the rows that are not soft-deleted."""
        return self.filter(live())

    def deleted(self) -> Self:
        """Return the soft-deleted rows."""
        return self.filter(status__live=False)

    def last_change(self) -> datetime | None:
        """Return when a row was last written, or None without rows; one query."""
        moment: datetime | None = self.aggregate(last=Max("updated"))["last"]
        return moment

    async def alast_change(self) -> datetime | None:
        """Return what :meth:`last_change` does."""
        return await sync_to_async(self.last_change)()

    @alters_data()
    def update(self, **kwargs: Any) -> int:
        """Update the rows, stamped and counted.

        A status given as an expression passes over soft-deleted rows.

        :raises RowDeletedError: when a soft-deleted row would get another status.
        """
        if not kwargs:
            return super().update()
        values = stamped(self.model, kwargs)
        if "status" in kwargs and kwargs["status"] != DELETED:
            self._refuse_reviving(kwargs["status"])
            values["status"] = unless_deleted(self.model, kwargs["status"])
        fields = map(self.model._meta.get_field, values)
        write = partial(super().update, **values)
        return write_and_tell(self._plain_rows(), "update", fields, write)

    @alters_data()
    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """Update the fields of the objects, stamped and counted.

        :raises RowDeletedError: when a soft-deleted row would get another status.
        """
        objs, fields = tuple(objs), tuple(fields)
        if "status" in fields:
            alive = [obj.pk for obj in objs if vars(obj).get("status") != DELETED]
            for start in range(0, len(alive), MANY):
                part = alive[start : start + MANY]
                self._refuse(self.model._base_manager.using(self.db).filter(pk__in=part))
        # The stamps of the instances are older than those to be written.
        foreign = [name for name in fields if name not in BOOKKEEPING] or fields
        count = super().bulk_update(objs, foreign, batch_size)
        _forget_versions(objs)
        return count

    @alters_data()
    def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[M]:
        """Insert the objects; what is updated on conflict is stamped and counted.

        An upsert leaves the status of a soft-deleted row as it is.
        """
        objs = list(objs)
        options = (batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields)
        insert = partial(super().bulk_create, objs, *options)
        if rows_written.has_listeners(self.model._meta.concrete_model):
            self._for_write = True
            self._new_keys = [] if ignore_conflicts else None
            with transaction.atomic(using=self.db):
                insert()
                pks = [obj.pk for obj in objs if obj.pk is not None]
                pks = pks if self._new_keys is None else self._new_keys
                tell(self, "bulk_create", pks, self.model._meta.concrete_fields)
        else:
            insert()
        if update_conflicts:
            _forget_versions(objs)
        return objs

    @alters_data(queryset_only=False)
    def _insert(
        self,
        objs: list[M],
        fields: list[Any],
        returning_fields: list[Any] | None = None,
        raw: bool = False,
        using: str | None = None,
        on_conflict: OnConflict | None = None,
        update_fields: list[Any] | None = None,
        unique_fields: list[Any] | None = None,
    ) -> list[Any]:
        query: OwnInsertQuery
        noticed = self._new_keys if on_conflict == OnConflict.IGNORE else None
        if on_conflict == OnConflict.UPDATE:
            query = CountingInsertQuery(
                self.model,
                on_conflict=on_conflict,
                update_fields=update_fields or [],
                unique_fields=unique_fields,
            )
        elif noticed is not None:
            query = NoticingInsertQuery(self.model, on_conflict=on_conflict)
            returning_fields = self.model._meta.pk_fields
        else:
            made: list[Any] = super()._insert(  # type: ignore[misc]
                objs, fields, returning_fields, raw, using, on_conflict
            )
            return made
        query.insert_values(fields, [*objs], raw=raw)
        self._for_write = True
        rows: list[Any] = query.get_compiler(using or self.db).execute_sql(returning_fields)
        if noticed is not None:
            noticed += [tuple(row) if len(row) > 1 else row[0] for row in rows]
        return rows

    @alters_data(queryset_only=True)
    def delete(self, *, hard: bool = False) -> Deleted:
        """Soft-delete the rows and what they take along, in one transaction.

        :param hard: really delete, as Django does.
        :returns: the number of rows deleted, and a dict of model label to number.
        :raises ProtectedError, RestrictedError: see ``HandleRef.delete_cascade``.
        """
        if hard or not is_reference(self.model):
            return write_and_tell(self._plain_rows(), "hard_delete", (), super().delete)
        self._refuse_partial("delete")
        operation = deletion.soft_delete(self._plain_rows())
        self._result_cache = None
        return operation.result

    @alters_data(queryset_only=True)
    async def adelete(self, *, hard: bool = False) -> Deleted:
        """Do what :meth:`delete` does."""
        return await sync_to_async(self.delete)(hard=hard)

    @alters_data(queryset_only=True)
    def restore(self) -> Deleted:
        """Bring back the soft-deleted rows, and exactly what their deletions took.

        :returns: the number of rows restored, and a dict of model label to number.
        :raises ParentDeletedError: when a parent of a row is deleted and stays so.
        :raises ValidationError: when a live row has taken a unique value.
        """
        self._refuse_partial("restore")
        operation = deletion.restore(self._plain_rows())
        self._result_cache = None
        return operation.result

    @alters_data(queryset_only=True)
    async def arestore(self) -> Deleted:
        """Do what :meth:`restore` does."""
        return await sync_to_async(self.restore)()

    def _refuse_partial(self, name: str) -> None:
        """Refuse what Django's ``delete()`` refuses, in its words."""
        self._not_support_combined_queries(name)
        if self.query.is_sliced:
            raise TypeError(f"Cannot use 'limit' or 'offset' with {name}().")
        if self.query.distinct_fields:
            raise TypeError(f"Cannot call {name}() after .distinct(*fields).")
        if self._fields is not None:
            raise TypeError(f"Cannot call {name}() after .values() or .values_list()")

    def _plain_rows(self) -> Self:
        rows: Self = self._chain()
        rows._for_write = True
        rows.query.select_for_update = False
        rows.query.select_related = False
        rows.query.clear_ordering(force=True)
        return rows

    def _refuse_reviving(self, status: Any) -> None:
        """Refuse to give a plain status to deleted rows; a slice Django refuses itself."""
        if not is_expression(status) and not self.query.is_sliced:
            self._refuse(self._plain_rows())

    def _refuse(self, rows: QuerySet[Any]) -> None:
        if row := rows.filter(status__live=False).first():
            raise RowDeletedError(
                f"{row._meta.label} {row.pk} is deleted: its status changes only by"
                " restore(). Leave it out with undeleted()."
            )


def _forget_versions(objs: Iterable[Model]) -> None:
    """Let the instances ask the database for the version that it counted."""
    for obj in objs:
        vars(obj).pop("version", None)


class HandleRefManager(Manager.from_queryset(HandleRefQuerySet)):  # type: ignore[misc]
    """The manager of reference models, also in their migrations.

    A subclass stays out of migrations unless it says ``use_in_migrations`` itself.
    """

    use_in_migrations = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.use_in_migrations = vars(cls).get("use_in_migrations", False)

    @property
    def tag(self) -> str:
        """The tag of the model's handles."""
        tag: str = self.prop("tag")
        return tag

    def prop(self, name: str) -> Any:
        """Return an option of the model's inner ``class HandleRef``."""
        return getattr(self.model._handleref, name)
