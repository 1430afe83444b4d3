"""The versions of an object or of a model, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from django.core.exceptions import ValidationError
from django.db.models import F, Model, Q, Window
from django.db.models.functions import RowNumber

from handleref.moments import moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from django.db.models import QuerySet

    from handleref.moments import Moment
    from handleref.versions.base import Version
    from handleref.versions.keepers import Keeper

CHUNK = 1_000


class History:
    """Versions of one object, or of all objects of a model, newest first.

    Lazy like a queryset: each method returns a narrower history, and only
    iterating, counting or taking an item asks the database. Iterating takes the
    same memory for any number of versions; a slice keeps its versions once read.
    """

    def __init__(
        self,
        keeper: Keeper,
        model: type[Model],
        *,
        object_id: Any = None,
        using: str | None = None,
        rows: QuerySet[Any] | None = None,
    ) -> None:
        self.keeper = keeper
        self.model = model
        self.object_id = object_id
        self._given_rows = rows
        self._using = using
        self._read: list[Version] | None = None

    @property
    def rows(self) -> QuerySet[Any]:
        """The keeper's own rows, newest first."""
        if self._given_rows is None:
            rows = self.keeper.rows(self.model, self._using)
            self._given_rows = self._ordered(self._of_object(rows))
        return self._given_rows

    def _of_object(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.object_id is None:
            return rows
        return rows.filter((self.keeper.object_id, self.keeper.stored_id(self.object_id)))

    def _ordered(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        # Within one object the order is total, and an index can give it.
        ties = () if self.object_id is not None else ("-pk",)
        return rows.order_by(f"-{self._order}", *ties)

    @property
    def _order(self) -> str:
        across = self.object_id is None and self.keeper.timeline
        return across or self.keeper.order

    def _with(self, rows: QuerySet[Any]) -> Self:
        return type(self)(
            self.keeper, self.model, object_id=self.object_id, using=self._using, rows=rows
        )

    # Narrowing

    def between(self, start: Moment | None = None, end: Moment | None = None) -> Self:
        """Return the versions made from ``start`` on and before ``end``.

        :param start, end: as for :class:`~handleref.versions.as_of`; None for no bound.
        """
        rows = self.rows
        if start is not None:
            rows = rows.filter((f"{self.keeper.date}__gte", moment(start, "between()")))
        if end is not None:
            rows = rows.filter((f"{self.keeper.date}__lt", moment(end, "between()")))
        return self._with(rows)

    def by(self, user: Any) -> Self:
        """Return the versions made by a user (or the key of one), or by nobody: None."""
        if user is None:
            return self._with(self.rows.filter((f"{self.keeper.user}__isnull", True)))
        # By the key, a number that no column can hold is nobody's; by the relation, an error.
        lookup = self.keeper.user if isinstance(user, Model) else f"{self.keeper.user}__pk"
        return self._with(self.rows.filter((lookup, user)))

    def changing(self, field: str) -> Self:
        """Return the versions that changed a field of that name."""
        return self._with(self.keeper.changing(self.rows, field))

    def search(self, text: str) -> Self:
        """Return the versions as of which the object's name had the text in it."""
        # PostgreSQL knows no such character, so nothing has it in its name.
        rows = self.rows.none() if "\x00" in text else self.rows
        return self._with(self.keeper.searched(rows, text))

    def before(self, version: Version) -> Self:
        """Return the versions before another one of the same object."""
        return self._with(self.rows.filter((f"{self.keeper.order}__lt", self._place(version))))

    def after(self, version: Version) -> Self:
        """Return the versions after another one of the same object."""
        return self._with(self.rows.filter((f"{self.keeper.order}__gt", self._place(version))))

    def _place(self, version: Version) -> Any:
        return getattr(version.row, self.keeper.order)

    def at(self, moment_: Moment) -> Any:
        """Return the state as of a moment.

        :param moment_: as for :class:`~handleref.versions.as_of`; what was
            recorded at that very moment counts.
        :returns: for one object its version then, or None if it did not exist,
            or was deleted, by then. For a model the history of such versions,
            one for each object.
        """
        rows = self.keeper.at(self.rows, moment(moment_, "at()"))
        if self.object_id is not None:
            version = self._with(rows).first()
            return None if version is None or version.is_deleted else version
        return self._with(self.keeper.existing(self._last(rows)))

    def deleted(self) -> Self:
        """Return the last version of each object that is deleted now, softly or for good."""
        return self._with(self.keeper.gone(self.model, self._last(self.rows), self._using))

    def _last(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow rows to the last one of each object.

        By a window: MariaDB runs a NOT EXISTS over a join once per pair of rows.
        """
        place = Window(
            RowNumber(),
            partition_by=F(self.keeper.object_id),
            order_by=F(self.keeper.order).desc(),
        )
        last = rows.order_by().annotate(hr_place=place).filter(hr_place=1)
        return rows.filter(pk__in=last.values("pk"))

    # Asking

    def count(self) -> int:
        """Return how many versions there are; one query."""
        return self.rows.count()

    def exists(self) -> bool:
        """Tell whether there are versions; one query."""
        return self.rows.exists()

    def first(self) -> Version | None:
        """Return the newest version, or None without any."""
        return next(iter(self[:1]), None)

    def last(self) -> Version | None:
        """Return the oldest version, or None without any."""
        if self.rows.query.is_sliced:
            return self._kept()[-1] if self._kept() else None
        return next(iter(self._with(self.rows.reverse())[:1]), None)

    def get(self, version_id: Any) -> Version | None:
        """Return the version of that id, or None if there is none among these."""
        if self.rows.query.is_sliced:
            return next((v for v in self._kept() if str(v.id) == str(version_id)), None)
        try:
            rows = self.keeper.with_id(self.rows, version_id)
        except (TypeError, ValueError, ValidationError):
            return None
        return self._with(rows).first()

    def users(self) -> QuerySet[Any]:
        """Return the users who made the versions."""
        field = self._user_field()
        keys = self.rows.order_by().values(self.keeper.user)
        users: QuerySet[Any] = field.remote_field.model._base_manager.using(self.rows.db)
        return users.filter(pk__in=keys)

    def _user_field(self) -> Any:
        options = self.rows.model._meta
        *path, last = self.keeper.user.split("__")
        for name in path:
            options = options.get_field(name).related_model._meta
        return options.get_field(last)

    def __len__(self) -> int:
        return len(self._kept()) if self.rows.query.is_sliced else self.count()

    def __bool__(self) -> bool:
        return bool(self._kept()) if self.rows.query.is_sliced else self.exists()

    def __iter__(self) -> Iterator[Version]:
        return iter(self._kept()) if self.rows.query.is_sliced else self._stream()

    def _stream(self) -> Iterator[Version]:
        """Yield the versions part by part, each from where the last one ended.

        No cursor does it everywhere: MariaDB's driver would fetch all rows at once.
        """
        order, rest = self._order, self.rows
        while part := list(rest[:CHUNK]):
            yield from map(self._version, part)
            if len(part) < CHUNK:
                return
            place, key = getattr(part[-1], order), part[-1].pk
            beyond = Q((f"{order}__lt", place)) | Q((order, place), pk__lt=key)
            rest = self.rows.filter(beyond)

    def _kept(self) -> list[Version]:
        """Return the versions of a slice, read once: list() asks for the length too."""
        if self._read is None:
            # A copy of the queryset, which would keep its rows and be sliced as a list.
            rows = self._deep_rows() if self._is_deep() else self.rows.all()
            self._read = [*map(self._version, rows)]
        return self._read

    def _is_deep(self) -> bool:
        """Tell whether many rows come before a slice, and not more are in it."""
        start, end = self.rows.query.low_mark, self.rows.query.high_mark
        return start >= CHUNK and end is not None and end - start <= CHUNK

    def _deep_rows(self) -> list[Any]:
        """Return the rows of a slice, found by keys: MariaDB reads in full what it passes over."""
        places = {key: place for place, key in enumerate(self.rows.values_list("pk", flat=True))}
        rows = self.keeper.rows(self.model, self._using).filter(pk__in=places)
        return sorted(rows, key=lambda row: places[row.pk])

    def _version(self, row: Any) -> Version:
        return self.keeper.version(self.model, row)

    @overload
    def __getitem__(self, key: int) -> Version: ...

    @overload
    def __getitem__(self, key: slice) -> Self: ...

    def __getitem__(self, key: int | slice) -> Version | Self:
        """Return one version, newest first, or the history of a part; as querysets do."""
        if isinstance(key, slice):
            if key.step is not None:
                raise ValueError("A history is sliced without a step.")
            return self._with(self.rows[key])
        return self._version(self.rows[key])

    def __repr__(self) -> str:
        of = "" if self.object_id is None else f" {self.object_id}"
        return f"<{type(self).__name__} of {self.model._meta.label}{of} by {self.keeper.name}>"
