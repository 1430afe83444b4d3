"""The fields of a row that is one version of an object."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.utils import names_digest
from django.db.models.expressions import Col
from django.db.models.fields.related_descriptors import (
    ForeignKeyDeferredAttribute,
    ForwardOneToOneDescriptor,
)
from django.db.models.signals import class_prepared

from handleref.declarations import declare
from handleref.pointintime.base import all_rows, is_point_in_time
from handleref.pointintime.citing import lock_before_saving
from handleref.pointintime.constraints import CurrentUniqueConstraint
from handleref.pointintime.descriptors import (
    CurrentManyDescriptor,
    CurrentOneDescriptor,
    FrozenAttribute,
    FrozenDescriptor,
    FrozenReverseDescriptor,
    forget,
    given,
    note,
)
from handleref.pointintime.expressions import GivenKey, Kept, Unread, WrittenKey
from handleref.pointintime.forms import FrozenChoiceField
from handleref.pointintime.lookups import FrozenExact, FrozenIn, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model

    from handleref.pointintime.descriptors import Version

    # Generic only for type checkers.
    Field = models.Field[Any, Any]
    ForeignKey = models.ForeignKey[Any, Any]
    ManyToManyField = models.ManyToManyField[Any, Any]
else:
    Field = models.Field
    ForeignKey = models.ForeignKey
    ManyToManyField = models.ManyToManyField

# What a column is that holds the values of a key, but makes none.
PLAIN = {
    "AutoField": "IntegerField",
    "BigAutoField": "BigIntegerField",
    "SmallAutoField": "SmallIntegerField",
}


# What a key says of its use, and not of its type.
USE = {*inspect.signature(models.Field).parameters} - {"max_length", "db_collation"}


class RowIdField(Field):
    """The primary key of an object's current row, in each of its rows.

    It has the type of the model's own key, and is NULL only until that is known.

    :param of: a field of that type. Migrations say it, so that they see when it changes.
    """

    # What tells a model whose rows are versions, in migrations too.
    names_object = True

    def __init__(self, *args: Any, of: Any = None, **kwargs: Any) -> None:
        kwargs.setdefault("null", True)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)
        self.of = of

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Add the type of the key, once that is known."""
        name, path, args, kwargs = super().deconstruct()
        options: Any = getattr(self, "model", None) and self.model._meta
        if self.of is not None or (options and options.pk is not None):
            kwargs["of"] = self.of or type_of(self.key)
        return name, path, args, kwargs

    @property
    def key(self) -> Any:
        """The primary key whose values it holds; in migrations, a field of its type."""
        if self.of is not None:
            return self.of
        key: Any = self.model._meta.pk
        while key.remote_field:
            key = key.target_field
        return key

    @cached_property
    def cached_col(self) -> Col:
        """The column in the model's own table, with values of the key's type."""
        return Col(self.model._meta.db_table, self, self.key)

    def get_col(self, alias: str, output_field: Any = None) -> Col:
        """Return the column, with values of the key's type."""
        if alias == self.model._meta.db_table and output_field in {None, self}:
            return self.cached_col
        return Col(alias, self, output_field or self.key)

    def get_internal_type(self) -> str:
        """Return the kind of the key, but of one that is given."""
        kind: str = self.key.get_internal_type()
        return PLAIN.get(kind, kind)

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the type of a column that refers to the key."""
        kind: str | None = self.key.rel_db_type(connection)
        return kind

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Return type and collation of the column; what the key checks needs no repeating."""
        collation = self.key.db_parameters(connection).get("collation")
        return {"type": self.db_type(connection), "check": None, "collation": collation}

    def to_python(self, value: Any) -> Any:
        """Return the value as the key has it."""
        return self.key.to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        """Return the value as the key prepares it."""
        return self.key.get_prep_value(value)

    def get_db_prep_value(
        self,
        value: Any,
        connection: BaseDatabaseWrapper,
        prepared: bool = False,
    ) -> Any:
        """Return the value as the database takes the key."""
        return self.key.get_db_prep_value(value, connection, prepared)

    def pre_save(self, model_instance: Model, add: bool) -> Any:
        """Return the object's id; that of a new object is its key, where that is known."""
        value = super().pre_save(model_instance, add)
        key = model_instance.pk
        if add and value is None and key is not None and not hasattr(key, "resolve_expression"):
            value = key
            setattr(model_instance, self.attname, value)
        return value


def type_of(key: Any) -> Any:
    """Return a field of the same type as a key, which says nothing else of it."""
    _name, _path, args, kwargs = key.deconstruct()
    return type(key)(*args, **{name: kwargs[name] for name in kwargs.keys() - USE})


class GivenUser(ForeignKeyDeferredAttribute):
    """Notes on an instance that its user was set by hand since it was read."""

    def __set__(self, instance: Model, value: Any) -> None:
        super().__set__(instance, value)
        state: Any = instance._state
        if not state.adding:
            state.user_given = True


class OwnForeignKey(ForeignKey):
    """A foreign key of ours, which databases are to take for one of Django's."""

    def get_internal_type(self) -> str:
        """Return the name by which Django knows, on MariaDB, which indexes a key needs."""
        return "ForeignKey"


class ModifiedByField(OwnForeignKey):
    """Who wrote the version; NULL where nobody was named."""

    descriptor_class = GivenUser


class FrozenForeignKey(OwnForeignKey):
    """A key that stays on the version that it was set to, whatever becomes of the object.

    :param to: a point-in-time model.
    :param on_delete: what happens to the owner when that version is purged or rolled back.
    """

    # Where the versions move, their keys are moved along by this mark.
    is_frozen = True
    descriptor_class = FrozenAttribute
    forward_related_accessor_class = FrozenDescriptor
    related_accessor_class = FrozenReverseDescriptor

    def __init__(self, to: Any, on_delete: Any = models.PROTECT, **options: Any) -> None:
        super().__init__(to, on_delete, **options)

    def contribute_to_class(self, cls: type[Model], name: str, *args: Any, **kwargs: Any) -> None:
        """Let owners lock the object before the key is written; not those of migrations."""
        super().contribute_to_class(cls, name, *args, **kwargs)
        if not cls._meta.abstract and cls.__module__ != "__fake__":
            lock_before_saving(cls)

    def pre_save(self, model_instance: Model, add: bool) -> Any:
        """Return what finds the version that was set, or else leaves the column as it is.

        The key that an instance holds may be that of a later version by now.
        """
        key = super().pre_save(model_instance, add)
        new = add or model_instance._state.adding
        if not new and self.attname not in given(model_instance):
            return Unread(Kept(self))
        if key is None or hasattr(key, "resolve_expression"):
            return key
        version = self.version_set(model_instance, add)
        model: Any = self.related_model._meta.concrete_model
        return Unread(GivenKey(model, key) if version is None else WrittenKey(model, *version, key))

    def version_set(self, instance: Model, new: bool) -> Version:
        """Return which version was set; one that is known by its key alone is looked up.

        :param new: whether the owner is, where the key alone will do.
        """
        version = given(instance).get(self.attname)
        key, cached = vars(instance)[self.attname], self.get_cached_value(instance, default=None)
        if version is None and cached is not None and cached.pk == key:
            version = version_of(cached)
        elif version is None and not new:
            rows = all_rows(self.related_model, instance._state.db).filter(pk=key)
            version = rows.values_list("row_id", "row_version").first()
            note(instance, **{self.attname: version})
        return version

    def delete_cached_value(self, instance: Model) -> None:
        """Forget the object, as ``refresh_from_db()`` does, and that it was set."""
        cached: Any = self.get_cached_value(instance, default=None)
        if cached is not None and cached.pk == vars(instance).get(self.attname):
            forget(instance, self.attname)
        super().delete_cached_value(instance)

    def formfield(self, **kwargs: Any) -> Any:
        """Return a choice among the current rows, and the version that the key is on."""
        return super().formfield(**{"form_class": FrozenChoiceField, **kwargs})


FrozenForeignKey.register_lookup(FrozenExact)
FrozenForeignKey.register_lookup(FrozenIn)


class CurrentOneToOneField(OwnForeignKey):
    """A key that no two current rows share; the rows that they replaced keep theirs.

    On a model whose rows are no versions it is unique among all rows. It declares the constraint
    by which the database holds it. The reverse accessor gives the one owner, as with Django's
    field; ``select_related()`` does not take it.
    """

    many_to_one = False
    one_to_one = True
    rel_class = models.OneToOneRel
    forward_related_accessor_class = ForwardOneToOneDescriptor
    related_accessor_class = CurrentOneDescriptor  # type: ignore[assignment]

    def contribute_to_class(self, cls: type[Model], name: str, *args: Any, **kwargs: Any) -> None:
        """Let the model have the constraint; those of migrations name it themselves."""
        super().contribute_to_class(cls, name, *args, **kwargs)
        if not cls._meta.abstract and cls.__module__ != "__fake__":
            class_prepared.connect(self._declare, sender=cls)

    def _declare(self, sender: type[Model], **_kwargs: Any) -> None:
        unique: Any = (
            CurrentUniqueConstraint if is_point_in_time(sender) else models.UniqueConstraint
        )
        name = f"hr_one_{names_digest(sender._meta.db_table, self.column, length=8)}"
        declare(sender, constraints=[unique(fields=[self.name], name=name)])


class CurrentManyToManyField(ManyToManyField):
    """A relation by links that are point-in-time rows: those that are current, or of a moment.

    :param through: the point-in-time model of the links.

    Django's own field reads the links of plain models as they are in the table: those too that
    are gone.
    """

    def contribute_to_class(self, cls: type[Model], name: str, *args: Any, **kwargs: Any) -> None:
        """Put the accessor on the model."""
        super().contribute_to_class(cls, name, *args, **kwargs)
        setattr(cls, self.name, CurrentManyDescriptor(self.remote_field, reverse=False))

    def contribute_to_related_class(self, cls: type[Model], related: Any) -> None:
        """Put the accessor on the model at the other end."""
        super().contribute_to_related_class(cls, related)
        if related.accessor_name in vars(cls):
            accessor = CurrentManyDescriptor(self.remote_field, reverse=True)
            setattr(cls, related.accessor_name, accessor)
