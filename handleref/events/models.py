"""What events refer to: who wrote and why, and when nothing was recorded."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Context(models.Model):
    """Who made changes, and why: one row for all events of a block."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(_("date"), db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("user"),
    )
    comment = models.TextField(_("comment"), blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)

    class Meta:
        app_label = "handleref_events"
        verbose_name = _("context")
        verbose_name_plural = _("contexts")

    def __str__(self) -> str:
        return self.comment or str(self.id)


class Suspension(models.Model):
    """A time at which triggers were suspended on a connection: a gap that explains itself."""

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(_("date"), db_index=True)
    targets = models.TextField(_("targets"))
    reason = models.TextField(_("reason"), blank=True)

    class Meta:
        app_label = "handleref_events"
        verbose_name = _("suspension")
        verbose_name_plural = _("suspensions")

    def __str__(self) -> str:
        return f"{self.targets}: {self.reason}" if self.reason else self.targets
