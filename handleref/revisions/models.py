"""What is kept of a revision besides what django-reversion keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from handleref.revisions.base import Luggage
from handleref.revisions.fields import FieldNamesField

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self


class Record(models.Model):
    """One row beside each version of reversion's.

    :ivar complete: the version was written with the bridge: to the microsecond, and
        with the tables of the bases.
    :ivar deleted: the object is deleted, softly or for good, as of the version.
    :ivar changed_fields: the names of the fields that differ from the object's
        previous version, stamps left out; None if there is none.
    :ivar reverted_from: the version whose values were taken back.
    """

    version = models.OneToOneField(
        "reversion.Version",
        models.CASCADE,
        primary_key=True,
        related_name="record",
        verbose_name=_("version"),
    )
    complete = models.BooleanField(_("complete"), default=True)
    deleted = models.BooleanField(_("deleted"), default=False)
    changed_fields = FieldNamesField(_("changed fields"), null=True, editable=False)
    reverted_from = models.ForeignKey(
        "reversion.Version",
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("reverted from"),
    )

    class Meta:
        app_label = "handleref_revisions"
        default_permissions = ()
        verbose_name = _("record of a version")
        verbose_name_plural = _("records of versions")

    def __str__(self) -> str:
        return str(self.version)


class AnchorQuerySet(models.QuerySet["Anchor"]):
    """Answers the one question that reversion asks: which of these objects exist."""

    asked: Collection[str] = ()

    def filter(self, *args: Any, id__in: Collection[str] = (), **kwargs: Any) -> Self:
        """Remember what is asked for."""
        found = self.none()
        found.asked = id__in
        return found

    def values_list(self, *fields: Any, **_: Any) -> Any:
        """Return what was asked for, if the block has something to keep."""
        luggage = Luggage.found()
        return [*self.asked] if luggage and luggage.keeps_something() else []


class NoAnchors(models.Manager["Anchor"]):
    """Has no rows, for there is no table."""

    def get_queryset(self) -> models.QuerySet[Anchor]:
        """Return no rows, and ask no database for them."""
        return super().get_queryset().none()


class Anchor(models.Model):
    """Holds a block until its end, when we say what it has written.

    Reversion saves nothing, and sends no signal, unless there is a version of an
    object that exists. This is that object; its version is never saved.
    """

    id = models.CharField(primary_key=True, max_length=32)

    objects = NoAnchors()
    anchors = AnchorQuerySet.as_manager()

    class Meta:
        app_label = "handleref_revisions"
        base_manager_name = "anchors"
        default_manager_name = "objects"
        default_permissions = ()
        managed = False

    def __str__(self) -> str:
        return self.id
