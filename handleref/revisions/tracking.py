"""Notes what is written while a block is open, and records it when the block ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reversion.models import Version

from handleref.revisions import base
from handleref.revisions.deletion import owners
from handleref.revisions.log import Log
from handleref.revisions.models import Record
from handleref.revisions.recording import compare, is_ours, recorded
from handleref.versions.as_of import current_moment, refuse_writing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model
    from reversion.models import Revision


def touch(model: type[Model], using: str, keys: Iterable[Any]) -> None:
    """Note rows that were written; without an open block that records, nothing happens.

    For writes that no signal tells of, such as raw SQL.

    :param using: the alias of the rows' database.
    """
    if base.is_recording():
        Log.carried().written(model, using, keys)


def mark_reverted(model: type[Model], using: str, object_id: str, version: Any) -> None:
    """Note that an object takes back the values of a version, in the open block.

    :param version: the primary key of reversion's version.
    :raises RevisionManagementError: when no block is open.
    """
    Log.carried().mark_reverted((model, using, object_id), version)


def looks_back() -> bool:
    """Tell whether the past is looked at, in which nothing is written."""
    return current_moment() is not None


# Receivers of what writes ------------------------------------------------------------------------


def refuse_rows(sender: type[Model], **_: Any) -> None:
    """Undo a set-based write in the past; of ``save()`` the registry of keepers tells."""
    refuse_writing(f"Rows of {sender._meta.label}")


def note_save(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    """Note an instance that was saved."""
    if base.is_recording():
        model: Any = sender._meta.concrete_model
        Log.carried().written(model, using, (instance.pk,))


def note_rows(sender: type[Model], using: str, operation: str, pks: list[Any], **_: Any) -> None:
    """Note the rows of a set-based write; of deletions ``pre_delete`` tells better."""
    if operation != "hard_delete":
        touch(sender, using, pks)


def note_deletion(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    """Note an instance that will be deleted for good."""
    refuse_writing(f"{sender._meta.label} {instance.pk}")
    if base.is_recording():
        model: Any = sender._meta.concrete_model
        Log.carried().about_to_delete(model, using, instance.pk)


def note_links(
    sender: type[Model],
    instance: Model,
    action: str,
    *,
    reverse: bool,
    using: str,
    pk_set: set[Any] | None,
    **_: Any,
) -> None:
    """Note the rows whose many-to-many values a change of links changes, on either side."""
    refuse_writing(f"Links of {instance._meta.label} {instance.pk}")
    if not base.is_recording():
        return
    owner: Any = sender._meta.auto_created
    field = next(f for f in owner._meta.local_many_to_many if f.remote_field.through is sender)
    both = field.remote_field.symmetrical
    changed = set(pk_set or ())
    if action == "pre_clear" and (reverse or both):
        # They are known only now.
        changed.update(owners(field, using, [instance.pk]))
    elif action not in ("post_add", "post_remove", "post_clear") or pk_set == set():
        return
    own = set() if reverse else {getattr(instance, owner._meta.pk.attname)}
    touch(owner, using, own | changed if reverse or both else own)


# Receivers of what reversion does ----------------------------------------------------------------


def record_versions(versions: list[Version], **_: Any) -> None:
    """Put our versions into a revision, in place of what reversion has of our rows."""
    using, log = base.saved_alias(), Log.found()
    ours = log.recorded.pop(using, None) if log else None
    if ours is None:
        # Nothing was written, only added by hand.
        ours = recorded(using, versions)
    versions[:] = [version for version in versions if not is_ours(version)] + ours


def write_records(revision: Revision, versions: list[Version], **_: Any) -> None:
    """Write our row beside each version of a revision."""
    using = revision._state.db
    compare([v for v in versions if not Version.record.is_cached(v)], revision.pk, using)
    for version in versions:
        version.record.version_id = version.pk
    Record.objects.using(using).bulk_create([version.record for version in versions])
