"""On which write paths the stamps move: the matrix of docs/benchmarks.md, our column."""

import pytest

from tests.references.models import Branch, Item, Sheet
from tests.references.write_paths import COUNT, PATHS, Kit

pytestmark = pytest.mark.django_db

KIT = Kit(
    row=Item,
    loose=(Sheet, "folder"),
    bound=(Branch, "company"),
    swept=(Sheet, "binder"),
)
# Where nothing is recorded: SQL that passes the ORM, Django's own deletion of a
# plain parent (check handleref.W004 warns of it), and what never came to be.
UNRECORDED = {
    "raw SQL UPDATE",
    "raw SQL DELETE",
    "FK CASCADE, plain parent",
    "rolled back save",
}


def stamps(model):
    rows = model._base_manager.values_list("pk", "updated", "version", "status")
    return {pk: tuple(stamps) for pk, *stamps in rows}


def recorded(path, before, after):
    """Count the rows that are there with a later ``updated`` and the next ``version``."""
    statuses = {"created": "ok", "changed": "ok", "deleted": "deleted"}
    moved = 0
    for pk, (updated, version, status) in after.items():
        was_updated, was_version, _ = before.get(pk, (None, 0, None))
        later = was_updated is None or updated > was_updated
        moved += later and version == was_version + 1 and status == statuses[path.kind]
    return moved


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_write_path_moves_the_stamps_once(path):
    rows = path.rows(KIT)
    before = stamps(path.model(KIT))

    path.write(rows)

    expected = 0 if path.name in UNRECORDED else COUNT
    assert recorded(path, before, stamps(path.model(KIT))) == expected
