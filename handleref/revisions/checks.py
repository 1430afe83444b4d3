"""Checks of what would go wrong with revisions only when a row is saved."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning

from handleref.references.base import is_reference
from handleref.references.options import options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import Model

# What reversion.register() takes.
OPTIONS = (
    "exclude",
    "fields",
    "follow",
    "for_concrete_model",
    "format",
    "ignore_duplicates",
    "object_id_field",
    "use_natural_foreign_keys",
)


def check_revisions(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Check that reversion is there, and what the models say about revisions."""
    if not apps.is_installed("reversion"):
        return [_missing()]
    configs = apps.get_app_configs() if app_configs is None else app_configs
    models = [model for config in configs for model in config.get_models()]
    ours = [model for model in models if is_reference(model) and not model._meta.proxy]
    checks = (problems, _check_key, _check_followed)
    return [message for model in ours for check in checks for message in check(model)]


def _missing() -> Error:
    installed = find_spec("reversion") is not None
    hint = 'Add "reversion" to INSTALLED_APPS, and migrate.'
    if not installed:
        hint = f'Run pip install "handleref[reversion]". {hint}'
    return Error(
        '"handleref.revisions" is in INSTALLED_APPS, but "reversion" is not.',
        hint=hint,
        id="handleref.E011",
    )


def problems(model: type[Model]) -> Iterator[CheckMessage]:
    """Yield what is wrong with the option ``revisions`` of a reference model."""
    declared: Any = getattr(options(model), "revisions", True)
    if isinstance(declared, bool):
        return
    if not isinstance(declared, Mapping):
        yield _error(
            model,
            f"revisions is {declared!r}.",
            'Write False, or what reversion.register() takes: {"exclude": ["secret"]}.',
        )
        return
    yield from _unknown(model, "has the unknown option", declared, OPTIONS)
    fields = [*_list(declared, "fields"), *_list(declared, "exclude")]
    if declared.get("object_id_field"):
        fields.append(declared["object_id_field"])
    names = [field.name for field in [*model._meta.fields, *model._meta.many_to_many]]
    yield from _unknown(model, "names the unknown field", fields, names)
    for name in _list(declared, "follow"):
        yield from _follow_problems(model, name)


def _list(declared: Mapping[str, Any], name: str) -> Iterable[Any]:
    return declared.get(name) or ()


def _unknown(
    model: type[Model], what: str, names: Iterable[Any], known: Iterable[str]
) -> Iterator[Error]:
    for name in names:
        if name not in known:
            yield _error(
                model, f"revisions {what} {name!r}.", f"Choose from: {', '.join(sorted(known))}."
            )


def _follow_problems(model: type[Model], name: Any) -> Iterator[Error]:
    """Find what reversion would only find when a row is saved."""
    if not isinstance(name, str) or not hasattr(model, name):
        yield _error(
            model,
            f"revisions follows {name!r}, which the model does not have.",
            "Write the name of a foreign key, a many-to-many field or a reverse relation.",
        )


def _error(model: type[Model], message: str, hint: str) -> Error:
    return Error(message, hint=hint, obj=model, id="handleref.E012")


def _check_key(model: type[Model]) -> Iterator[CheckMessage]:
    from reversion import is_registered

    from handleref.revisions.installation import lacks_object_id

    declared: Any = getattr(options(model), "revisions", True)
    if declared is not False and lacks_object_id(model) and not is_registered(model):
        yield Warning(
            "It has no revisions: django-reversion cannot name a row by a composite key.",
            hint='Write in its class HandleRef revisions = {"object_id_field": "…"} with the name'
            " of a unique field, or revisions = False.",
            obj=model,
            id="handleref.W006",
        )


def _check_followed(model: type[Model]) -> Iterator[CheckMessage]:
    """Find what is followed without being registered: reversion refuses to save the row."""
    from reversion import is_registered

    declared: Any = getattr(options(model), "revisions", True)
    for name in _list(declared, "follow") if isinstance(declared, Mapping) else ():
        related = _related_model(model, name)
        if related is not None and not is_registered(related):
            yield _error(
                model,
                f"revisions follows {name!r}, but {related._meta.label} is not registered.",
                f"Decorate {related.__name__} with @reversion.register().",
            )


def _related_model(model: type[Model], name: Any) -> type[Model] | None:
    for relation in model._meta.get_fields():
        accessor = getattr(relation, "get_accessor_name", lambda field=relation: field.name)()
        if accessor == name and isinstance(relation.related_model, type):
            related: type[Model] = relation.related_model
            return related
    return None
