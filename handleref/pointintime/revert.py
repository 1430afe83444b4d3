"""Going back by forgetting: what came after a version vanishes, and the version is current.

What is to stay in the history is reverted with a ``Reverter`` of ``handleref.versions``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connections
from django.db.models import F, OuterRef, Subquery

from handleref.pointintime.base import STAMPS, TICK, all_rows, parts_of
from handleref.pointintime.copying import table_of
from handleref.pointintime.deletion import purge, really_delete, references, release
from handleref.pointintime.dialects import write_given
from handleref.pointintime.signals import log, remembered, rolled_back

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from django.db.models import Model, QuerySet

    from handleref.pointintime.locking import Held


@dataclass(frozen=True)
class Target:
    """The version that an object goes back to.

    :ivar row: the primary key of its row: the object's own, where only its deletion is undone.
    :ivar version: its ``row_version``.
    :ivar made: when it was created.
    :ivar ended: when the object was deleted, if it will be deleted again.
    """

    row: Any
    version: int
    made: datetime
    ended: datetime | None = None


class Rollback:
    """Objects on their way back.

    :param held: their current rows, or last ones, locked.
    :param moment: to which they go, or None: to the version before.
    :param names: the fields that go back.
    """

    def __init__(
        self, held: Held, moment: datetime | None, names: Collection[str], user: Any, reason: str
    ) -> None:
        self.held = held
        self.moment = moment
        self.names = names
        self.user = user
        self.reason = reason
        self.model = held.model
        self.table = table_of(held.model)
        self.connection = connections[held.using]

    def run(self) -> int:
        """Let the objects go back, and purge those that were not there yet; return how many."""
        targets: dict[Any, Target | None] = {}
        for keys in self.held.parts():
            targets |= self._targets(keys)
        gone = [key for key, target in targets.items() if target is None]
        # First, since what they hold may be what others are to have again.
        purge(self.held.only(gone), self.user, self.reason)
        moving = {key: target for key, target in targets.items() if target is not None}
        for keys in parts_of([*moving]):
            self._move({key: moving[key] for key in keys})
        if moving:
            log("Rolled back", self.model, len(moving), self.user, self.reason)
        return len(targets)

    def _targets(self, keys: list[Any]) -> dict[Any, Target | None]:
        """Return what objects go back to, None for those that go; none that stays as it is."""
        held = self.held
        behind = [key for key in keys if not self._is_there(key)]
        targets: dict[Any, Target | None] = dict.fromkeys(behind)
        for key, row, version, made, ended in self._nearest(behind):
            until = held.made[key] if self.moment is None else self.moment + TICK
            targets[key] = Target(row, version, made, ended if ended < until else None)
        for key in held.ended.keys() & {*keys} - targets.keys():
            if self.moment is None or held.ended[key] > self.moment:
                targets[key] = Target(key, held.versions[key], held.made[key])
        return targets

    def _is_there(self, key: Any) -> bool:
        """Tell whether an object's last row is the one, and its deletion is undone at most."""
        if self.moment is None:
            return key in self.held.ended
        return self.held.made[key] <= self.moment

    def _nearest(self, keys: list[Any]) -> QuerySet[Any]:
        """Return the rows that objects go back to: the newest of those that may be it."""
        replaced = self._replaced()
        if self.moment is not None:
            replaced = replaced.filter(created_at__lte=self.moment)
        newest = replaced.filter(row_id=OuterRef("row_id")).order_by("-row_version")
        return replaced.filter(
            row_id__in=keys, row_version=Subquery(newest.values("row_version")[:1])
        ).values_list("row_id", "pk", "row_version", "created_at", "replaced_at")

    def _replaced(self) -> QuerySet[Any]:
        return all_rows(self.model, self.held.using).exclude(pk=F("row_id"))

    def _move(self, targets: dict[Any, Target]) -> None:
        """Let objects be what they go back to."""
        moving = {key: target for key, target in targets.items() if target.row != key}
        vanishing = self._vanishing(moving)
        mine = all_rows(self.model, self.held.using)
        everything = mine.filter(pk__in=[*vanishing, *targets])
        forgotten = remembered(rolled_back, self.model, everything)
        if moving:
            # On their way they do not count, where some values are no two current rows'.
            mine.filter(pk__in=[*moving]).update(replaced_at=self.held.moment)
        self._take_values(moving)
        self._let_go(vanishing)
        self._stamp(moving)
        if reopened := targets.keys() - moving.keys():
            mine.filter(pk__in=reopened).update(replaced_at=None)
        rolled_back.send(
            sender=self.model,
            using=self.held.using,
            row_ids=[*targets],
            moment=self.moment,
            rows=forgotten,
            user=self.user,
            reason=self.reason,
        )

    def _vanishing(self, targets: dict[Any, Target]) -> list[Any]:
        """Return the keys of the rows that go: what came after, and what is current again."""
        vanishing = [target.row for target in targets.values()]
        if self.moment is not None and targets:
            after = self._replaced().filter(row_id__in=[*targets], created_at__gt=self.moment)
            vanishing += after.values_list("pk", flat=True)
        return vanishing

    def _take_values(self, targets: dict[Any, Target]) -> None:
        """Write into each current row what stands in the row that it goes back to."""
        columns = [str(f.column) for f in self.table.fields if f.name in self.names]
        if columns:
            rows = [(key, target.row) for key, target in targets.items()]
            self._write(dict.fromkeys(columns, ""), {"hr_row": self.table.key}, rows)

    def _let_go(self, vanishing: list[Any]) -> None:
        """Delete rows; what was on them is on the current row of their object from now on."""
        mine = all_rows(self.model, self.held.using)
        release(self.model, self.held.using, vanishing)
        for part in parts_of(vanishing):
            for field in references(self.model):
                if field.model._meta.auto_created:
                    continue
                theirs = all_rows(field.model, self.held.using)
                row = mine.filter(pk=OuterRef(field.attname)).values("row_id")
                theirs.filter(**{f"{field.attname}__in": part}).update(
                    **{field.attname: Subquery(row)}
                )
            really_delete(mine.filter(pk__in=part))

    def _stamp(self, targets: dict[Any, Target]) -> None:
        """Let each current row be the version that it goes back to."""
        version, made, ended = map(
            self.model._meta.get_field, ("row_version", "created_at", "replaced_at")
        )
        given: dict[str, Any] = {"hr_version": version, "hr_made": made, "hr_ended": ended}
        values: dict[str, str] = {field.column: name for name, field in given.items()}
        rows = [(key, t.version, t.made, t.ended) for key, t in targets.items()]
        self._write(values, given, [row for row in rows if row[-1] is not None])
        # On their own, since a column of NULLs alone has no type.
        values[given.pop("hr_ended").column] = "NULL"
        self._write(values, given, [row[:-1] for row in rows if row[-1] is None])

    def _write(
        self, values: dict[str, str], given: dict[str, Any], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Write given values into current rows, see :func:`~.dialects.write_given`.

        :param given: the field that each value is of, by its name in the statement.
        :param rows: the key of each row, and what is given with it.
        """
        fields = [self.table.key, *given.values()]
        params = [
            field.get_db_prep_value(value, self.connection)
            for row in rows
            for field, value in zip(fields, row, strict=True)
        ]
        if params:
            sql = write_given(
                self.connection, self.table.name, self.table.key.column, values, *given
            )
            row = f"({', '.join(['%s'] * len(fields))})"
            with self.connection.cursor() as cursor:
                cursor.execute(sql % ", ".join([row] * (len(params) // len(fields))), params)


def names_to_take_back(
    model: type[Model], fields: Collection[str] | None, exclude: Collection[str] | None
) -> set[str]:
    """Return the names of the fields that go back.

    :param fields: only these; by default all.
    :param exclude: not these.
    :raises FieldDoesNotExist: for a name that is not among them.
    """
    table = table_of(model)
    own = {field.name for field in table.fields} - {*STAMPS, table.key.name}
    for name in (*(fields or ()), *(exclude or ())):
        if name not in own:
            raise FieldDoesNotExist(f"{model._meta.object_name} has no column called {name!r}.")
    return (own if fields is None else own & {*fields}) - {*(exclude or ())}
