"""What the point-in-time room puts into a project's database: two permissions per model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps as installed_apps
from django.db import DEFAULT_DB_ALIAS

from handleref.pointintime.base import is_point_in_time
from handleref.references.installation import add_permissions

if TYPE_CHECKING:
    from django.apps import AppConfig

ROLLBACK = "rollback"
PURGE = "purge"
NAMES = {ROLLBACK: "Can roll back {}", PURGE: "Can purge {}"}


def create_permissions(
    app_config: AppConfig, using: str = DEFAULT_DB_ALIAS, apps: Any = installed_apps, **_: Any
) -> None:
    """Create the permissions ``rollback_<model>`` and ``purge_<model>`` of an app's models.

    :param apps: the models as migrated so far; one that is not there has no permission.
    """
    add_permissions(app_config, is_point_in_time, NAMES, using=using, apps=apps)
