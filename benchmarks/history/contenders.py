"""Who keeps history, and how one asks each for the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from itertools import pairwise
from typing import Any

import reversion
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils.timezone import now
from reversion.models import Version

from handleref.versions import Diff, history
from handleref.versions import Version as OurVersion

Change = tuple[Any, Any]


class Contender:
    """A package, its rows, and how it is used; None is what it does not do.

    :ivar row: the model whose history it keeps.
    :ivar command: writes a first version of every row.
    """

    command: tuple[str, ...] | None = None

    def __init__(self, name: str, label: str) -> None:
        self.name = name
        self.row: Any = apps.get_model(label)

    def block(self) -> AbstractContextManager[Any]:
        """Return the block whose writes are kept."""
        raise NotImplementedError

    @contextmanager
    def told(self, row: Model, comment: str) -> Iterator[None]:
        """Keep what is written inside, with a user and a comment."""
        with self.block():
            reversion.set_user(get_user_model().objects.get())
            reversion.set_comment(comment)
            yield

    def update(self, rows: QuerySet[Any], **values: Any) -> int:
        """Update rows in one statement."""
        return rows.update(**values)

    def record(self, rows: QuerySet[Any], **values: Any) -> object | None:
        """Update rows and keep a version of each, the quickest way that there is."""
        return None

    def versions(self) -> QuerySet[Any]:
        """Return the versions of all rows."""
        return Version.objects.get_for_model(self.row)

    def write_first(self) -> object:
        """Write a first version of every row."""
        return call_command(*self.command, verbosity=0, stdout=StringIO(), stderr=StringIO())

    def newest(self, row: Model, count: int) -> Sequence[Any]:
        """Return the newest versions of a row."""
        return Version.objects.get_for_object(row)[:count]

    def key(self, version: Any) -> int:
        """Return the key of a version."""
        return version.pk

    def compare(self, row: Model, old: int, new: int) -> Any:
        """Return what differs between two versions of a row, given their keys."""
        raise NotImplementedError

    def summary(self, row: Model, count: int) -> Any:
        """Return what each of the newest versions of a row changed."""
        raise NotImplementedError


class Reversion(Contender):
    """django-reversion alone; what it has no function for is written by hand."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(name, label)
        self.command = ("createinitialrevisions", label)

    def block(self) -> AbstractContextManager[Any]:
        return reversion.create_revision()

    def update(self, rows: QuerySet[Any], **values: Any) -> int:
        return rows.update(updated=now(), **values)

    def record(self, rows: QuerySet[Any], **values: Any) -> object:
        with self.block():
            self.update(rows, **values)
            for row in rows.all():
                reversion.add_to_revision(row)
        return True

    def compare(self, row: Model, old: int, new: int) -> dict[str, Change]:
        versions = Version.objects.get_for_object(row)
        return by_hand(versions.get(pk=old), versions.get(pk=new))

    def summary(self, row: Model, count: int) -> list[dict[str, Change]]:
        versions = [*self.newest(row, count + 1)]
        return [by_hand(old, new) for new, old in pairwise(versions)]


def by_hand(old: Version, new: Version) -> dict[str, Change]:
    """Return the fields that differ, as one writes it who has nothing but reversion."""
    before, after = old.field_dict, new.field_dict
    return {name: (before.get(name), v) for name, v in after.items() if before.get(name) != v}


class Ours(Reversion):
    """This package: reversion with the bridge."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(name, label)
        self.command = ("handleref_revisions", "initial", label)

    def update(self, rows: QuerySet[Any], **values: Any) -> int:
        return rows.update(**values)

    def record(self, rows: QuerySet[Any], **values: Any) -> object:
        with self.block():
            return self.update(rows, **values)

    def newest(self, row: Model, count: int) -> Sequence[Any]:
        return history(row)[:count]

    def key(self, version: Any) -> int:
        return version.id

    def compare(self, row: Model, old: int, new: int) -> dict[str, Any]:
        versions = history(row)
        return dict(Diff(versions.get(old), versions.get(new)))

    def summary(self, row: Model, count: int) -> Any:
        return OurVersion.changes_summary(self.newest(row, count))


class SimpleHistory(Contender):
    """django-simple-history, which needs no block."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(name, label)
        self.command = ("populate_history", label)

    def block(self) -> AbstractContextManager[Any]:
        return transaction.atomic()

    @contextmanager
    def told(self, row: Any, comment: str) -> Iterator[None]:
        row._history_user = get_user_model().objects.get()
        row._change_reason = comment
        yield

    def record(self, rows: QuerySet[Any], **values: Any) -> object:
        from simple_history.utils import bulk_update_with_history

        values["updated"] = now()
        instances = [*rows]
        for instance in instances:
            vars(instance).update(values)
        return bulk_update_with_history(instances, self.row, [*values], batch_size=500)

    def versions(self) -> QuerySet[Any]:
        return self.row.history.all()

    def newest(self, row: Any, count: int) -> Sequence[Any]:
        return row.history.all()[:count]

    def compare(self, row: Any, old: int, new: int) -> Any:
        return row.history.get(pk=new).diff_against(row.history.get(pk=old)).changes

    def summary(self, row: Model, count: int) -> list[Any]:
        versions = [*self.newest(row, count + 1)]
        return [new.diff_against(old).changes for new, old in pairwise(versions)]


class DjangoHandleRef(Contender):
    """django-handleref with its own bridge to reversion."""

    def block(self) -> AbstractContextManager[Any]:
        return reversion.create_revision()

    def compare(self, row: Model, old: int, new: int) -> Any:
        from django_handleref.version import ReversionVersion

        return ReversionVersion(new).changes(ReversionVersion(old))

    def summary(self, row: Model, count: int) -> Any:
        from django_handleref.version import ReversionVersion

        versions = [ReversionVersion(version) for version in self.newest(row, count)]
        return ReversionVersion.changes_summary(versions)


def contenders() -> list[Contender]:
    """Return whoever is installed, django-reversion alone first; ``twin`` is its control."""
    found: list[Contender] = [
        Reversion("plain", "plain.Place"),
        Reversion("twin", "plain.TwinPlace"),
        Ours("ours", "ours.Place"),
    ]
    rivals = {"simplehistory": SimpleHistory, "handleref2": DjangoHandleRef}
    return found + [
        rival(app, f"{app}.Place")
        for app, rival in rivals.items()
        if apps.is_installed(f"benchmarks.rows.{app}")
    ]
