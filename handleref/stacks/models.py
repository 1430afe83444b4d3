"""``AbstractStackModel``: the base of a model of which every save is a new row."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import models, router
from django.db.backends.utils import names_digest
from django.db.models.signals import class_prepared, post_delete
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from handleref.declarations import declare
from handleref.references.base import alters_data
from handleref.stacks import deletion, recording
from handleref.stacks.base import (
    BOOKKEEPING,
    PLACE,
    all_rows,
    known,
    names_by_chance,
    new_stack,
)
from handleref.stacks.context import said
from handleref.stacks.fields import StackLatestField, StackNumberField
from handleref.stacks.managers import StackManager, StackStoreQuerySet

if TYPE_CHECKING:
    from typing import Self

    from django.db.models import Model

    from handleref.stacks.deletion import Deleted


class LatestAccessor:
    """``obj.latest``: the latest version of the stack; a field of that name hides it."""

    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        return self if instance is None else instance.latest_instance()


class AbstractStackModel(models.Model):
    """Every save is a new row; the rows of one object are a stack.

    :cvar stack_skip_unchanged: whether saving what is as in the latest version writes nothing.
    """

    stack_skip_unchanged: ClassVar[bool] = False

    stack_group_uuid = models.UUIDField(_("stack"), default=uuid.uuid4, editable=False)
    stack_number = StackNumberField(_("version number"))
    stack_latest = StackLatestField(_("latest version"))
    stack_created_at = models.DateTimeField(_("version of"), default=timezone.now, editable=False)
    stack_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("user"),
        null=True,
        editable=False,
        related_name="+",
    )
    stack_comment = models.TextField(_("comment"), default="", blank=True, editable=False)
    stack_reverted_from = models.PositiveBigIntegerField(
        _("reverted from"), null=True, default=None, editable=False
    )

    objects: ClassVar[StackManager] = StackManager()
    latest = LatestAccessor()

    class Meta:
        abstract = True
        ordering = ["pk"]
        get_latest_by = ["stack_created_at", "stack_number"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not args and "stack_group_uuid" not in kwargs and names_by_chance(type(self)):
            kwargs["stack_group_uuid"] = new_stack()
        super().__init__(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled, after which others may know of the stack."""
        known(vars(self).get("stack_group_uuid"))
        state: dict[str, Any] = super().__getstate__()
        return state

    # Writing

    @alters_data()
    def save(
        self, *, new_version: bool = True, skip_unchanged: bool | None = None, **kwargs: Any
    ) -> None:
        """Insert a new version with the values of the instance, which becomes that row.

        :param new_version: False to overwrite the row that the instance is.
        :param skip_unchanged: whether nothing is written where nothing differs from the
            latest version; by default what ``stack_skip_unchanged`` says.
        :param kwargs: as in Django: ``using``; ``update_fields``, which takes all else from
            the latest version; ``force_insert``; ``force_update``, which overwrites.
        :raises StackNotAdoptedError: for a stack whose rows have no numbers yet.

        An instance that is no longer the latest version, or never was, makes one with its
        own values. ``F()`` means the value in the version before.
        """
        # The name that django-stackstore-model has for it; not mangled, wherever it is called.
        if not kwargs.pop("__create_new_version", new_version) and not self._state.adding:
            kwargs["force_update"] = True
        if skip_unchanged is None:
            skip_unchanged = self.stack_skip_unchanged
        unless = skip_unchanged and not kwargs.get("force_update") and not self._state.adding
        if unless and recording.become_latest(self, kwargs):
            return
        super().save(**kwargs)

    @alters_data()
    async def asave(
        self, *, new_version: bool = True, skip_unchanged: bool | None = None, **kwargs: Any
    ) -> None:
        """Do what :meth:`save` does."""
        await sync_to_async(self.save)(
            new_version=new_version, skip_unchanged=skip_unchanged, **kwargs
        )

    def _save_table(
        self,
        raw: bool = False,
        cls: Any = None,
        force_insert: bool = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Any = None,
    ) -> bool:
        """Write the row: the first of a stack, the next one, or over itself.

        A raw save writes what the fixture says; one that names no stack begins one.
        """
        write = super()._save_table  # type: ignore[misc]
        if raw:
            if vars(self).get("stack_number") is None and recording.begins(self):
                self.stack_number, self.stack_latest = 1, True
            known(self.stack_group_uuid)
            return bool(write(raw, cls, force_insert, force_update, using, update_fields))
        if force_update:
            return self._overwrite(write, cls, using, update_fields)
        if not recording.begins(self):
            recording.write(self, str(using), update_fields)
            return False
        with recording.unless_refused([self]):
            recording.stamp(self, None, timezone.now(), said())
            write(raw, cls, True, False, using, None)  # noqa: FBT003 - as Django declares it
            recording.wrote(self, str(using))
        return False

    def _overwrite(self, write: Any, cls: Any, using: str | None, names: Any) -> bool:
        """Write over the row that the instance is, but for its place in the stack."""
        if names is None:
            names = {field.name for field in self._meta.concrete_fields} - BOOKKEEPING
        names = frozenset(names) - frozenset(PLACE) - {self._meta.pk.name}
        # Django would take no names for all of them.
        return not names or bool(write(False, cls, False, True, using, names))  # noqa: FBT003

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to delete.

        :raises NotImplementedError: naming the way out.
        """
        raise NotImplementedError(deletion.refusal(type(self)))

    async def adelete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to delete, as :meth:`delete` does."""
        self.delete()

    @alters_data()
    def force_delete(self, using: str | None = None, keep_parents: bool = False) -> Deleted:
        """Delete this version for good; if it is the latest, the one before is from then on.

        :param using: database alias, by default the router's choice.
        :returns: the number of rows deleted, and a dict of model label to number.
        :raises ProtectedError, RestrictedError: as Django's ``delete()``.
        """
        using = using or router.db_for_write(type(self), instance=self)
        row, delete = all_rows(type(self), using).filter(pk=self.pk), super().delete
        return deletion.force_delete(row, lambda: delete(using, keep_parents))

    @alters_data()
    async def aforce_delete(self, using: str | None = None, keep_parents: bool = False) -> Deleted:
        """Do what :meth:`force_delete` does."""
        return await sync_to_async(self.force_delete)(using, keep_parents)

    # The other versions

    def same_group_items(self) -> StackStoreQuerySet[Self]:
        """Return all versions of the stack, newest first."""
        rows: StackStoreQuerySet[Self] = StackStoreQuerySet(type(self), using=self._state.db)
        return rows.filter(stack_group_uuid=self.stack_group_uuid).order_by("-stack_number")

    def previous_instance(self) -> Self:
        """Return the version before.

        :raises DoesNotExist: when there is none.
        """
        number = self._number_of("previous")
        earlier = self.same_group_items().filter(stack_number__lt=number)
        return self._found(earlier.first(), "previous")

    def next_instance(self) -> Self:
        """Return the version after.

        :raises DoesNotExist: when there is none.
        """
        number = self._number_of("next")
        later = self.same_group_items().filter(stack_number__gt=number)
        return self._found(later.last(), "next")

    def latest_instance(self) -> Self:
        """Return the latest version.

        :raises DoesNotExist: when there is none.
        """
        self._number_of("latest")
        return self._found(self.same_group_items().filter(stack_latest=True).first(), "latest")

    def earliest_instance(self) -> Self:
        """Return the first version that there is.

        :raises DoesNotExist: when there is none.
        """
        self._number_of("earliest")
        return self._found(self.same_group_items().last(), "earliest")

    async def aprevious_instance(self) -> Self:
        """Return what :meth:`previous_instance` does."""
        return await sync_to_async(self.previous_instance)()

    async def anext_instance(self) -> Self:
        """Return what :meth:`next_instance` does."""
        return await sync_to_async(self.next_instance)()

    async def alatest_instance(self) -> Self:
        """Return what :meth:`latest_instance` does."""
        return await sync_to_async(self.latest_instance)()

    async def aearliest_instance(self) -> Self:
        """Return what :meth:`earliest_instance` does."""
        return await sync_to_async(self.earliest_instance)()

    def _number_of(self, which: str) -> int:
        if self._state.adding or self.stack_number is None:
            raise self._none(which, "it was never saved")
        return self.stack_number

    def _found(self, version: Self | None, which: str) -> Self:
        if version is None:
            raise self._none(which, "there is none")
        return version

    def _none(self, which: str, why: str) -> Exception:
        name = f"{self._meta.label} {self.stack_group_uuid}"
        error: Exception = self.DoesNotExist(f"No {which} version of {name}: {why}.")
        return error


def keep_sound(sender: type[Model], **_: Any) -> None:
    """Let the database hold the order and the one latest version of each stack of a model."""
    options = sender._meta
    own = {field.name for field in options.local_fields}
    if not issubclass(sender, AbstractStackModel) or options.proxy or "stack_number" not in own:
        return
    digest = names_digest(options.label_lower, length=8)
    declare(
        sender,
        constraints=[
            models.UniqueConstraint(
                fields=["stack_group_uuid", "stack_number"], name=f"stack_number_{digest}"
            ),
            models.UniqueConstraint(
                fields=["stack_group_uuid", "stack_latest"], name=f"stack_latest_{digest}"
            ),
        ],
        indexes=[
            models.Index(fields=["stack_latest", options.pk.name], name=f"stack_page_{digest}")
        ],
    )
    if deletion.may_cascade(sender):
        post_delete.connect(
            deletion.promote_one, sender, dispatch_uid=f"handleref.stacks.promote.{options.label}"
        )


class_prepared.connect(keep_sound, dispatch_uid="handleref.stacks.sound")
