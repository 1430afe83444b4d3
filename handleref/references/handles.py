"""Handles: short names of rows, such as ``org123``, and the way back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models

from handleref.exceptions import UnknownTagError
from handleref.references.options import options

if TYPE_CHECKING:
    from django.db.models import Model

INTEGER_HANDLE = re.compile(r"(?P<tag>[A-Za-z](?:[\w.]*[A-Za-z_.])?)[\s-]*(?P<key>\d+)", re.ASCII)
KEYED_HANDLE = re.compile(r"(?P<tag>[A-Za-z][\w.]*):(?P<key>.+)", re.ASCII | re.DOTALL)
TAG = re.compile(r"[a-z][a-z0-9_.]*")


def make_handle(tag: str, key: Any) -> str:
    """Return the handle of a key: ``org123``, else ``tag:key``.

    :param tag: the tag of a model.
    :param key: its primary key, of any type; a composite one is a tuple.
    :raises ValueError: without a key.
    """
    if key is None or (isinstance(key, tuple) and None in key):
        raise ValueError(f"A {tag} has no handle before it is saved.")
    if isinstance(key, tuple):
        return f"{tag}:{','.join(quote(str(part), safe='') for part in key)}"
    # "ipv4" and 12 would read as "ipv" and 412.
    plain = isinstance(key, int) and key >= 0 and not tag[-1].isdigit()
    return f"{tag}{key}" if plain else f"{tag}:{key}"


def split_ref(handle: str) -> tuple[str, int | str]:
    """Split a handle into tag and key: ``("org", 123)`` or ``("tag", "key")``.

    :raises ValueError: when it is no handle.
    """
    if "\0" in handle:
        raise ValueError("A handle has no NUL in it, which PostgreSQL does not take.")
    if match := INTEGER_HANDLE.fullmatch(handle):
        return match["tag"].lower(), int(match["key"])
    if match := KEYED_HANDLE.fullmatch(handle):
        return match["tag"].lower(), match["key"]
    raise ValueError(f"Not a handle: {handle!r}. One looks like 'org123' or 'tag:key'.")


def tagged_models() -> dict[str, list[type[Model]]]:
    """Return the reference models of the project by tag, proxies left out."""
    found: dict[str, list[type[Model]]] = {}
    for model in apps.get_models():
        if hasattr(model, "_handleref") and not model._meta.proxy:
            found.setdefault(options(model).tag, []).append(model)
    return found


def resolve(handle: str, *, using: str | None = None) -> Model:
    """Return the row that a handle names, soft-deleted or not.

    :param handle: such as ``org123`` or ``tag:key``.
    :param using: database alias, by default the router's choice.
    :raises ValueError: when it is no handle, or its key does not fit the model.
    :raises UnknownTagError: when no model has the tag.
    :raises Model.DoesNotExist: when there is no such row.
    """
    tag, key = split_ref(handle)
    if tag not in (known := tagged_models()):
        raise UnknownTagError(f"No model has the tag {tag!r} of {handle!r}.")
    model = known[tag][0]
    try:
        value = _parse_key(model._meta.pk, key)
    except ValidationError as error:
        raise ValueError(f"{key!r} is no key of {model._meta.label}.") from error
    row: Model = model._base_manager.using(using).get(pk=value)
    return row


def _parse_key(field: Any, key: int | str) -> Any:
    if isinstance(field, models.CompositePrimaryKey):
        parts = str(key).split(",")
        if len(parts) != len(field.fields):
            raise ValidationError("wrong number of parts")
        return tuple(
            _parse_key(part, unquote(text)) for part, text in zip(field.fields, parts, strict=True)
        )
    while field.remote_field:
        field = field.target_field
    return field.to_python(key)
