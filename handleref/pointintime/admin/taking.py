"""The pages that forget: an object goes back to what it was, or vanishes with all it ever was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from handleref.pointintime.admin.filters import EXACT, exactly, for_input, moment_in
from handleref.pointintime.admin.finding import Subject, about_context, address, machine, when
from handleref.pointintime.base import all_rows, frozen_relations
from handleref.pointintime.locking import Held, hold
from handleref.pointintime.revert import Rollback, names_to_take_back
from handleref.pointintime.versions import PointInTimeKeeper
from handleref.references.admin.summary import hard_deletion
from handleref.versions.admin.display import Line, lines
from handleref.versions.diff import Diff

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from handleref.pointintime.admin.options import PointInTimeAdmin

CONFLICT = 409


@dataclass
class Plan:
    """What would become of an object's rows.

    :ivar kind: ``"back"``, ``"gone"`` or ``"nothing"``.
    :ivar expected: what the rows are for which that is true.
    :ivar row: the row that is current afterwards.
    :ivar vanishing: how many rows go.
    :ivar frozen: how many keys of what are moved from these rows to the current one, or
        stand in the way.
    :ivar is_restored: whether the object was deleted, and is there again.
    :ivar is_deleted: whether the object will have been deleted.
    :ivar taken: how many rows of what are really deleted, by name.
    :ivar lacking: what the user may not delete, by name.
    :ivar barring: lines of what stands in the way.
    """

    kind: str
    expected: str
    row: Any = None
    vanishing: int = 0
    frozen: list[tuple[str, int]] = field(default_factory=list)
    is_restored: bool = False
    is_deleted: bool = False
    lines: list[Line] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    barring: list[Any] = field(default_factory=list)

    @property
    def is_possible(self) -> bool:
        """Whether it can be done, and does anything."""
        return self.kind != "nothing" and not self.lacking and not self.barring


class Forgetting:
    """Shows what would be forgotten, and forgets it once that is confirmed."""

    name = ""

    def __init__(self, admin: PointInTimeAdmin, request: HttpRequest, about: Subject) -> None:
        self.admin = admin
        self.request = request
        self.about = about
        self.errors: list[tuple[str, str]] = []

    def respond(self) -> HttpResponse:
        """Return the page, or do it and leave for the next one."""
        if self.request.method == "POST" and (plan := self._carried_out()) is not None:
            return self._leave(plan)
        status = CONFLICT if self.request.method == "POST" else 200
        template = f"handleref/admin/pointintime/{self.name}.html"
        return TemplateResponse(self.request, template, self._context(), status=status)

    def _carried_out(self) -> Plan | None:
        """Do it and return what it came to, or None when it is refused."""
        rows = all_rows(self.about.model, self.about.using).filter(pk=self.about.key)
        text = _("The object was changed meanwhile. Look at what would change now.")
        try:
            with transaction.atomic(using=self.about.using):
                hold(rows, "forgotten", deleted=True)
                self.about.row = rows.first() or self.about.row
                plan = self.plan()
                if plan.expected == self.request.POST.get("expected_state") and plan.is_possible:
                    self._do(plan)
                    return plan
        except IntegrityError:
            # The database says it in words for nobody else.
            text = _("What it was does not go together with what else there is.")
        self.errors.append(("", text))
        return None

    def _do(self, plan: Plan) -> None:
        reason = self.request.POST.get("reason", "").strip()
        model: Any = self.about.model
        rows = model.records.using(self.about.using).filter(pk=self.about.key)
        if plan.kind == "gone":
            self.admin.log_deletions(self.request, rows)
        else:
            self.admin.log_change(self.request, self.about.row, self.said())
        self.forget(rows, user=self.request.user, reason=reason)

    def _leave(self, plan: Plan) -> HttpResponse:
        self.admin.message_user(self.request, self.said(), messages.SUCCESS)
        if plan.kind == "gone":
            return HttpResponseRedirect(address(self.admin, "changelist"))
        return HttpResponseRedirect(address(self.admin, "timeline", self.about.key))

    def _context(self) -> dict[str, Any]:
        return {
            **about_context(self.admin, self.request, self.about, self.button()),
            "title": self.title(),
            "button": self.button(),
            "plan": self.plan(),
            "errors": self.errors,
            "reason": self.request.POST.get("reason", ""),
        }

    def _gone(self) -> Plan:
        """Return what becomes of the rows when the object is purged."""
        model = self.about.model
        _listed, taken, lacking, barring = hard_deletion(self.admin, self.request, self.about.rows)
        # The permission to purge stands for that to delete what is the object's own.
        own, may = {str(model._meta.verbose_name)}, self.admin.has_purge_permission
        lacking = lacking - own if may(self.request, self.about.row) else lacking | own
        return Plan(
            "gone",
            self._state(),
            vanishing=self.about.rows.count(),
            taken=taken,
            lacking=sorted(lacking),
            barring=barring,
        )

    def _state(self) -> str:
        row = self.about.row
        return f"{row.row_version} {machine(row.replaced_at)}"

    def plan(self) -> Plan:
        """Return what would become of the rows; nothing is written."""
        raise NotImplementedError

    def forget(self, rows: Any, **said: Any) -> None:
        """Forget."""
        raise NotImplementedError

    def title(self) -> str:
        """Return the heading of the page."""
        raise NotImplementedError

    def button(self) -> str:
        """Return what stands on the button."""
        raise NotImplementedError

    def said(self) -> str:
        """Return what the log and the message say of it."""
        raise NotImplementedError


class Purging(Forgetting):
    """Really deletes an object."""

    name = "purge"

    def plan(self) -> Plan:
        return self._gone()

    def forget(self, rows: Any, **said: Any) -> None:
        rows.purge(**said)

    def title(self) -> str:
        return _("Purge: %s") % self.about.name

    def button(self) -> str:
        return _("Purge")

    def said(self) -> str:
        return _("Purged “%s”.") % self.about.name


class RollingBack(Forgetting):
    """Takes an object back: to the version before, or to a moment.

    :ivar time: that moment.
    """

    name = "rollback"

    def __init__(self, admin: PointInTimeAdmin, request: HttpRequest, about: Subject) -> None:
        super().__init__(admin, request, about)
        given = request.POST if request.method == "POST" else request.GET
        self.given = exactly(given, "time")
        self.time: datetime | None = None
        try:
            self.time = moment_in(_("Time"), self.given)
        except ValueError as error:
            self.errors.append(("", str(error)))
        self.is_asked_wrongly = bool(self.errors)

    def plan(self) -> Plan:
        if self.is_asked_wrongly:
            return Plan("nothing", "")
        model, row, using = self.about.model, self.about.row, self.about.using
        key = self.about.key
        held = Held(model, using, {key: row.row_version}, {key: row.created_at})
        if row.replaced_at is not None:
            held.ended[key] = row.replaced_at
        names = names_to_take_back(model, None, None)
        rollback = Rollback(held, self.time, names, None, "")
        # The very steps of the rollback that only read.
        targets = rollback._targets([key])  # noqa: SLF001
        if key not in targets:
            return Plan("nothing", self._state())
        target = targets[key]
        if target is None:
            return self._gone()
        moves = target.row != key
        vanishing = rollback._vanishing({key: target}) if moves else []  # noqa: SLF001
        becomes = self.about.rows.get(pk=target.row)
        return Plan(
            "back",
            self._state(),
            row=becomes,
            vanishing=len(vanishing),
            frozen=[*self._frozen(vanishing)],
            is_restored=self.about.is_deleted and target.ended is None,
            is_deleted=target.ended is not None,
            lines=self._lines(becomes) if moves else [],
        )

    def _frozen(self, keys: list[Any]) -> Any:
        """Yield the keys on rows that vanish, which move to the current one."""
        for relation in frozen_relations(self.about.model):
            theirs = all_rows(relation.model, self.about.using)
            if count := theirs.filter(**{f"{relation.attname}__in": keys}).count():
                yield str(relation.model._meta.verbose_name_plural), count

    def _lines(self, row: Any) -> list[Line]:
        """Return what changes in the current row."""
        keeper, model = PointInTimeKeeper(), self.about.model
        now, then = (keeper.version(model, each) for each in (self.about.row, row))
        diff = Diff(now, then, hooks=getattr(self.admin, "diff_hooks", None))
        Diff.label([diff], self.about.using)
        return lines(diff, empty=str(self.admin.get_empty_value_display()))

    def forget(self, rows: Any, **said: Any) -> None:
        if self.time is None:
            rows.rollback_latest(**said)
        else:
            rows.rollback_to_at(self.time, **said)

    def _context(self) -> dict[str, Any]:
        return {
            **super()._context(),
            "time": self.given,
            "time_value": for_input(self.time),
            "exact_name": "time" + EXACT,
            "time_text": when(self.time),
        }

    def title(self) -> str:
        return _("Roll back: %s") % self.about.name

    def button(self) -> str:
        return _("Roll back")

    def said(self) -> str:
        if self.time is None:
            return _("Rolled back to the version before; what came after is forgotten.")
        return _("Rolled back to %s; what came after is forgotten.") % when(self.time)
