"""What a page is about, and whether the user may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import router
from django.http import Http404
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from handleref.versions.history import History
from handleref.versions.registry import history, keeper_of
from handleref.versions.state import State

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

    from handleref.versions.admin.options import VersionAdmin
    from handleref.versions.base import Version


@dataclass
class Subject:
    """An object whose history is looked at, or what is left of it.

    :ivar obj: the object, or None if it is gone for good.
    :ivar key: what names it in addresses.
    :ivar history: all of its versions.
    :ivar is_deleted: whether it is deleted, softly or for good.
    :ivar using: the alias of the database that has, or had, its row.
    """

    obj: Model | None
    key: Any
    history: History
    name: str
    is_deleted: bool
    using: str

    def version(self, version_id: str | None) -> Version:
        """Return one of the object's versions.

        :raises Http404: for an id that none of them has.
        """
        found = None if version_id is None else self.history.get(key_in(version_id))
        if found is None:
            raise Http404
        return found


def subject(admin: VersionAdmin, request: HttpRequest, object_id: str) -> Subject:
    """Return what the id names, if the user may see it.

    :raises Http404: for an id that no object has or had, or that is none.
    :raises PermissionDenied: without the permission to view.
    """
    key = key_in(object_id)
    obj = admin.get_object(request, key)
    if obj is None:
        return _gone(admin, request, key)
    if not admin.has_view_permission(request, obj):
        raise PermissionDenied
    return _of(admin, obj)


def _of(admin: VersionAdmin, obj: Model) -> Subject:
    using = router.db_for_write(admin.model, instance=obj)
    versions = history(obj, keeper=admin.keeper, using=using)
    deleted = versions.keeper.is_deleted(columns(obj))
    return Subject(obj, obj.pk, versions, str(obj), deleted, using)


def key_in(text: str) -> str:
    """Return the key that a part of an address stands for.

    :raises Http404: for what no database takes.
    """
    if "\x00" in (key := unquote(text)):
        raise Http404
    return key


def columns(obj: Model) -> State:
    """Return the values of an object's own columns; no query."""
    values = {field.name: getattr(obj, field.attname) for field in obj._meta.concrete_fields}
    return State(type(obj), values)


def _gone(admin: VersionAdmin, request: HttpRequest, object_id: str) -> Subject:
    """Return what is left of an object of which no row is left."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    last = _last_version(admin, object_id)
    return left_of(admin, request, last)


def _last_version(admin: VersionAdmin, object_id: str) -> Version:
    versions = History(keeper_of(admin.model, admin.keeper), admin.model, object_id=object_id)
    try:
        last = versions.first()
    except (TypeError, ValueError, ValidationError):
        last = None
    if last is None:
        raise Http404
    return last


def left_of(admin: VersionAdmin, request: HttpRequest, version: Version) -> Subject:
    """Return what is left of a deleted object that the user may know of.

    :raises Http404: when its row is there, or it is not among the deleted ones.
    """
    listed = admin.get_deleted_versions(request)
    versions = version.history
    last = versions.first()
    if version.instance is not None or last is None or listed.get(last.id) is None:
        raise Http404
    return Subject(
        None, version.object_id, versions, str(last), is_deleted=True, using=version.using
    )


def deleted_subject(admin: VersionAdmin, request: HttpRequest, version_id: str) -> Any:
    """Return a deleted object and the version of it that has the id.

    :raises Http404: for an id that no version has, or when the object is not deleted.
    :raises PermissionDenied: without the permissions to view and to add.
    """
    if not admin.has_recover_permission(request):
        raise PermissionDenied
    version = all_versions(admin).get(key_in(version_id))
    if version is None:
        raise Http404
    found = version.instance
    if found is None:
        return left_of(admin, request, version), version
    obj = admin.get_object(request, str(found.pk))
    if obj is None or not admin.keeper_of_versions().is_deleted(columns(obj)):
        raise Http404
    if not admin.has_recover_permission(request, obj):
        raise PermissionDenied
    return _of(admin, obj), version


def all_versions(admin: VersionAdmin) -> History:
    """Return the versions of every object of the admin's model."""
    return history(admin.model, keeper=admin.keeper)


def address(admin: VersionAdmin, page: str, *args: Any, **query: Any) -> str:
    """Return the address of one of the admin's pages."""
    name = f"admin:{admin.opts.app_label}_{admin.opts.model_name}_{page}"
    keys = [quote(str(key)) for key in args]
    site = admin.admin_site.name
    return reverse(name, args=keys, current_app=site, query=query or None)


def way_back(request: HttpRequest, otherwise: str) -> str:
    """Return the address in the parameter ``next``, if it is one of this site."""
    url = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if safe else otherwise
