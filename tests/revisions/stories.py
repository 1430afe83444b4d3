"""What the tests of revisions say often: what the newest revision has."""

import json

from reversion.models import Revision, Version


def newest():
    """Return the versions of the newest revision, in the order of their keys."""
    revision = Revision.objects.order_by("pk").last()
    return revision_of(revision) if revision else []


def revision_of(revision):
    return list(
        Version.objects.using(revision._state.db)
        .filter(revision=revision)
        .select_related("record")
        .order_by("pk")
    )


def values(version):
    """Return the values that a version has, those of its bases included."""
    found = {}
    for table in reversed(json.loads(version.serialized_data)):
        found |= table["fields"]
    return found


def kept(*names):
    """Return of each version of the newest revision: model, object id and the values asked for."""
    return sorted(
        (
            version.content_type.model,
            version.object_id,
            *(values(version)[name] for name in names if name in values(version)),
        )
        for version in newest()
    )


def count():
    return Revision.objects.count(), Version.objects.count()
