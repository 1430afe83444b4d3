"""The app of the child process: says whose rows django-auditlog keeps."""

from django.apps import AppConfig, apps


class EventsConfig(AppConfig):
    """Registers the rows of who wants them registered."""

    name = "benchmarks.events"
    label = "events"

    def ready(self) -> None:
        """Register the rows."""
        if apps.is_installed("auditlog"):
            from auditlog.registry import auditlog

            auditlog.register(apps.get_model("events.AuditlogRow"))
