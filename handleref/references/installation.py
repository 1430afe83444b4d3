"""What a room puts into a project's database: permissions per model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.apps import apps as installed_apps
from django.contrib.auth import get_permission_codename
from django.db import DEFAULT_DB_ALIAS, router

from handleref.references.base import is_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.db.models import Model

HARD_DELETE = "hard_delete"


def create_permissions(
    app_config: AppConfig, using: str = DEFAULT_DB_ALIAS, apps: Any = installed_apps, **_: Any
) -> None:
    """Create the permissions ``hard_delete_<model>`` of an app's reference models.

    :param apps: the models as migrated so far; one that is not there has no permission.
    """
    add_permissions(
        app_config, is_reference, {HARD_DELETE: "Can delete {} for good"}, using=using, apps=apps
    )


def add_permissions(
    app_config: AppConfig,
    chosen: Callable[[type[Model]], bool],
    actions: Mapping[str, str],
    *,
    using: str,
    apps: Any,
) -> None:
    """Create permissions for some of an app's models, where they are not there yet.

    For receivers of ``post_migrate``, since a permission in ``Meta`` would be lost
    where a model writes its own, and show up as a change in its migrations.

    :param chosen: tells of a model whether it has the permissions.
    :param actions: the name of each permission, with a place for the model's, by its action.
    :param apps: the models as migrated so far.
    """
    try:
        permissions = apps.get_model("auth", "Permission").objects.using(using)
        content_types = apps.get_model("contenttypes", "ContentType").objects.db_manager(using)
        migrated = set(apps.get_app_config(app_config.label).models)
    except LookupError:
        return
    models = [
        model
        for model in app_config.get_models()
        if chosen(model) and model._meta.model_name in migrated
    ]
    if not models or not router.allow_migrate_model(using, permissions.model):
        return
    types = content_types.get_for_models(*models, for_concrete_models=False)
    wanted = _named(types, actions)
    there = permissions.filter(content_type__in=[pk for pk, _codename in wanted])
    missing = wanted.keys() - set(there.values_list("content_type_id", "codename"))
    permissions.bulk_create(
        [
            permissions.model(
                content_type_id=content_type, codename=codename, name=wanted[content_type, codename]
            )
            for content_type, codename in sorted(missing)
        ]
    )


def _named(types: Mapping[Any, Any], actions: Mapping[str, str]) -> dict[tuple[Any, str], str]:
    """Return the names of permissions, by the key of the content type and the codename."""
    return {
        (content_type.pk, get_permission_codename(action, model._meta)): name.format(
            model._meta.verbose_name_raw
        )
        for model, content_type in types.items()
        for action, name in actions.items()
    }
