"""The app: its checks and the cursors of ``since()``."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class HandleRefConfig(AppConfig):
    """Registers what ``"handleref"`` brings; it has no table of its own."""

    name = "handleref"
    verbose_name = _("handleref")

    def ready(self) -> None:
        """Register the checks and the built-in cursors, and see to the permissions."""
        import handleref.checks
        import handleref.references.since  # noqa: F401
        from handleref.references.installation import create_permissions

        post_migrate.connect(create_permissions, dispatch_uid="handleref.references.permissions")
