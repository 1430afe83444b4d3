"""Uniqueness among the rows that are not soft-deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.ddl_references import Columns, Statement, Table
from django.db.backends.utils import names_digest
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, UniqueConstraint

from handleref.references import dialects
from handleref.references.expressions import DELETED
from handleref.references.fields import live

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.core.checks import CheckMessage
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.models import Model


# Not live(): others evaluate the condition on values alone, which know no such lookup.
ALIVE = ~Q(status=DELETED)


class LiveUniqueConstraint(UniqueConstraint):
    """Keeps fields unique among the rows that are not soft-deleted.

    :param fields: names of fields of a reference model.
    :param name: name of the constraint in the database.

    A partial unique index; on MariaDB, which has none, a unique index with an
    invisible generated column that is NULL for deleted rows.
    """

    def __init__(self, *, fields: Iterable[str], name: str, **options: Any) -> None:
        super().__init__(fields=tuple(fields), name=name, condition=ALIVE, **options)

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """Leave out the condition, which the class stands for."""
        path, args, options = super().deconstruct()
        options.pop("condition")
        return path, args, options

    def check(self, model: type[Model], connection: Any) -> list[CheckMessage]:
        """Check the fields, but not for partial indexes, which are not needed."""
        # Django 5.2 calls it _check().
        check = getattr(super(), "check", None) or super()._check  # type: ignore[misc]
        return [e for e in check(model, connection) if e.id != "models.W036"]

    _check = check

    def constraint_sql(self, model: type[Model] | None, schema_editor: Any) -> Any:
        """Return None, and create the index once the table is there."""
        if _has_partial_indexes(schema_editor):
            return super().constraint_sql(model, schema_editor)
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))
        return None

    def create_sql(self, model: type[Model] | None, schema_editor: Any) -> Any:
        """Return the SQL that creates the constraint."""
        if _has_partial_indexes(schema_editor):
            return super().create_sql(model, schema_editor)
        return self._statement(dialects.ADD_LIVE_UNIQUE, model, schema_editor)

    def remove_sql(self, model: type[Model] | None, schema_editor: Any) -> Any:
        """Return the SQL that removes the constraint."""
        if _has_partial_indexes(schema_editor):
            return super().remove_sql(model, schema_editor)
        return self._statement(dialects.DROP_LIVE_UNIQUE, model, schema_editor)

    def _statement(
        self, template: str, model: Any, schema_editor: BaseDatabaseSchemaEditor
    ) -> Statement:
        table, quote = model._meta.db_table, schema_editor.quote_name

        def columns(names: Iterable[str]) -> Columns:
            fields: Any = map(model._meta.get_field, names)
            return Columns(table, [field.column for field in fields], quote)

        return Statement(
            template,
            table=Table(table, quote),
            name=quote(self.name),
            columns=columns(self.fields),
            status=columns(["status"]),
            live=quote(f"hr_live_{names_digest(self.name, length=8)}"),
        )

    def validate(
        self,
        model: type[Model],
        instance: Model,
        exclude: Iterable[str] | None = None,
        using: str = DEFAULT_DB_ALIAS,
    ) -> None:
        """Raise a ValidationError that names the fields, unless the row is deleted."""
        deleted = vars(instance).get("status") == DELETED
        if deleted or set(self.fields) & set(exclude or ()):
            return
        fields: Any = [model._meta.get_field(name) for name in self.fields]
        values = {field.attname: getattr(instance, field.attname) for field in fields}
        if None in values.values():
            return
        others = model._base_manager.using(using).filter(live(), **values)
        if not instance._state.adding:
            others = others.exclude(pk=instance.pk)
        if others.exists():
            raise self._error(model, instance)

    def _error(self, model: type[Model], instance: Model) -> ValidationError:
        if self.violation_error_message != self.default_violation_error_message:
            message, code = self.get_violation_error_message(), self.violation_error_code
            return ValidationError(message, code=code)
        return instance.unique_error_message(model, self.fields)

    def clash(self, rows: QuerySet[Any]) -> ValidationError | None:
        """Return the error of deleted rows that cannot all be restored, if this is why."""
        same = {name: OuterRef(name) for name in self.fields}
        alive = rows.model._base_manager.using(rows.db).filter(live(), **same)
        groups = rows.order_by().values(*self.fields).annotate(hr_count=Count("pk"))
        twins = groups.filter(hr_count__gt=1).exists()
        taken = rows.filter(Exists(alive)).first()
        if taken is None and not twins:
            return None
        return self._error(rows.model, taken or rows.model())


def clash(rows: QuerySet[Any]) -> ValidationError | None:
    """Return the error of deleted rows that live rows, or each other, keep out."""
    for constraint in rows.model._meta.constraints:
        if isinstance(constraint, LiveUniqueConstraint) and (error := constraint.clash(rows)):
            return error
    return None


def _has_partial_indexes(schema_editor: BaseDatabaseSchemaEditor) -> bool:
    return bool(schema_editor.connection.features.supports_partial_indexes)
