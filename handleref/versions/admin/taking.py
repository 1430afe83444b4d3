"""The pages that go back: some fields, a whole object, a deleted object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponseRedirect
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from handleref.exceptions import HandleRefError, RevertConflictError, RevertInvalidError
from handleref.versions.admin.display import Line, lines
from handleref.versions.admin.finding import Subject, address, deleted_subject, subject, way_back
from handleref.versions.admin.pages import Row, about_context, when
from handleref.versions.diff import Diff
from handleref.versions.reversal import Reversal, fingerprint
from handleref.versions.revert import Reverter
from handleref.versions.state import fields_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from handleref.versions.admin.options import VersionAdmin
    from handleref.versions.base import Version

TAKE = "take-"
CONFLICT = 409

Run = Callable[..., Reversal]


@dataclass
class Return:
    """A way back that a page offers.

    :ivar run: does it; takes ``reverter`` and the keywords of its methods.
    :ivar source: the version that is shown as the one to go back to, if it is one.
    :ivar chosen: the versions by field, where fields are chosen.
    :ivar said: what the log and the message say of it.
    """

    about: Subject
    run: Run
    title: str
    said: str
    button: str
    source: Version | None = None
    chosen: Mapping[str, Version] = field(default_factory=dict)


def rollback(admin: VersionAdmin, request: HttpRequest, object_id: str, version_id: str) -> Return:
    """Return the way back to one version of an object."""
    about = _changeable(admin, request, object_id)
    version = about.version(version_id)

    def run(reverter: Reverter, **options: Any) -> Reversal:
        return reverter.rollback(about.obj, version, **options)  # type: ignore[arg-type]

    return Return(
        about,
        run,
        title=_("Roll back: %s") % about.name,
        said=_("Rolled back to the version of “%s”.") % when(version),
        button=_("Roll back"),
        source=version,
    )


def revert(admin: VersionAdmin, request: HttpRequest, object_id: str) -> Return:
    """Return the way back of the fields that the request names."""
    about = _changeable(admin, request, object_id)
    chosen = _chosen(request, about)
    if about.obj is not None and chosen.keys() & admin.get_kept_fields(request, about.obj):
        raise PermissionDenied

    def run(reverter: Reverter, **options: Any) -> Reversal:
        return reverter.revert_fields(about.obj, chosen, **options)  # type: ignore[arg-type]

    fields = fields_of(about.history.model)
    names = ", ".join(str(fields[n].verbose_name if n in fields else n) for n in chosen)
    return Return(
        about,
        run,
        title=_("Take back: %s") % about.name,
        said=_("Took back: %s.") % names,
        button=_("Take back"),
        chosen=chosen,
    )


def recover(admin: VersionAdmin, request: HttpRequest, version_id: str) -> Return:
    """Return the way back of a deleted object."""
    about, version = deleted_subject(admin, request, version_id)

    def run(reverter: Reverter, **options: Any) -> Reversal:
        return reverter.restore(version, **options)

    return Return(
        about,
        run,
        title=_("Recover: %s") % about.name,
        said=_("Recovered from the version of “%s”.") % when(version),
        button=_("Recover"),
        source=version,
    )


def _changeable(admin: VersionAdmin, request: HttpRequest, object_id: str) -> Subject:
    about = subject(admin, request, object_id)
    if not admin.has_revert_permission(request, about.obj):
        raise PermissionDenied
    return about


def _chosen(request: HttpRequest, about: Subject) -> dict[str, Version]:
    """Return the versions by field that ``take-<field>=<version>`` names, in the model's order."""
    given = request.POST if request.method == "POST" else request.GET
    names = [name for name in given if name.startswith(TAKE) and given[name]]
    places = {name: place for place, name in enumerate(fields_of(about.history.model))}
    names.sort(key=lambda name: places.get(name.removeprefix(TAKE), len(places)))
    # The same version is read once, however many fields it gives.
    versions = {key: about.version(key) for key in dict.fromkeys(given[name] for name in names)}
    return {name.removeprefix(TAKE): versions[given[name]] for name in names}


class Confirmation:
    """Shows what a way back would change, and goes it once that is confirmed."""

    def __init__(self, admin: VersionAdmin, request: HttpRequest, way: Return) -> None:
        self.admin = admin
        self.request = request
        self.way = way
        self.errors: list[tuple[str, str]] = []
        self.status = 200

    def respond(self, template: str) -> HttpResponse:
        """Return the page, or go the way and leave for the next one."""
        if not self.way.chosen and self.way.source is None:
            self.errors.append(("", _("Choose the fields to take back in the history.")))
        elif self.request.method == "POST" and (reversal := self._carried_out()) is not None:
            return self._leave(reversal)
        context = self._context()
        return self.admin.render_version_page(self.request, template, context, status=self.status)

    def _carried_out(self) -> Reversal | None:
        """Go the way and return what changed, or None when it is refused."""
        expected = self.request.POST.get("expected_state", "")
        comment = self.request.POST.get("comment", "").strip()
        try:
            with transaction.atomic(using=self.way.about.using):
                planned = self._run(dry_run=True, expected_state=expected)
                self._check_permissions(planned)
                done = self._run(comment, expected_state=expected)
                if done:
                    self.admin.log_change(self.request, done.instance, self.way.said)
                return done
        except RevertConflictError:
            text = _("The object was changed meanwhile. Look at what would change now.")
            self.errors.append(("", text))
            self.status = CONFLICT
        except HandleRefError as error:
            self.errors += told(error, self.way.about)
        return None

    def _run(self, comment: str = "", **options: Any) -> Reversal:
        about = self.way.about
        user = self.request.user if self.request.user.is_authenticated else None
        reverter = Reverter(
            user=user,
            comment=comment,
            keeper=self.admin.keeper,
            using=about.using,
        )
        return self.way.run(reverter, **options)

    def _check_permissions(self, reversal: Reversal) -> None:
        """Refuse what deletes or brings back without the permission for that."""
        keeper, obj = self.way.about.history.keeper, self.way.about.obj
        was, will_be = (
            state is None or keeper.is_deleted(state) for state in (reversal.a, reversal.b)
        )
        if will_be and not was and not self.admin.has_delete_permission(self.request, obj):
            raise PermissionDenied
        if was and not will_be and not self.admin.has_recover_permission(self.request, obj):
            raise PermissionDenied

    def _leave(self, reversal: Reversal) -> HttpResponse:
        if reversal:
            self.admin.message_user(self.request, self.way.said, messages.SUCCESS)
        else:
            text = _("Nothing differs. Nothing was changed.")
            self.admin.message_user(self.request, text, messages.WARNING)
        key = reversal.instance.pk
        otherwise = address(self.admin, "history", key)
        return HttpResponseRedirect(way_back(self.request, otherwise))

    def _context(self) -> dict[str, Any]:
        way, reversal = self.way, self._preview()
        context = about_context(self.admin, self.request, way.about)
        cancel_url = way_back(self.request, context["history_url"])
        return {
            **context,
            "title": way.title,
            "crumb": way.button,
            "way": way,
            "row": self._source_row(),
            "errors": self.errors,
            "lines": self._lines(reversal),
            "can_confirm": bool(reversal),
            "expected_state": _state_of(reversal),
            "comment": self.request.POST.get("comment", ""),
            "cancel_url": cancel_url,
            "next": cancel_url if cancel_url != context["history_url"] else "",
        }

    def _source_row(self) -> Row | None:
        version = self.way.source
        url = version and address(self.admin, "version", self.way.about.key, version.id)
        return Row(version, url or "") if version else None

    def _preview(self) -> Reversal | None:
        """Return what would change, or None when it would be refused."""
        if not self.way.chosen and self.way.source is None:
            return None
        try:
            reversal = self._run(dry_run=True)
        except HandleRefError as error:
            self.errors += [line for line in told(error, self.way.about) if line not in self.errors]
            return None
        self._check_permissions(reversal)
        return reversal

    def _lines(self, reversal: Reversal | None) -> list[Line]:
        if reversal is None:
            return []
        diff = Diff(reversal.a, reversal.b, hooks=self.admin.diff_hooks)
        Diff.label([diff], self.way.about.using)
        shown = lines(diff, empty=str(self.admin.get_empty_value_display()))
        for line in shown:
            if version := self.way.chosen.get(line.name):
                url = address(self.admin, "version", self.way.about.key, version.id)
                line.take, line.extra = version.id, {"source": version, "url": url}
        return shown


def _state_of(reversal: Reversal | None) -> str:
    return fingerprint(reversal.a) if reversal is not None and reversal.a else ""


def told(error: HandleRefError, about: Subject) -> list[tuple[str, str]]:
    """Return what an error says, each with the name of the field that it is about."""
    if not isinstance(error, RevertInvalidError):
        return [("", str(error))]
    if not hasattr(error, "error_dict"):
        return [("", text) for text in error.messages]
    fields = fields_of(about.history.model)
    return [
        (str(capfirst(fields[name].verbose_name)) if name in fields else "", text)
        for name, texts in error.message_dict.items()
        for text in texts
    ]
