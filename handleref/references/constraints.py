"""Uniqueness among some of the rows, first of all those that are not soft-deleted."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.ddl_references import Columns, Statement, Table
from django.db.backends.utils import names_digest
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, UniqueConstraint

from handleref.references import dialects
from handleref.references.expressions import DELETED
from handleref.references.fields import live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.core.checks import CheckMessage
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.models import Model


# Not live(): others evaluate the condition on values alone, which know no such lookup.
ALIVE = ~Q(status=DELETED)


class PartialUniqueConstraint(UniqueConstraint):
    """Keeps fields unique among some rows of a model.

    :param fields: names of fields of the model.
    :param name: name of the constraint in the database.
    :cvar among: the condition that the rows meet, which the class stands for.
    :cvar prefix: how the name of the column begins by which MariaDB tells them.

    A partial unique index; on MariaDB, which has none, a unique index with an
    invisible generated column that is NULL for the other rows.
    """

    among: ClassVar[Q]
    prefix: ClassVar[str]

    def __init__(self, *, fields: Iterable[str], name: str, **options: Any) -> None:
        super().__init__(fields=tuple(fields), name=name, condition=self.among, **options)

    @abstractmethod
    def flag(self, columns: Callable[[Iterable[str]], Columns]) -> Statement:
        """Return the SQL that is NULL for the other rows.

        :param columns: makes what stands for the columns of fields.
        """

    @abstractmethod
    def rows(self, model: type[Model], using: str) -> QuerySet[Any]:
        """Return the rows among which the fields are unique."""

    @abstractmethod
    def covers(self, instance: Model) -> bool:
        """Tell whether an instance is among them."""

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
        return self._statement(dialects.ADD_PARTIAL_UNIQUE, model, schema_editor)

    def remove_sql(self, model: type[Model] | None, schema_editor: Any) -> Any:
        """Return the SQL that removes the constraint."""
        if _has_partial_indexes(schema_editor):
            return super().remove_sql(model, schema_editor)
        return self._statement(dialects.DROP_PARTIAL_UNIQUE, model, schema_editor)

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
            flag=self.flag(columns),
            column=quote(f"{self.prefix}_{names_digest(self.name, length=8)}"),
        )

    def validate(
        self,
        model: type[Model],
        instance: Model,
        exclude: Iterable[str] | None = None,
        using: str = DEFAULT_DB_ALIAS,
    ) -> None:
        """Raise a ValidationError that names the fields, if the row is one of those."""
        if not self.covers(instance) or set(self.fields) & set(exclude or ()):
            return
        fields: Any = [model._meta.get_field(name) for name in self.fields]
        values = {field.attname: getattr(instance, field.attname) for field in fields}
        if None in values.values():
            return
        others = self.rows(model, using).filter(**values)
        if not instance._state.adding:
            others = others.exclude(pk=instance.pk)
        if others.exists():
            raise self._error(model, instance)

    def _error(self, model: type[Model], instance: Model) -> ValidationError:
        if self.violation_error_message != self.default_violation_error_message:
            message, code = self.get_violation_error_message(), self.violation_error_code
            return ValidationError(message, code=code)
        return instance.unique_error_message(model, self.fields)


class LiveUniqueConstraint(PartialUniqueConstraint):
    """Keeps fields unique among the rows that are not soft-deleted.

    :param fields: names of fields of a reference model.
    :param name: name of the constraint in the database.
    """

    among = ALIVE
    prefix = "hr_live"

    def flag(self, columns: Callable[[Iterable[str]], Columns]) -> Statement:
        """Return the SQL that is NULL for deleted rows."""
        return Statement(dialects.LIVE, status=columns(["status"]))

    def rows(self, model: type[Model], using: str) -> QuerySet[Any]:
        """Return the live rows."""
        return model._base_manager.using(using).filter(live())

    def covers(self, instance: Model) -> bool:
        """Tell whether an instance is live."""
        return vars(instance).get("status") != DELETED

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
