"""The fields of a row that knows when it changed."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.signals import class_prepared
from django.utils.timezone import is_aware, now
from django.utils.translation import gettext_lazy as _
from model_utils.fields import AutoCreatedField, AutoLastModifiedField

from handleref.references.expressions import (
    DELETED,
    Increment,
    Live,
    column,
    is_expression,
    later,
)

if TYPE_CHECKING:
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

    @cached_property
    def conditions(self) -> dict[bool, Live]:
        """The conditions that a row is live, or is not, made once for every save."""
        status = column(self.model, self.name)
        return {expected: Live(status, expected) for expected in (True, False)}


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


def not_before(created: object, moment: datetime) -> datetime:
    """Return the moment, or ``created`` if that is known and later."""
    if isinstance(created, datetime) and is_aware(created) == is_aware(moment):
        return max(created, moment)
    return moment


class UpdatedDateTimeField(AutoLastModifiedField):
    """When the row was last written: aware, and never before ``created``."""

    def get_default(self) -> datetime:
        """Return the present; the parent class would keep its first answer."""
        return now()

    def pre_save(self, model_instance: Model, add: bool) -> Any:
        """Stamp the instance with the present and return the stamp."""
        moment = now()
        # Not getattr(): a deferred ``created`` would cost a query.
        created = vars(model_instance).get("created")
        moment = not_before(created, moment)
        setattr(model_instance, self.attname, moment)
        return later(created, moment) if is_expression(created) else moment


class VersionField(IntegerField):
    """How often the row was written: 1 when created, counted by the database."""

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
        """Return 1 for a new row, else the increment; the instance forgets its own.

        What the instance does not hold, Django reads when it is asked for.
        """
        if add:
            setattr(model_instance, self.attname, 1)
            return 1
        model_instance.__dict__.pop(self.attname, None)
        return self.increment


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

    A stamp that the caller gives stays, but ``updated`` is never before ``created``.
    """
    version: Any = model._meta.get_field("version")
    created = values.get("created", column(model, "created"))
    return {
        "version": version.increment,
        **values,
        "updated": later(created, values.get("updated", now())),
    }
