"""Who may see, change and forget point-in-time objects over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth import get_permission_codename
from rest_framework.permissions import DjangoModelPermissions

from handleref.pointintime.installation import PURGE, ROLLBACK

if TYPE_CHECKING:
    from django.db.models import Model
    from rest_framework.request import Request
    from rest_framework.views import APIView

READ = ["%(app_label)s.view_%(model_name)s"]
# The actions that ask for a permission of their own, whatever their method.
FORGETTING = {"rollback": ROLLBACK, "purge": PURGE}


class PointInTimePermissions(DjangoModelPermissions):
    """Asks for the model's permission to view, add, change, delete, roll back or purge.

    Reading takes the permission to view; OPTIONS takes none, but somebody who is signed in.

    :cvar model: whose permissions they are; by default the ``model_class`` of the view set.
    """

    model: ClassVar[type[Model] | None] = None
    perms_map = {**DjangoModelPermissions.perms_map, "GET": READ, "HEAD": READ}

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the user may do what the request asks for, with some object at least."""
        user: Any = request.user
        if not user or not user.is_authenticated:
            return False
        return bool(user.has_perms(self.permissions_for(request, view)))

    def permissions_for(self, request: Request, view: APIView) -> list[str]:
        """Return the permissions that the request takes, as in ``news.view_article``."""
        model: Any = self.model or getattr(view, "model_class")  # noqa: B009 - of no APIView
        verb = FORGETTING.get(_action(request, view))
        if verb is None:
            permissions: list[str] = self.get_required_permissions(str(request.method), model)
            return permissions
        options = model._meta
        return [f"{options.app_label}.{get_permission_codename(verb, options)}"]


def get_pita_permissions_class(model: type[Model]) -> type[PointInTimePermissions]:
    """Return a class of permissions that asks for those of a model, to be subclassed."""
    name = f"{model.__name__}Permissions"
    return type(name, (PointInTimePermissions,), {"model": model, "__module__": __name__})


def _action(request: Request, view: Any) -> str:
    """Return what the request, or the one that OPTIONS tells of, would do."""
    actions = getattr(view, "action_map", None) or {}
    action = getattr(view, "action", None)
    if action in {None, "metadata"}:
        action = actions.get(str(request.method).lower(), action)
    return str(action)
