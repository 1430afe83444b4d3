"""The versions that the rows of a stack are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import router
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.timezone import is_naive, make_aware

from handleref.stacks.base import all_rows, is_stack, stamp_fields
from handleref.stacks.context import recording
from handleref.stacks.locking import hold, parts
from handleref.versions.base import Version
from handleref.versions.keepers import Keeper
from handleref.versions.lookups import differing, named_like
from handleref.versions.state import fields_of, many_to_many, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from django.db.models import Model

    from handleref.versions.keepers import Text
    from handleref.versions.state import State


class Links:
    """What versions that were read together are linked to, read once for all."""

    def __init__(self, rows: Iterable[Any], using: str) -> None:
        self.keys = [row.pk for row in rows if getattr(row, "hr_has_links", True)]
        self.using = using
        self._read: dict[str, dict[Any, list[Any]]] = {}

    def of(self, row: Any, field: Any) -> tuple[Any, ...]:
        """Return the keys that a version is linked to, in order."""
        if not getattr(row, "hr_has_links", True):
            return ()
        if field.name not in self._read:
            self._read[field.name] = self._links(field)
        return tuple(sorted(self._read[field.name].get(row.pk, ())))

    def _links(self, field: Any) -> dict[Any, list[Any]]:
        through, own, other = _columns(field)
        found: dict[Any, list[Any]] = {}
        for keys in parts(self.keys):
            rows = through._base_manager.using(self.using).filter((f"{own}__in", keys))
            for key, target in rows.values_list(own, other):
                found.setdefault(key, []).append(target)
        return found


def _columns(field: Any) -> tuple[Any, str, str]:
    """Return the model of the links of a field, and its attributes for the two sides."""
    through = field.remote_field.through
    names = field.m2m_field_name(), field.m2m_reverse_field_name()
    own, other = (through._meta.get_field(name).attname for name in names)
    return through, own, other


class StackRows(QuerySet[Any]):
    """Versions, of which those that are read together share what they read of links."""

    def _fetch_all(self) -> None:
        fresh = self._result_cache is None
        super()._fetch_all()
        rows: Any = self._result_cache
        if fresh and rows and isinstance(rows[0], self.model):
            links = Links(rows, self.db)
            for row in rows:
                row.hr_links = links


class Data(Mapping[str, Any]):
    """The values of a version by field name; of many-to-many fields, read when asked for."""

    def __init__(self, model: type[Model], row: Any) -> None:
        self._row = row
        self._many = {field.name: field for field in many_to_many(model)}
        own = [field for field in fields_of(model).values() if field.name not in self._many]
        self._values = {field.name: value_of(row, field) for field in own}

    def __getitem__(self, name: str) -> Any:
        if name not in self._values and name in self._many:
            links = getattr(self._row, "hr_links", None) or Links([self._row], self._row._state.db)
            self._values[name] = links.of(self._row, self._many[name])
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._values, *self._many]))

    def __len__(self) -> int:
        return len(self._values.keys() | self._many.keys())

    def __repr__(self) -> str:
        return repr(dict(self))


class StackVersion(Version):
    """A row of a stack."""

    row: Any

    @property
    def object_id(self) -> Any:
        return self.row.stack_group_uuid

    @property
    def date(self) -> datetime:
        date: datetime = self.row.stack_created_at
        # With USE_TZ = False the database has local times.
        return make_aware(date) if is_naive(date) else date

    @property
    def user(self) -> Any:
        return self.row.stack_user

    @property
    def comment(self) -> str:
        comment: str = self.row.stack_comment
        return comment

    @property
    def reverted_from(self) -> Any:
        return self.row.hr_reverted_from

    @cached_property
    def data(self) -> Mapping[str, Any]:
        return Data(self.model, self.row)

    def __str__(self) -> str:
        """Return what the object was called with these values."""
        try:
            return str(self.row)
        except ObjectDoesNotExist:
            # What its name tells of is gone.
            return super().__str__()


class StackKeeper(Keeper):
    """Versions that are the rows of the model itself; what is force-deleted leaves none."""

    name: ClassVar[str] = "stacks"
    order: ClassVar[str] = "stack_number"
    object_id: ClassVar[str] = "stack_group_uuid"
    date: ClassVar[str] = "stack_created_at"
    user: ClassVar[str] = "stack_user"
    timeline: ClassVar[str] = "stack_created_at"
    deletes: ClassVar[bool] = False

    def keeps(self, model: type[Model]) -> bool:
        return is_stack(model)

    def rows(self, model: type[Model], using: str | None = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = StackRows(model, using=using or router.db_for_write(model))
        same = all_rows(model, None).filter(
            stack_group_uuid=OuterRef("stack_group_uuid"),
            stack_number=OuterRef("stack_reverted_from"),
        )
        rows = rows.annotate(hr_reverted_from=Subquery(same.values("pk")))
        if linked := _linked(model):
            rows = rows.annotate(hr_has_links=linked)
        return rows.order_by().select_related("stack_user")

    def version(self, model: type[Model], row: Any) -> StackVersion:
        return StackVersion(self, model, row)

    def changing(self, rows: QuerySet[Any], field: str) -> QuerySet[Any]:
        model: Any = rows.model
        known = fields_of(model)
        if field not in known or field in stamp_fields(model):
            return rows.none()
        if known[field] in many_to_many(model):
            return _linking(rows, known[field])
        return differing(self, rows, all_rows(model, rows.db), known[field])

    def searched(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        model: Any = rows.model
        return named_like(rows, text, without=stamp_fields(model))

    def existing(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows

    def gone(
        self, model: type[Model], rows: QuerySet[Any], using: str | None = None
    ) -> QuerySet[Any]:
        return rows.none()

    def id_of(self, obj: Any) -> Any:
        return None if obj.pk is None or obj._state.adding else obj.stack_group_uuid

    def stamp_fields(self, model: type[Model]) -> frozenset[str]:
        return stamp_fields(model)

    def is_deleted(self, version: State) -> bool:
        return False

    def objects(self, model: type[Model], using: str | None = None) -> QuerySet[Any]:
        return all_rows(model, using or router.db_for_write(model)).filter(stack_latest=True)

    def find(
        self, model: type[Model], object_id: Any, *, using: str | None = None, lock: bool = False
    ) -> Model | None:
        rows = self.objects(model, using)
        latest = rows.filter(stack_group_uuid=object_id)
        if lock:
            held = [place.pk for place in hold(latest).values()]
            latest = rows.filter(pk__in=held).select_for_update()
        # Not first(), which would order what needs no order.
        return next(iter(latest), None)

    def recording(self, user: Any = None, comment: Text = "") -> AbstractContextManager[Any]:
        return recording(user, comment)

    def check_restorable(self, obj: Model) -> None:
        """Do nothing: a stack is not deleted with what it refers to."""

    def insert(self, obj: Any, version: Version) -> None:
        """Begin a stack of which no version is left anew, under its name."""
        obj.stack_group_uuid = version.object_id
        super().insert(obj, version)

    def mark_reverted(self, obj: Any, version: Version) -> None:
        if version.row.stack_number >= obj.stack_number:
            # Of a stack that begins anew, it is not in the history.
            return
        obj.stack_reverted_from = version.row.stack_number
        rows = all_rows(type(obj), obj._state.db).filter(pk=obj.pk)
        rows.update(stack_reverted_from=obj.stack_reverted_from)

    def refresh(self, obj: Any, using: str) -> None:
        """Let an instance be the latest version of its stack."""
        latest = self.find(type(obj), obj.stack_group_uuid, using=using)
        obj.pk = latest.pk if latest else obj.pk
        obj.refresh_from_db(using=using)


def _linked(model: type[Model]) -> Any:
    """Return whether a version has links: if not, they need not be read."""
    found: Any = None
    for field in many_to_many(model):
        through, own, _other = _columns(field)
        either = Exists(through._base_manager.filter((own, OuterRef("pk"))))
        found = either if found is None else found | either
    return found


def _linking(rows: QuerySet[Any], field: Any) -> QuerySet[Any]:
    """Narrow versions to those with other links than the one before; first have none."""
    through, own, other = _columns(field)
    before = all_rows(rows.model, rows.db).filter(
        stack_group_uuid=OuterRef("stack_group_uuid"), stack_number__lt=OuterRef("stack_number")
    )
    known = rows.annotate(hr_before=Subquery(before.order_by("-stack_number").values("pk")[:1]))
    links = through._base_manager.using(rows.db)

    def only(first: str, second: str) -> Exists:
        """Return whether one version has a link that the other has not."""
        same = links.filter((other, OuterRef(other)), (own, OuterRef(OuterRef(second))))
        return Exists(links.filter(~Exists(same), (own, OuterRef(first))))

    changed = only("pk", "hr_before") | only("hr_before", "pk")
    found: QuerySet[Any] = known.filter(Q(changed), hr_before__isnull=False)
    return found
