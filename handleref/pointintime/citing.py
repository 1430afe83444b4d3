"""Whoever writes a frozen key first locks the object that it leads to.

A statement sees the database as it was when it began, and that is before it waits for a row: one
that writes a key while the object is saved would not find where the version has gone. So the lock
is a statement of its own, and the one that writes begins when no one else saves the object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, router, transaction
from django.db.models import Model

from handleref.pointintime.base import all_rows, is_point_in_time, parts_of
from handleref.pointintime.copying import table_of
from handleref.pointintime.descriptors import given
from handleref.pointintime.dialects import locks_rows, share
from handleref.pointintime.lookups import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A model, and the key of one of its objects.
Cited = tuple[Any, Any]

# What Django hands to _save_table(), to parents' tables by name and to the model's own by place.
ARGUMENTS = ("raw", "cls", "force_insert", "force_update", "using", "update_fields")


def lock_before_saving(model: type[Model]) -> None:
    """Let instances of a model lock what their frozen keys were set to, before they are written.

    Done where Django writes a table: ``save_base()`` sends signals too, whose receivers may set
    a key before, and after are to find the row committed as with any other model.
    """
    own: Any = vars(model).get("_save_table")
    if any(getattr(vars(each).get("_save_table"), "locks_cited", False) for each in model.__mro__):
        return

    def _save_table(self: Any, *args: Any, **kwargs: Any) -> Any:
        save = own.__get__(self) if own else super(model, self)._save_table
        call = {**dict(zip(ARGUMENTS, args, strict=False)), **kwargs}
        using = call.pop("using", None) or router.db_for_write(type(self), instance=self)
        cited = cited_by(self, using, **call)
        if not cited:
            return save(*args, **kwargs)
        with transaction.atomic(using, savepoint=False):
            lock_cited(using, cited)
            return save(*args, **kwargs)

    marked: Any = _save_table
    marked.locks_cited = True
    # A method of the owner's class, as fields give it others.
    model._save_table = marked  # type: ignore[attr-defined]  # noqa: SLF001


def cited_by(
    instance: Model,
    using: str,
    *,
    raw: bool = False,
    cls: Any = None,
    force_insert: Any = False,
    update_fields: Any = None,
    **_: Any,
) -> list[Cited]:
    """Return the objects to lock before an instance is written into a table.

    :param cls: the model with the table; the others as Django's ``_save_table()`` takes them.
    :returns: those whose versions are about to be written into frozen keys; where that leaves a
        version behind, those too that the keys are on so far.
    """
    if raw or not locks_rows(connections[using]):
        return []
    model: Any = (cls or type(instance))._meta.concrete_model
    new = bool(force_insert) or instance._state.adding or instance.pk is None
    cited: list[Cited] = []
    for field in table_of(model).frozen:
        left_out = update_fields and not {field.name, field.attname} & {*update_fields}
        if left_out or not (new or field.attname in given(instance)):
            continue
        key = vars(instance).get(field.attname)
        if key is None or hasattr(key, "resolve_expression"):
            continue
        if version := field.version_set(instance, new):
            cited.append((field.related_model, version[0]))
    if cited and not new and is_point_in_time(model):
        # They are locked in any case, and all are to be in one order.
        cited += on_so_far(model, using, instance.pk)
    return cited


def on_so_far(model: type[Model], using: str, key: Any) -> Iterator[Cited]:
    """Yield what the frozen keys of a row lead to."""
    fields = table_of(model).frozen
    rows = all_rows(model, using).filter(pk=key)
    for keys in rows.values_list(*(field.attname for field in fields)):
        for field, held in zip(fields, keys, strict=True):
            if held is not None:
                yield field.related_model, held


def cited_by_all(model: type[Model], using: str, objs: Iterable[Model]) -> Iterator[Cited]:
    """Yield the objects whose versions frozen keys of new instances were set to."""
    for obj in objs if table_of(model._meta.concrete_model).frozen else ():
        yield from cited_by(obj, using, cls=model, force_insert=True)


def cited_among(model: type[Model], values: dict[str, Any]) -> Iterator[Cited]:
    """Yield the objects whose versions are among what ``update()`` writes into frozen keys."""
    for field in table_of(model._meta.concrete_model).frozen:
        value = values.get(field.name, values.get(field.attname))
        if isinstance(value, Model) and (version := version_of(value)):
            yield field.related_model, version[0]


def lock_cited(using: str, cited: Iterable[Cited]) -> None:
    """Wait for whoever saves objects, and keep them as they are until the transaction ends.

    In the order of their keys, as they are locked to be saved.
    """
    found: dict[Any, dict[Any, None]] = {}
    for model, key in cited:
        found.setdefault(model._meta.concrete_model, {})[key] = None
    connection = connections[using]
    for model in sorted(found, key=lambda each: each._meta.db_table):
        for part in parts_of([*found[model]]):
            rows = all_rows(model, using).filter(pk__in=part).order_by("pk").values("pk")
            share(connection, *rows.query.get_compiler(using).as_sql())
