"""Which models are registered with reversion, and who listens to their writes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import reversion
from django.apps import apps
from django.db.models import CompositePrimaryKey
from django.db.models.signals import m2m_changed, post_save, pre_delete
from reversion.signals import post_revision_commit, pre_revision_commit

from handleref.references.base import is_reference
from handleref.references.options import options
from handleref.references.signals import rows_written
from handleref.revisions import base, tracking
from handleref.revisions.deletion import deleters
from handleref.revisions.models import Anchor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import Model


def install() -> None:
    """Register what is to be registered, and listen."""
    if not reversion.is_registered(Anchor):
        reversion.register(Anchor, fields=())
    pre_revision_commit.connect(tracking.record_versions)
    post_revision_commit.connect(tracking.write_records)
    for model in apps.get_models():
        if is_reference(model) and not model._meta.proxy:
            register(model)


def register(model: type[Model]) -> Callable[[], None]:
    """Register a reference model as its ``HandleRef.revisions`` says, and track it.

    Done for all models of installed apps; this is for one that is made later. What
    someone has registered stays as it is, and so does what is opted out.

    :returns: the undoing.
    """
    undo = ExitStack()
    declared = declaration(model)
    if declared is not None and not reversion.is_registered(model):
        parents = [parent for parent in model._meta.parents if _has_versions(parent)]
        for parent in parents:
            undo.callback(register(parent) if is_reference(parent) else _register(parent, {}))
        # What reversion has of a row is in several tables.
        links: list[Any] = [model._meta.parents[parent] for parent in parents]
        follow = [*dict.fromkeys([*declared.get("follow", ()), *(link.name for link in links)])]
        undo.callback(_register(model, {**declared, "follow": follow}))
    elif reversion.is_registered(model):
        undo.callback(track(model))
    return undo.close


def declaration(model: type[Model]) -> Mapping[str, Any] | None:
    """Return the options to register a reference model with, or None to leave it alone."""
    from handleref.revisions.checks import problems

    declared: Any = getattr(options(model), "revisions", True)
    if declared is False or any(problems(model)) or lacks_object_id(model):
        return None
    return {} if declared is True else declared


def lacks_object_id(model: type[Model]) -> bool:
    """Tell whether a model has a key that reversion cannot name, and names no other."""
    declared: Any = getattr(options(model), "revisions", True)
    named = isinstance(declared, Mapping) and "object_id_field" in declared
    return isinstance(model._meta.pk, CompositePrimaryKey) and not named


def _has_versions(parent: type[Model]) -> bool:
    """Tell whether a base's table is to have versions of its own."""
    return not is_reference(parent) or declaration(parent) is not None


def _register(model: type[Model], values: Mapping[str, Any]) -> Callable[[], None]:
    undo = ExitStack()
    if not reversion.is_registered(model):
        reversion.register(model, **values)
        undo.callback(reversion.unregister, model)
    undo.callback(track(model))
    return undo.close


def track(model: type[Model]) -> Callable[[], None]:
    """Listen to what is written to a registered model's rows; return the undoing.

    Reversion, which would serialise the instance at every save, no longer listens.
    """
    undo = ExitStack()
    for sender in senders(model):
        post_save.disconnect(base.post_save_receiver, sender=sender)
        post_save.connect(tracking.note_save, sender=sender)
        undo.callback(post_save.disconnect, tracking.note_save, sender=sender)
        pre_delete.connect(tracking.note_deletion, sender=sender)
        undo.callback(pre_delete.disconnect, tracking.note_deletion, sender=sender)
    for parent in {sender for deleter in deleters(model) for sender in senders(deleter)}:
        uid = f"handleref: what {model._meta.label} loses along"
        pre_delete.connect(tracking.note_deletion, sender=parent, dispatch_uid=uid)
        undo.callback(pre_delete.disconnect, sender=parent, dispatch_uid=uid)
    rows_written.connect(tracking.note_rows, sender=model, when=base.is_recording)
    undo.callback(rows_written.disconnect, tracking.note_rows, sender=model)
    rows_written.connect(tracking.refuse_rows, sender=model, when=tracking.looks_back)
    undo.callback(rows_written.disconnect, tracking.refuse_rows, sender=model)
    for field in model._meta.local_many_to_many:
        through: Any = field.remote_field.through
        if through._meta.auto_created:
            m2m_changed.disconnect(base.m2m_changed_receiver, sender=through)
            m2m_changed.connect(tracking.note_links, sender=through)
            undo.callback(m2m_changed.disconnect, tracking.note_links, sender=through)
    return undo.close


def senders(model: type[Model]) -> Iterator[type[Model]]:
    """Yield a model and its proxies: Django's signals tell of what class an instance is."""
    yield model
    for proxy in apps.get_models():
        if proxy._meta.proxy and proxy._meta.concrete_model is model:
            yield proxy
