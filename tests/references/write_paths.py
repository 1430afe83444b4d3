"""The ways of the ORM, and around it, on which a row can be written.

The tests walk them with this package's models, the benchmarks also with those of
other packages: ``python -m benchmarks --matrix``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from django.db import connection, transaction
from django.db.models import F, Model

COUNT = 10


@dataclass(frozen=True)
class Kit:
    """The models that the paths are walked with.

    :ivar row: has ``name`` and ``number``.
    :ivar loose: a model and its foreign key that is set to NULL.
    :ivar bound: a model and its foreign key that cascades, from the same package.
    :ivar swept: a model and its foreign key that cascades, from a plain parent.
    """

    row: type[Model]
    loose: tuple[type[Model], str]
    bound: tuple[type[Model], str]
    swept: tuple[type[Model], str]


@dataclass(frozen=True)
class Path:
    """A way to write ten rows at once or one by one.

    :ivar write: is given the instances: not saved yet for a path that creates.
    :ivar kind: what becomes of the rows.
    :ivar of: which of the kit's models the rows are of.
    """

    name: str
    write: Callable[[list[Any]], object]
    kind: Literal["created", "changed", "deleted"] = "changed"
    of: Literal["row", "loose", "bound", "swept"] = "row"

    def __str__(self) -> str:
        return self.name

    def model(self, kit: Kit) -> type[Model]:
        """Return the model of the rows."""
        return kit.row if self.of == "row" else getattr(kit, self.of)[0]

    def rows(self, kit: Kit) -> list[Any]:
        """Return ten instances to write."""
        if self.of != "row":
            model, key = getattr(kit, self.of)
            parent = model._meta.get_field(key).related_model._base_manager.create()
            return [model._base_manager.create(**{key: parent}) for _ in range(COUNT)]
        rows = [kit.row(name=f"row {number}", number=number) for number in range(COUNT)]
        if self.kind != "created":
            for row in rows:
                row.save()
        return rows


def save(rows: list[Any]) -> None:
    for row in rows:
        row.number += 1
        row.save()


def save_unchanged(rows: list[Any]) -> None:
    for row in rows:
        row.save()


def save_some_fields(rows: list[Any]) -> None:
    for row in rows:
        row.number += 1
        row.save(update_fields=["number"])


def save_expression(rows: list[Any]) -> None:
    for row in rows:
        row.number = F("number") + 1
        row.save()


def update_or_create(rows: list[Any]) -> None:
    for row in rows:
        type(row).objects.update_or_create(pk=row.pk, defaults={"number": 77})


def update(rows: list[Any]) -> None:
    of(rows).update(number=77)


def bulk_update(rows: list[Any]) -> None:
    for row in rows:
        row.number += 1
    type(rows[0]).objects.bulk_update(rows, ["number"])


def bulk_create(rows: list[Any]) -> None:
    type(rows[0]).objects.bulk_create(rows)


def upsert(rows: list[Any]) -> None:
    model = type(rows[0])
    named = connection.features.supports_update_conflicts_with_target
    model.objects.bulk_create(
        [model(pk=row.pk, name=row.name, number=77) for row in rows],
        update_conflicts=True,
        update_fields=["number"],
        unique_fields=["pk"] if named else None,
    )


def delete_parent(rows: list[Any]) -> None:
    """Delete the one parent that the rows have."""
    for field in rows[0]._meta.concrete_fields:
        if field.many_to_one and (parent := getattr(rows[0], field.name)):
            parent.delete()
            return


def raw_update(rows: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table(rows)} SET number = number + 1")  # noqa: S608


def delete(rows: list[Any]) -> None:
    for row in rows:
        row.delete()


def delete_all(rows: list[Any]) -> None:
    of(rows).delete()


def raw_delete(rows: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table(rows)}")  # noqa: S608


def save_in_vain(rows: list[Any]) -> None:
    with transaction.atomic():
        save(rows)
        transaction.set_rollback(True)


def of(rows: list[Any]) -> Any:
    """Return the queryset of the rows."""
    return type(rows[0]).objects.filter(pk__in=[row.pk for row in rows])


def table(rows: list[Any]) -> str:
    """Return the quoted name of the rows' table."""
    return connection.ops.quote_name(rows[0]._meta.db_table)


PATHS = [
    Path("create", save_unchanged, "created"),
    Path("save", save),
    Path("save no change", save_unchanged),
    Path("save(update_fields)", save_some_fields),
    Path("save F()", save_expression),
    Path("update_or_create", update_or_create),
    Path("QuerySet.update", update),
    Path("bulk_update", bulk_update),
    Path("bulk_create", bulk_create, "created"),
    Path("bulk_create(update_conflicts)", upsert),
    Path("FK SET_NULL", delete_parent, of="loose"),
    Path("raw SQL UPDATE", raw_update),
    Path("instance.delete", delete, "deleted"),
    Path("QuerySet.delete", delete_all, "deleted"),
    Path("FK CASCADE", delete_parent, "deleted", of="bound"),
    Path("raw SQL DELETE", raw_delete, "deleted"),
    Path("rolled back save", save_in_vain),
    # Not of the seventeen: what no package sees, because Django itself deletes.
    Path("FK CASCADE, plain parent", delete_parent, "deleted", of="swept"),
]
