"""What the room wants in a project's database: two permissions per model, and an extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps as installed_apps
from django.db import DEFAULT_DB_ALIAS
from django.db.migrations.loader import MigrationLoader

from handleref.pointintime.base import is_point_in_time
from handleref.references.installation import add_permissions

if TYPE_CHECKING:
    from django.apps import AppConfig
    from django.db.backends.base.base import BaseDatabaseWrapper

EXTENSION = "btree_gist"
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


def will_install(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether a migration that is still to come installs what ``valid_unique`` needs."""
    loader = MigrationLoader(connection)
    return any(
        EXTENSION in f"{getattr(operation, 'name', '')} {getattr(operation, 'sql', '')}"
        for key, migration in loader.disk_migrations.items()
        if key not in loader.applied_migrations
        for operation in migration.operations
    )
