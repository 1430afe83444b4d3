"""Checks of who keeps versions of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error

from handleref.versions.registry import keepers, named_keeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model


def check_versions(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Check that the keepers that models name keep them."""
    configs = apps.get_app_configs() if app_configs is None else app_configs
    return [found for config in configs for model in config.get_models() for found in _check(model)]


def _check(model: type[Model]) -> Iterator[CheckMessage]:
    name, known = named_keeper(model), keepers(model)
    if name is not None and name not in known:
        names = ", ".join(map(repr, sorted(known)))
        yield Error(
            f"HandleRef.keeper is {name!r}, which keeps no versions of the model.",
            hint=f"Name one of {names}." if known else "Install a keeper, or remove the name.",
            obj=model,
            id="handleref.E013",
        )
