"""Who is measured, and how one asks each for what plain Django must write by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.db.models import F, Model, QuerySet
from django.utils.timezone import now


def plain_update(rows: QuerySet[Any], **values: Any) -> int:
    """Update rows, without a word on stamps."""
    return rows.update(**values)


@dataclass(frozen=True)
class Contender:
    """A package, its rows, and how it is used; None is what it does not do.

    :ivar delete: soft-deletes an instance.
    :ivar delete_all: soft-deletes the rows of a queryset.
    :ivar since: returns the undeleted rows that were written later than a moment.
    :ivar update: updates the rows of a queryset, and their stamps where one can.
    :ivar stamps: what ``update_fields`` must name for the stamps to be saved.
    """

    name: str
    title: str
    row: type[Model]
    delete: Callable[[Any], object] | None = None
    delete_all: Callable[[QuerySet[Any]], object] | None = None
    since: Callable[[datetime], QuerySet[Any]] | None = None
    update: Callable[..., int] = plain_update
    stamps: tuple[str, ...] = ()


def contenders() -> dict[str, Contender]:
    """Return whoever is installed, plain Django first; ``twin`` is its control."""
    found = [
        plain("plain", "plain Django", "plain.Row"),
        plain("twin", "plain Django again", "plain.Twin"),
        Contender("bare", "plain Django without the columns", apps.get_model("plain.Bare")),
        ours(),
    ]
    rivals = {"handleref2": django_handleref, "softdelete": django_safedelete}
    found += [one() for app, one in rivals.items() if apps.is_installed(f"benchmarks.rows.{app}")]
    return {contender.name: contender for contender in found}


def plain(name: str, title: str, label: str) -> Contender:
    """Return plain Django, with stamps and marks written by hand."""
    row: Any = apps.get_model(label)
    return Contender(
        name,
        title,
        row,
        delete=delete_by_hand,
        delete_all=delete_all_by_hand,
        since=lambda moment: row.objects.filter(updated__gt=moment).exclude(status="deleted"),
        update=lambda rows, **values: rows.update(updated=now(), **values),
        stamps=("updated",),
    )


def delete_by_hand(instance: Any) -> None:
    """Mark an instance as deleted, as someone would who has no package."""
    instance.former_status, instance.status = instance.status, "deleted"
    instance.deletion = uuid4()
    instance.save()


def delete_all_by_hand(rows: QuerySet[Any]) -> int:
    """Mark the rows as deleted: the update that is equivalent to ours."""
    return rows.exclude(status="deleted").update(
        former_status=F("status"),
        status="deleted",
        deletion=uuid4(),
        updated=now(),
        version=F("version") + 1,
    )


def ours() -> Contender:
    """Return this package."""
    row: Any = apps.get_model("ours.Row")
    return Contender(
        "ours",
        "handleref",
        row,
        delete=lambda instance: instance.delete(),
        delete_all=lambda rows: rows.delete(),
        since=row.handleref.since,
    )


def django_handleref() -> Contender:
    """Return django-handleref; its queryset really deletes, so the rows go one by one."""
    row: Any = apps.get_model("handleref2.Row")
    return Contender(
        "handleref2",
        "django-handleref",
        row,
        delete=lambda instance: instance.delete(),
        delete_all=lambda rows: [instance.delete() for instance in rows],
        since=lambda moment: row.handleref.since(timestamp=moment),
        stamps=("updated",),
    )


def django_safedelete() -> Contender:
    """Return django-safedelete, which soft-deletes and knows nothing of changes."""
    return Contender(
        "softdelete",
        "django-safedelete",
        apps.get_model("softdelete.Row"),
        delete=lambda instance: instance.delete(),
        delete_all=lambda rows: rows.delete(),
        stamps=("updated",),
    )
