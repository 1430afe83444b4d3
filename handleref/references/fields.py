"""The fields of a row that knows when it changed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.db.models.signals import class_prepared
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from model_utils.fields import AutoCreatedField, AutoLastModifiedField

from handleref.references.expressions import DELETED, Increment, Live, not_before

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import Model, Q

    # Generic only for type checkers, as in model_utils.
    CharField = models.CharField[str, str]
    IntegerField = models.IntegerField[int, int]
else:
    CharField = models.CharField
    IntegerField = models.IntegerField


class Status(models.TextChoices):
    """The statuses that every reference model has; a project may add its own."""

    OK = "ok", _("ok")
    PENDING = "pending", _("pending")
    DELETED = DELETED, _("deleted")


class StatusField(CharField):
    """The status of a row, with the lookup ``status__live``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 255)
        kwargs.setdefault("blank", True)
        kwargs.setdefault("choices", Status.choices)
        kwargs.setdefault("default", Status.OK.value)
        super().__init__(*args, **kwargs)


StatusField.register_lookup(Live)


def live(relation: str = "") -> Q:
    """Return the condition that a row, or a related row, is not soft-deleted.

    :param relation: the query path to the related rows, such as ``"airports"``;
        empty for the row itself.

    Use it in ``Count("airports", filter=live("airports"))``, in the queryset of
    a ``Prefetch``, and in ``filter()`` across joins.
    """
    path = f"{relation}__status__live" if relation else "status__live"
    return models.Q((path, True))


class CreatedDateTimeField(AutoCreatedField):
    """When the row was created: aware, kept when the caller has set it."""


class UpdatedDateTimeField(AutoLastModifiedField):
    """When the row was last written: aware, and never before ``created``."""

    def get_default(self) -> datetime:
        """Return the present; the parent class would keep its first answer."""
        moment: datetime = AutoCreatedField.get_default(self)
        return moment

    def pre_save(self, model_instance: Model, add: bool) -> datetime:
        """Stamp the instance with the present and return the stamp."""
        moment = now()
        # Not getattr(): a deferred ``created`` would cost a query.
        created = model_instance.__dict__.get("created")
        if created is not None and created > moment:
            moment = created
        setattr(model_instance, self.attname, moment)
        return moment


class VersionAttribute(DeferredAttribute):
    """Reads the version from the database when the instance does not know it.

    The database counts, so that after an ``UPDATE`` that returns no rows the
    instance holds None. A missing value would be read as well, but Django would
    take the field for deferred and narrow the next ``save()`` to the others.
    """

    def __get__(self, instance: Model | None, cls: type[Model] | None = None) -> Any:
        if instance is None:
            return self
        if (version := instance.__dict__.get(self.field.attname)) is None:
            instance.__dict__.pop(self.field.attname, None)
            version = super().__get__(instance, cls)
        return version

    def __set__(self, instance: Model, value: int | None) -> None:
        instance.__dict__[self.field.attname] = value


class VersionField(IntegerField):
    """How often the row was written: 1 when created, counted by the database."""

    descriptor_class = VersionAttribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", 1)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    @cached_property
    def increment(self) -> Increment:
        """The expression that counts one more write."""
        return Increment(self)

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = False) -> None:
        """Join the model, and see to its Meta once it has its managers."""
        super().contribute_to_class(cls, name, private_only)
        class_prepared.connect(keep_meta, sender=cls)

    def pre_save(self, model_instance: Model, add: bool) -> int | Increment:
        """Return 1 for a new row, else the increment; the instance forgets its own."""
        model_instance.__dict__[self.attname] = 1 if add else None
        return 1 if add else self.increment


def keep_meta(sender: type[Model], **_: Any) -> None:
    """Give a model our base manager, which counts related writes.

    Django drops the Meta of an abstract base when a model writes its own, and
    with it ``base_manager_name`` and ``get_latest_by``.
    """
    options = sender._meta
    if not options.base_manager_name and "handleref" in options.managers_map:
        options.base_manager_name = "handleref"
    if not options.get_latest_by:
        options.get_latest_by = "updated"


def stamped(model: type[Model], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of an ``UPDATE`` with the stamps added.

    A stamp that the caller gives stays.
    """
    version: Any = model._meta.get_field("version")
    stamps = {
        "updated": not_before(model, "created", now()),
        "version": version.increment,
    }
    return {**values, **{k: v for k, v in stamps.items() if k not in values}}
