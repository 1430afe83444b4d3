"""How a history reads; what it gives is in test_contract.py."""

import sys
import tracemalloc

import pytest

from handleref.versions import history as read
from handleref.versions import load_previous
from handleref.versions.history import History
from tests.versions.conftest import NOON
from tests.versions.models import Page, PageRow

pytestmark = pytest.mark.django_db
STAMPS = {"created": NOON, "updated": NOON, "status": "ok", "version": 1}


@pytest.fixture
def chunk(monkeypatch):
    """Let a history be read in parts of ten."""
    # The package's name for it is that of the function.
    monkeypatch.setattr(sys.modules["handleref.versions.history"], "CHUNK", 10)
    return 10


def write(count, body="", objects=1):
    rows = [
        PageRow(page_id=number % objects, written_at=NOON, body=body, extra={}, tags=[], **STAMPS)
        for number in range(count)
    ]
    PageRow.objects.bulk_create(rows)


def ledger(object_id=None):
    return read(Page, object_id, keeper="ledger")


@pytest.mark.parametrize(("count", "queries"), [(9, 1), (10, 2), (35, 4)])
def test_it_is_read_part_by_part(chunk, count, queries, django_assert_num_queries):
    write(count)

    with django_assert_num_queries(queries):
        ids = [version.id for version in ledger(0)]

    assert ids == sorted(ids, reverse=True)
    assert len(ids) == count


def test_that_of_a_model_too_none_twice_and_none_left_out(chunk):
    write(35, objects=3)

    ids = [version.id for version in ledger()]

    assert ids == [*PageRow.objects.order_by("-id").values_list("pk", flat=True)]


def test_reading_takes_no_more_memory_for_more_versions(chunk):
    write(600, body="x" * 10_000)

    tracemalloc.start()
    for version in ledger(0):
        assert len(version.data["body"]) == 10_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # 600 bodies would take 6 MB.
    assert peak < 2_000_000


def test_a_slice_is_read_once(django_assert_num_queries):
    write(5)
    part = ledger(0)[1:4]

    with django_assert_num_queries(1):
        first, second = list(part), list(part)

    assert (len(part), bool(part), first) == (3, True, second)
    assert first[0] is second[0]


@pytest.mark.parametrize(
    ("part", "queries"),
    [(slice(5, 9), 1), (slice(10, 14), 2), (slice(30, 40), 2), (slice(35, 40), 1)],
    ids=["near", "deep", "the end", "beyond"],
)
def test_a_deep_slice_is_found_by_its_keys(chunk, part, queries, django_assert_num_queries):
    write(35)
    ids = [*PageRow.objects.order_by("-id").values_list("pk", flat=True)]
    versions = ledger(0)[part]

    with django_assert_num_queries(queries):
        found = [version.id for version in versions]

    assert found == ids[part]
    assert [version.id for version in ledger(0)[20:]] == ids[20:]


@pytest.mark.parametrize(
    ("chosen", "queries"),
    [(slice(2, 5), 2), (slice(5, 9), 2), (slice(0, 9, 2), 3), (slice(8, 9), 2)],
    ids=["one after another", "to the first", "with gaps", "the first"],
)
def test_what_came_before_is_loaded_at_once(chosen, queries, django_assert_num_queries):
    write(9)
    write(3, objects=2)
    versions = list(ledger(0))
    before = [*(version.id for version in versions[1:]), None]

    with django_assert_num_queries(queries):
        load_previous(versions[chosen])
        found = [version.previous and version.previous.id for version in versions[chosen]]

    assert found == before[chosen]


def test_what_came_before_is_of_the_same_object(django_assert_num_queries):
    write(9, objects=3)
    versions = list(ledger())

    with django_assert_num_queries(2):
        load_previous(versions)

    ids = [version.id for version in versions]
    assert [v.previous and v.previous.id for v in versions] == [*ids[3:], None, None, None]


def test_a_slice_has_no_step():
    with pytest.raises(ValueError) as error:
        ledger(0)[::2]

    assert str(error.value) == "A history is sliced without a step."


def test_it_says_what_it_is_of():
    assert repr(ledger(5)) == "<History of versions_tests.Page 5 by ledger>"
    assert repr(ledger()) == "<History of versions_tests.Page by ledger>"
    assert isinstance(ledger(), History)
