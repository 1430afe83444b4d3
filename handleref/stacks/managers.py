"""The queryset and manager that know the latest version of each stack."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Manager, Model, QuerySet

from handleref.references.base import alters_data
from handleref.stacks import deletion, upserts
from handleref.stacks.locking import locked_one
from handleref.versions.as_of import refuse_writing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Self

    from handleref.stacks.deletion import Deleted

M = TypeVar("M", bound=Model)


# The name that the document of django-stackstore-model shows.
class StackStoreQuerySet(QuerySet[M]):
    """Versions, of which each stack has a latest one."""

    if TYPE_CHECKING:  # Django's own, which its stubs leave out.
        _fields: tuple[str, ...] | None
        _chain: Callable[[], Self]
        _not_support_combined_queries: Callable[[str], None]

    def latest_from_stack_group(self, *args: Any, **kwargs: Any) -> Self:
        """Return the latest version of each stack, as far as it is among these rows.

        :param args, kwargs: further conditions, as for ``filter()``.
        """
        return self.filter(*args, stack_latest=True, **kwargs)

    def get_latest_from_stack_group(self, *args: Any, **kwargs: Any) -> M:
        """Return the one latest version that fits the conditions.

        :raises DoesNotExist, MultipleObjectsReturned: as ``get()``.
        """
        return self.latest_from_stack_group().get(*args, **kwargs)

    async def aget_latest_from_stack_group(self, *args: Any, **kwargs: Any) -> M:
        """Return what :meth:`get_latest_from_stack_group` does."""
        return await sync_to_async(self.get_latest_from_stack_group)(*args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> M:
        """Return the one row that fits; after ``select_for_update()`` the one that is locked.

        A latest version that is followed by another while its lock is waited for does not
        fit any more: then it is the other one, of which ``update_or_create()`` makes the next.

        :raises DoesNotExist, MultipleObjectsReturned: as in Django.
        """
        found: M | None = None
        if self._waits():
            plain = self._chain()
            plain.query.select_for_update = False
            model: Any = self.model
            with suppress(model.DoesNotExist):
                found = locked_one(plain, lambda rows: QuerySet.get(rows, *args, **kwargs))
        return super().get(*args, **kwargs) if found is None else found

    def _waits(self) -> bool:
        """Tell whether rows are to be locked, those of this table alone, as long as it takes."""
        query: Any = self.query
        told = query.select_for_update_of or query.select_for_update_nowait
        told = told or query.select_for_update_skip_locked or query.select_related
        whole = self._fields is None and not query.combinator and not query.is_sliced
        return bool(query.select_for_update and whole and not told)

    @alters_data()
    def update(
        self, *, new_version: bool = True, skip_unchanged: bool | None = None, **kwargs: Any
    ) -> int:
        """Write a new version of each stack whose latest version is among the rows.

        Older versions among the rows do not count. In a number of statements that does
        not depend on how many rows there are.

        :param new_version: False to overwrite all these rows, old versions too.
        :param skip_unchanged: whether stacks in which no value changes get no new version;
            by default what the model's ``stack_skip_unchanged`` says.
        :returns: how many versions were written, or rows overwritten.
        :raises ValueError: for a field that numbers versions, unless overwriting.
        """
        refuse_writing(self.model._meta.label)
        if not new_version or not kwargs:
            return super().update(**kwargs)
        self._refuse_partial("update")
        self._for_write = True
        if skip_unchanged is None:
            skip_unchanged = getattr(self.model, "stack_skip_unchanged", False)
        written = upserts.update(self._chain(), kwargs, skip_unchanged=skip_unchanged)
        self._result_cache = None
        return written

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
        """Insert versions: of new stacks, or the next ones of those whose group they name.

        Several of one stack are numbered in the order in which they come. Instances that
        are versions already become new ones, as by ``save()``.

        :raises ValueError: when conflicts were to be passed over, or to overwrite versions.
        """
        objs = list(objs)
        insert = super().bulk_create
        options = (ignore_conflicts, update_conflicts, update_fields, unique_fields)
        self._for_write = True
        refuse_writing(self.model._meta.label)
        with transaction.atomic(using=self.db, savepoint=False):
            upserts.create(objs, self.db, lambda new: insert(new, batch_size, *options), options)
        return objs

    @alters_data()
    def bulk_update(
        self,
        objs: Iterable[M],
        fields: Iterable[str],
        batch_size: int | None = None,
        *,
        new_version: bool = True,
    ) -> int:
        """Write a new version of each object's stack, with the values of the fields in it.

        All else is as in the latest version. The objects become the new versions.

        :param new_version: False to overwrite the rows of the objects.
        :returns: how many versions were written, or rows overwritten.
        """
        self._for_write = True
        refuse_writing(self.model._meta.label)
        if not new_version:
            plain: QuerySet[M] = QuerySet(self.model, using=self.db)
            return plain.bulk_update(objs, fields, batch_size)
        if batch_size is not None and batch_size <= 0:
            raise ValueError("Batch size must be a positive integer.")
        return upserts.bulk_update(self.model, [*objs], [*fields], self.db)

    @alters_data()
    async def abulk_update(
        self,
        objs: Iterable[M],
        fields: Iterable[str],
        batch_size: int | None = None,
        *,
        new_version: bool = True,
    ) -> int:
        """Do what :meth:`bulk_update` does."""
        return await sync_to_async(self.bulk_update)(
            objs, fields, batch_size, new_version=new_version
        )

    @alters_data(queryset_only=True)
    def delete(self) -> NoReturn:
        """Refuse to delete.

        :raises NotImplementedError: naming the way out.
        """
        raise NotImplementedError(deletion.refusal(self.model))

    @alters_data(queryset_only=True)
    async def adelete(self) -> NoReturn:
        """Refuse to delete, as :meth:`delete` does."""
        self.delete()

    @alters_data(queryset_only=True)
    def force_delete(self) -> Deleted:
        """Delete the rows for good, as Django does; what comes before a latest one is the latest.

        :returns: the number of rows deleted, and a dict of model label to number.
        :raises ProtectedError, RestrictedError: as Django's ``delete()``.
        """
        self._for_write = True
        self._refuse_partial("force_delete")
        result = deletion.force_delete(self, super().delete)
        self._result_cache = None
        return result

    @alters_data(queryset_only=True)
    async def aforce_delete(self) -> Deleted:
        """Do what :meth:`force_delete` does."""
        return await sync_to_async(self.force_delete)()

    def _refuse_partial(self, name: str) -> None:
        """Refuse what Django refuses to update and to delete, in its words."""
        self._not_support_combined_queries(name)
        if self.query.is_sliced:
            raise TypeError(f"Cannot use 'limit' or 'offset' with {name}().")
        if self.query.distinct_fields:
            raise TypeError(f"Cannot call {name}() after .distinct(*fields).")


class StackManager(Manager.from_queryset(StackStoreQuerySet)):  # type: ignore[misc]
    """The manager of stacks, also in their migrations.

    A subclass stays out of migrations unless it says ``use_in_migrations`` itself.
    """

    use_in_migrations = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.use_in_migrations = vars(cls).get("use_in_migrations", False)
