"""The app of the bridge to django-reversion; nothing here imports what may not be installed."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class RevisionsConfig(AppConfig):
    """Registers every reference model with django-reversion, and tracks what blocks write."""

    name = "handleref.revisions"
    label = "handleref_revisions"
    verbose_name = _("revisions")
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Import the models unless those that they refer to are missing: a check says so."""
        if apps.is_installed("reversion"):
            super().import_models()
        else:
            self.models = apps.all_models[self.label]

    def ready(self) -> None:
        """Register the check, the models and the receivers."""
        from handleref.revisions.checks import check_revisions

        register(check_revisions, Tags.models)
        if apps.is_installed("reversion"):
            from handleref.revisions.installation import install

            install()
            self.register_keeper()

    def register_keeper(self) -> None:
        """Let ``history()`` find what is kept here."""
        from handleref.revisions.versions import RevisionKeeper
        from handleref.versions.registry import register

        register(RevisionKeeper())
