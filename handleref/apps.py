"""The app: its checks and the cursors of ``since()``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from handleref.versions.keepers import Keeper


@cache
def built_in_keepers() -> tuple[Keeper, ...]:
    """Return the keepers of rooms that are no apps: the same, however often apps are set up."""
    from handleref.pointintime.versions import PointInTimeKeeper
    from handleref.stacks.versions import StackKeeper

    return PointInTimeKeeper(), StackKeeper()


class HandleRefConfig(AppConfig):
    """Registers what ``"handleref"`` brings; it has no table of its own."""

    name = "handleref"
    verbose_name = _("handleref")

    def ready(self) -> None:
        """Register checks, cursors and keepers; see to permissions and triggers."""
        import handleref.checks
        import handleref.references.since  # noqa: F401
        from handleref.pointintime import installation as pointintime
        from handleref.references.installation import create_permissions
        from handleref.triggers import lifecycle, session
        from handleref.versions.registry import register

        for keeper in built_in_keepers():
            register(keeper)
        post_migrate.connect(create_permissions, dispatch_uid="handleref.references.permissions")
        post_migrate.connect(
            pointintime.create_permissions, dispatch_uid="handleref.pointintime.permissions"
        )
        # Once per run: of each app's turn, only this one's.
        pre_migrate.connect(lifecycle.stand_by, self, dispatch_uid="handleref.triggers.stand_by")
        post_migrate.connect(lifecycle.mend, self, dispatch_uid="handleref.triggers.mend")
        connection_created.connect(session.attach, dispatch_uid="handleref.triggers.session")
        session.attach_to_all()
