"""The versions of one revision, made at the end of its block from what the database holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, prefetch_related_objects
from reversion import is_registered
from reversion.models import Version

from handleref.revisions import base
from handleref.revisions.diff import earlier, values_of
from handleref.revisions.models import Anchor, Record
from handleref.revisions.snapshots import Snapshot, parts, snapshots

if TYPE_CHECKING:
    from handleref.revisions.base import Source

    Keys = Mapping[Source, Iterable[Any]]
    Snapshots = Mapping[Source, Mapping[Any, Snapshot]]
    # An object, as versions name it: model, alias of its database, object id.
    Reference = tuple[type[Model], str, str]


class Recording:
    """Collects the versions that a database gets of one revision.

    :param using: the alias of the database that will have them.
    :param reverted: the keys of the versions that objects were reverted from.
    :param others: objects that reversion has recorded, and that stay as they are.
    """

    def __init__(
        self, using: str, reverted: Mapping[Reference, Any], others: Iterable[Reference] = ()
    ) -> None:
        self.using = using
        self.reverted = reverted
        self.others = frozenset(others)
        self.versions: dict[Reference, Version] = {}
        self._there: defaultdict[Source, set[Any]] = defaultdict(set)
        self._done: defaultdict[Source, set[Any]] = defaultdict(set)
        self._waiting: list[tuple[Source, list[Any]]] = []

    def record(self, written: Keys, deleted: Snapshots, named: Keys) -> list[Version]:
        """Return the versions of what was written, and of all that comes along.

        :param written: the keys of rows that may have changed, or be gone.
        :param deleted: rows as they were when they were deleted for good.
        :param named: the keys of rows that someone wants a version of, changed or not.
        """
        ours = {source: keys for source, keys in written.items() if is_registered(source[0])}
        for source, keys in with_child_tables(ours).items():
            self._record(source, keys, touched=True)
        for source, rows in deleted.items():
            gone = [row for key, row in rows.items() if key not in self._there[source]]
            self._keep(source, gone, deleted=True)
        self._waiting += [(source, [*keys]) for source, keys in named.items()]
        while self._waiting:
            source, keys = self._waiting.pop()
            self._record(source, keys, touched=False)
        return [*self.versions.values()]

    def _record(self, source: Source, keys: Iterable[Any], *, touched: bool) -> None:
        done = self._done[source]
        for part in parts(source[0], [key for key in keys if key not in done]):
            rows = [row for row in snapshots(source, part) if row.key not in done]
            self._there[source].update(row.key for row in rows)
            kept = self._keep(source, rows, may_skip=touched)
            done.update(row.key for row in kept)
            self._go_on(source, [row.row for row in kept])

    def _keep(
        self,
        source: Source,
        rows: list[Snapshot],
        *,
        deleted: bool = False,
        may_skip: bool = False,
    ) -> list[Snapshot]:
        """Make versions of the rows and return those that got one."""
        model, db = source
        options = base.options(model)
        before = earlier(source, [row.object_id for row in rows], self.using) if rows else {}
        content_type = base.content_type(model, self.using)
        make = partial(Version, content_type=content_type, db=db, format=options.format)
        kept = []
        for row in rows:
            was = before.get(row.object_id)
            changed = was.changed(model, row.values) if was else None
            reference = (model, db, row.object_id)
            skipped = may_skip and options.ignore_duplicates and changed == ()
            if skipped or reference in self.others:
                continue
            version = make(object_id=row.object_id, serialized_data=row.text, object_repr=row.label)
            # The version knows its record, which is saved when the version has a key.
            Record(
                version=version,
                deleted=deleted or row.is_soft_deleted,
                changed_fields=changed,
                reverted_from_id=self.reverted.get(reference),
            )
            self.versions[reference] = version
            kept.append(row)
        return kept

    def _go_on(self, source: Source, rows: list[Model]) -> None:
        """Let the rows of base tables, and what the model follows, come along."""
        model, db = source
        for parent in model._meta.all_parents:
            if rows and is_registered(parent):
                name = parent._meta.pk.attname
                self._waiting.append(((parent, db), [getattr(row, name) for row in rows]))
        along: defaultdict[Source, list[Any]] = defaultdict(list)
        for related in followed(model, rows):
            table: Any = related._meta.concrete_model
            along[table, db].append(related.pk)
        self._waiting += along.items()


def with_child_tables(written: Keys) -> Keys:
    """Add the rows of child tables whose bases were written: their versions tell of both."""
    found: defaultdict[Source, dict[Any, None]] = defaultdict(dict)
    waiting = [*written.items()]
    while waiting:
        source, keys = waiting.pop()
        new = [key for key in keys if key not in found[source]]
        found[source].update(dict.fromkeys(new))
        children = filter(is_registered, base.child_tables(source[0]) if new else ())
        waiting += [((child, source[1]), _child_keys(source, child, new)) for child in children]
    return found


def _child_keys(source: Source, child: type[Model], keys: list[Any]) -> list[Any]:
    model, using = source
    link: Any = child._meta.get_ancestor_link(model)
    rows = child._base_manager.using(using).order_by()
    return [
        key
        for part in parts(model, keys)
        for key in rows.filter((f"{link.name}__in", part)).values_list("pk", flat=True)
    ]


def followed(model: type[Model], rows: list[Model]) -> Iterator[Model]:
    """Yield what the rows' model follows, except for the tables of its bases.

    :raises RegistrationError: as in reversion, when what is followed is not registered.
    """
    links = {link.name for link in model._meta.parents.values() if link}
    names = [name for name in base.options(model).follow if name not in links]
    relations = base.relation_names(model)
    if rows and names:
        prefetch_related_objects(rows, *(name for name in names if name in relations))
    for row in rows if names else ():
        for name in names:
            yield from _related(row, name)


def _related(row: Model, name: str) -> Iterator[Model]:
    try:
        related = getattr(row, name)
    except ObjectDoesNotExist:
        return
    if isinstance(related, Model):
        yield related
    elif related is not None:
        yield from related.all()


def recorded(
    using: str,
    given: Iterable[Version],
    written: Keys | None = None,
    deleted: Snapshots | None = None,
    reverted: Mapping[Reference, Any] | None = None,
) -> list[Version]:
    """Return our versions for a database; those that reversion made of our rows are read anew.

    :param given: what reversion has made. For the rest, see :class:`Recording`.
    """
    named: defaultdict[Source, list[str]] = defaultdict(list)
    others: list[Reference] = []
    for version in given:
        model = base.model_of(version)
        if model and base.is_tracked(model):
            named[model, version.db].append(version.object_id)
        elif model and model is not Anchor:
            others.append((model, version.db, version.object_id))
    keys = {source: _keys(source, ids) for source, ids in named.items()}
    return Recording(using, reverted or {}, others).record(written or {}, deleted or {}, keys)


def _keys(source: Source, object_ids: list[str]) -> list[Any]:
    """Return the primary keys of objects that versions name."""
    model, using = source
    name, key = base.options(model).object_id_field, model._meta.pk
    if name in (key.name, key.attname):
        return [key.to_python(object_id) for object_id in object_ids]
    rows = model._base_manager.using(using).filter((f"{name}__in", object_ids))
    return [*rows.values_list("pk", flat=True)]


def is_ours(version: Version) -> bool:
    """Tell whether a version is of a model that we record, or our anchor."""
    model = base.model_of(version)
    return model is not None and (model is Anchor or base.is_tracked(model))


def compare(versions: Iterable[Version], revision: int, using: str) -> None:
    """Give a record to versions that reversion made alone, of models that are not ours."""
    by_source: defaultdict[Source, list[Version]] = defaultdict(list)
    for version in versions:
        model = base.model_of(version)
        if model is None:
            Record(version=version, complete=False)
        else:
            by_source[model, version.db].append(version)
    for source, group in by_source.items():
        before = earlier(source, [v.object_id for v in group], using, revision=revision)
        for version in group:
            was = before.get(version.object_id)
            values = values_of(source[0], version.format, version.serialized_data)
            changed = was.changed(source[0], values) if was else None
            Record(version=version, complete=False, changed_fields=changed)
