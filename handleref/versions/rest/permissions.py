"""Who may look back, and go back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import DjangoModelPermissions

if TYPE_CHECKING:
    from rest_framework.request import Request

READ = ["%(app_label)s.view_%(model_name)s"]

# The actions added to a view set, and the method that permissions take each for: None
# where it is that of the request.
ACTIONS = {
    "history": None,
    "version": None,
    "compare": None,
    "deleted": None,
    "revert": "PATCH",
    "rollback": "PATCH",
    "restore": None,
}


class VersionPermissions(DjangoModelPermissions):
    """Asks for the model's permission to view as well, where something is only read."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": READ,
        "HEAD": READ,
    }


class Guise:
    """A request that seems to have another method, or other parameters."""

    def __init__(self, request: Request, **seeming: Any) -> None:
        self._within = request
        vars(self).update(seeming)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)
