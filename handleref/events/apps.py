"""The app of the events that database triggers write."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class EventsConfig(AppConfig):
    """Has the tables that events refer to; the event tables belong to the apps they track."""

    name = "handleref.events"
    label = "handleref_events"
    verbose_name = _("events")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and the keeper, and keep records of suspensions."""
        from handleref.events.checks import check_events
        from handleref.events.recording import record_suspension
        from handleref.events.versions import EventKeeper
        from handleref.triggers.suspension import suspended
        from handleref.versions.registry import register as register_keeper

        register(check_events, Tags.models)
        register_keeper(EventKeeper())
        suspended.connect(record_suspension, dispatch_uid="handleref.events.suspended")
