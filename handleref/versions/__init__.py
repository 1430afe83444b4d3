"""One way to read history, whoever keeps it, and to go back in it."""

from handleref.versions.as_of import as_of, current_moment
from handleref.versions.base import Version
from handleref.versions.diff import MISSING, Change, Diff
from handleref.versions.history import History
from handleref.versions.keepers import Keeper
from handleref.versions.previous import load_previous
from handleref.versions.registry import history, register
from handleref.versions.reversal import Reversal, fingerprint
from handleref.versions.revert import Reverter
from handleref.versions.state import InstanceState, Misfit, State

__all__ = [
    "MISSING",
    "Change",
    "Diff",
    "History",
    "InstanceState",
    "Keeper",
    "Misfit",
    "Reversal",
    "Reverter",
    "State",
    "Version",
    "as_of",
    "current_moment",
    "fingerprint",
    "history",
    "load_previous",
    "register",
]
