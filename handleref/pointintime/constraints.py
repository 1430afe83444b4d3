"""What the database holds of versions, whoever writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.ddl_references import Columns, Statement, Table
from django.db.backends.utils import names_digest
from django.db.models import (
    BaseConstraint,
    CheckConstraint,
    F,
    Index,
    Q,
    UniqueConstraint,
)
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from handleref.declarations import declare
from handleref.pointintime import dialects
from handleref.pointintime.base import all_rows
from handleref.pointintime.indexes import CURRENT, CurrentIndex, ReplacedIndex
from handleref.references.constraints import PartialUniqueConstraint
from handleref.triggers import (
    Changes,
    Crosses,
    Every,
    Overlaps,
    Refuse,
    Strays,
    Trigger,
    TriggerIndex,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.models import Model, QuerySet

    from handleref.triggers.expressions import Bound

# By this name, beside that of a model, the triggers can be suspended.
KEY = "point_in_time"


class CurrentUniqueConstraint(PartialUniqueConstraint):
    """Keeps fields unique among current rows; what was replaced keeps its values.

    :param fields: names of fields of a point-in-time model.
    :param name: name of the constraint in the database.
    """

    among = CURRENT
    prefix = "hr_current"

    def flag(self, columns: Callable[[Iterable[str]], Columns]) -> Statement:
        """Return the SQL that is NULL for replaced rows."""
        return Statement(dialects.CURRENT, replaced_at=columns(["replaced_at"]))

    def rows(self, model: type[Model], using: str) -> QuerySet[Any]:
        """Return the current rows."""
        return all_rows(model, using).filter(CURRENT)

    def covers(self, instance: Model) -> bool:
        """Tell whether an instance is current."""
        return vars(instance).get("replaced_at") is None


class ValidUniqueConstraint(BaseConstraint):
    """Lets no two current rows with the same values be valid at one moment.

    :param fields: names of fields of a point-in-time model.
    :param name: name of the constraint in the database.

    PostgreSQL has it as a constraint, for which it needs the extension btree_gist;
    elsewhere triggers refuse. ``valid_unique`` of a model declares both.
    """

    def __init__(self, *, fields: Iterable[str], name: str, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.fields = tuple(fields)

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """Return the path of the class, and its arguments."""
        path, args, options = super().deconstruct()
        return path, args, {**options, "fields": self.fields}

    def constraint_sql(self, model: type[Model] | None, schema_editor: Any) -> Any:
        """Return the SQL of the constraint inside of that of its table."""
        return self._statement(dialects.EXCLUDE, model, schema_editor)

    def create_sql(self, model: type[Model] | None, schema_editor: Any) -> Any:
        """Return the SQL that creates the constraint, or None where there are none like it."""
        return self._statement(dialects.ADD_EXCLUDE, model, schema_editor)

    def remove_sql(self, model: type[Model] | None, schema_editor: Any) -> Any:
        """Return the SQL that removes the constraint, or None where there are none like it."""
        return self._statement(dialects.DROP_EXCLUDE, model, schema_editor)

    def _statement(
        self, template: str, model: Any, schema_editor: BaseDatabaseSchemaEditor
    ) -> Statement | None:
        if not dialects.excludes(schema_editor.connection):
            return None
        table, quote = model._meta.db_table, schema_editor.quote_name

        def columns(*names: str, suffix: str = "") -> Columns:
            fields: Any = map(model._meta.get_field, names)
            suffixes = (suffix,) * len(names)
            return Columns(table, [field.column for field in fields], quote, suffixes)

        return Statement(
            template,
            table=Table(table, quote),
            name=quote(self.name),
            same=columns(*self.fields, suffix="WITH ="),
            start=columns("start_at"),
            end=columns("end_at"),
            among=columns("replaced_at"),
        )

    def validate(
        self,
        model: type[Model],
        instance: Model,
        exclude: Iterable[str] | None = None,
        using: str = DEFAULT_DB_ALIAS,
    ) -> None:
        """Raise a ValidationError that names the fields, if another row is valid meanwhile."""
        held = vars(instance)
        if held.get("replaced_at") is not None or {*self.fields} & {*(exclude or ())}:
            return
        fields: Any = [model._meta.get_field(name) for name in self.fields]
        values = {field.attname: getattr(instance, field.attname) for field in fields}
        if None in values.values():
            return
        others = all_rows(model, using).filter(CURRENT, **values).exclude(pk=instance.pk)
        if during(others, held.get("start_at"), held.get("end_at")).exists():
            raise self._error(model, instance)

    def _error(self, model: type[Model], instance: Model) -> ValidationError:
        if self.violation_error_message != self.default_violation_error_message:
            message, code = self.get_violation_error_message(), self.violation_error_code
            return ValidationError(message, code=code)
        return instance.unique_error_message(model, self.fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValidUniqueConstraint) and (
            self.deconstruct() == other.deconstruct()
        )

    def __hash__(self) -> int:
        return hash((self.name, self.fields))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: fields={self.fields!r} name={self.name!r}>"


def during(rows: QuerySet[Any], start: Any, end: Any) -> QuerySet[Any]:
    """Narrow rows to those that are valid at some moment from a start on, until before an end.

    :param start: None for now, where a row begins that does not say.
    :param end: None for never.
    """
    rows = rows.filter(Q(end_at__isnull=True) | Q(end_at__gt=start or now()))
    return rows if end is None else rows.filter(start_at__lt=end)


def kept_apart(model: Any) -> list[tuple[str, ...]]:
    """Return the names of fields that ``valid_unique`` of a model lists, several together.

    :raises FieldDoesNotExist: for a name that is none.
    """
    together = [(name,) if isinstance(name, str) else (*name,) for name in model.valid_unique]
    known = {field.name for field in model._meta.fields}
    if strange := sorted({name for names in together for name in names} - known):
        raise FieldDoesNotExist(
            f"valid_unique of {model._meta.label} names {', '.join(strange)}: no field of it."
        )
    return together


def declare_all(model: type[Model], together: Iterable[Sequence[str]]) -> None:
    """Give a model with a table of versions what keeps it sound.

    :param together: the fields that ``valid_unique`` names.
    """
    declare(
        model,
        constraints=[*_constraints(model), *(_exclusion(model, names) for names in together)],
        indexes=[
            *_order(model),
            *(index for names in together for index in _periods(model, names)),
        ],
    )


def _name(model: type[Model], kind: str, *fields: str) -> str:
    return f"hr_{kind}_{names_digest(model._meta.db_table, *fields, length=8)}"


def _constraints(model: type[Model]) -> Iterator[BaseConstraint]:
    yield CurrentUniqueConstraint(fields=["row_id"], name=_name(model, "current"))
    yield UniqueConstraint(fields=["row_id", "row_version"], name=_name(model, "version"))
    yield CheckConstraint(
        condition=Q(end_at__isnull=True) | Q(end_at__gt=F("start_at")),
        name=_name(model, "valid"),
        violation_error_message=_("The end must be later than the start."),
    )
    yield CheckConstraint(
        condition=Q(replaced_at__isnull=True) | Q(replaced_at__gt=F("created_at")),
        name=_name(model, "known"),
        violation_error_message=_("A version must be replaced later than it was created."),
    )


def _exclusion(model: type[Model], names: Sequence[str]) -> BaseConstraint:
    return ValidUniqueConstraint(fields=names, name=_name(model, "during", *names))


def _order(model: type[Model]) -> Iterator[Index]:
    """Yield what keeps the transaction periods of an object apart, and current rows at hand."""
    column = _columns(model)
    sequence = tuple(map(column, ("row_id", "row_version", "created_at", "replaced_at")))
    yield from _refusals(
        model,
        "order",
        Crosses(model._meta.db_table, *sequence),
        # What every save() does is not worth a look at other rows.
        [Strays(*sequence), Changes(of=sequence)],
        f"{model._meta.label}: two versions of one object would hold at one moment.",
    )
    yield CurrentIndex(fields=[model._meta.pk.name], name=_name(model, "rows"))
    # The rows of a moment, before which they were made, and after which some were replaced.
    yield CurrentIndex(fields=["created_at"], name=_name(model, "made"))
    yield ReplacedIndex(fields=["replaced_at", "created_at"], name=_name(model, "moment"))


def _periods(model: type[Model], names: Sequence[str]) -> Iterator[Index]:
    """Yield what keeps periods of validity apart where no constraint does."""
    column = _columns(model)
    same = tuple(map(column, names))
    overlaps = Overlaps(
        table=model._meta.db_table,
        key=column(model._meta.pk.name),
        same=same,
        start=column("start_at"),
        end=column("end_at"),
        among=column("replaced_at"),
    )
    changes = [Changes(of=(*same, *map(column, ("start_at", "end_at", "replaced_at"))))]
    text = (
        f"{model._meta.label}: two with the same {', '.join(names)} would be valid at one moment."
    )
    yield from _refusals(model, "during", overlaps, changes, text, *names)
    yield Index(fields=[*names, "replaced_at"], name=_name(model, "same", *names))


def _columns(model: type[Model]) -> Callable[[str], str]:
    return lambda name: str(model._meta.get_field(name).column)  # type: ignore[union-attr]


def _refusals(
    model: type[Model],
    kind: str,
    condition: Bound,
    changes: Sequence[Bound],
    text: str,
    *names: str,
) -> Iterator[TriggerIndex]:
    """Yield the triggers that refuse a row, one for each way in which it can come about.

    :param changes: what else an update has done, the cheapest question first.
    """
    for operation in ("insert", "update"):
        yield TriggerIndex(
            Trigger(
                name=_name(model, f"{kind}_{operation[:3]}", *names),
                table=model._meta.db_table,
                operation=operation,
                body=Refuse(text),
                condition=condition if operation == "insert" else Every((*changes, condition)),
                keys=(f"{model._meta.label_lower}:{KEY}", KEY),
            )
        )
