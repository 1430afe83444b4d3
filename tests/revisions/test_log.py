"""What was rolled back leaves no version; blocks, databases and threads keep to themselves."""

import threading
from contextlib import suppress

import pytest
import reversion
from django.db import connection, connections, transaction
from reversion.models import Revision, Version

from handleref.revisions.log import Group, Log
from tests.revisions.models import City, Tag
from tests.revisions.stories import count, kept, newest, revision_of, values

pytestmark = pytest.mark.django_db


class UndoneError(Exception):
    pass


@pytest.fixture
def city():
    return City.objects.create(name="Aa")


# Savepoints --------------------------------------------------------------------------------------


def test_what_a_rolled_back_savepoint_wrote_leaves_no_version(city):
    with reversion.create_revision():
        City.objects.create(name="kept")
        with suppress(UndoneError), transaction.atomic():
            City.objects.create(name="gone")
            City.objects.filter(pk=city.pk).update(name="Bb")
            city.tags.add(Tag.objects.create())
            raise UndoneError

    assert [v.object_repr for v in newest()] == ["kept"]


@pytest.mark.parametrize(
    "write",
    [
        lambda city: city.save(),
        lambda city: City.objects.update(number=1),
        lambda city: City.objects.bulk_create([City()]),
        lambda city: city.delete(),
        lambda city: city.delete(hard=True),
        lambda city: city.tags.add(Tag.objects.create()),
    ],
)
def test_when_nothing_else_remains_there_is_no_revision(city, write):
    with reversion.create_revision(), suppress(UndoneError), transaction.atomic():
        write(city)
        raise UndoneError

    assert count() == (0, 0)


def test_an_object_that_was_also_written_outside_has_the_values_of_the_database(city):
    with reversion.create_revision():
        City.objects.filter(pk=city.pk).update(number=1)
        with suppress(UndoneError), transaction.atomic():
            city.name, city.number = "Bb", 2
            city.save()
            raise UndoneError

    assert kept("name", "number") == [("city", str(city.pk), "Aa", 1)]


def test_what_was_written_after_the_rollback_counts(city):
    with reversion.create_revision():
        with suppress(UndoneError), transaction.atomic():
            city.save()
            raise UndoneError
        City.objects.filter(pk=city.pk).update(number=1)

    assert kept("number") == [("city", str(city.pk), 1)]


def test_savepoints_within_savepoints(city):
    with reversion.create_revision():
        with transaction.atomic():
            City.objects.create(name="released")
            with suppress(UndoneError), transaction.atomic():
                City.objects.create(name="gone")
                with transaction.atomic():
                    City.objects.create(name="released in what is gone")
                raise UndoneError
            City.objects.create(name="released too")
        with suppress(UndoneError), transaction.atomic():
            with transaction.atomic():
                city.save()
            raise UndoneError

    assert [v.object_repr for v in newest()] == ["released", "released too"]


def test_a_block_without_a_savepoint_takes_all_with_it(city):
    with suppress(UndoneError), transaction.atomic():
        with reversion.create_revision():
            city.save()
        raise UndoneError

    assert count() == (0, 0)


def test_an_error_ends_the_block_without_a_revision(city):
    with suppress(UndoneError), reversion.create_revision():
        city.save()
        raise UndoneError
    assert count() == (0, 0)

    with reversion.create_revision():
        City.objects.create(name="of another block")
    assert [v.object_repr for v in newest()] == ["of another block"]


def test_no_callback_of_ours_is_left(city, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks, reversion.create_revision():
        transaction.on_commit(print)
        city.save()
        with transaction.atomic():
            City.objects.update(number=1)

    assert callbacks == [print]
    assert not any(isinstance(entry[1], Group) for entry in connection.run_on_commit)


def test_callbacks_that_are_called_before_the_end_do_no_harm(
    city, django_capture_on_commit_callbacks
):
    with reversion.create_revision():
        City.objects.create(name="kept")
        with suppress(UndoneError), transaction.atomic():
            with django_capture_on_commit_callbacks(execute=True):
                city.save()
            raise UndoneError

    assert [v.object_repr for v in newest()] == ["kept"]


# Without one transaction -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_block_that_is_no_transaction_records_what_was_committed():
    with reversion.create_revision(atomic=False):
        city = City.objects.create(name="Aa")
        with suppress(UndoneError), transaction.atomic():
            City.objects.create(name="gone")
            raise UndoneError
        with transaction.atomic():
            City.objects.create(name="committed")
        with suppress(UndoneError), transaction.atomic():
            City.objects.filter(pk=city.pk).update(number=1)
            raise UndoneError
        City.objects.create(name="at once")

    assert sorted(v.object_repr for v in newest()) == ["Aa", "at once", "committed"]


@pytest.mark.django_db(transaction=True)
def test_transactions_by_hand():
    transaction.set_autocommit(False)
    try:
        with reversion.create_revision(atomic=False):
            City.objects.create(name="Aa")
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)

    assert kept("name") == [("city", str(City.objects.get().pk), "Aa")]


@pytest.mark.django_db(transaction=True)
def test_real_commits():
    with reversion.create_revision():
        city = City.objects.create(name="Aa")
        with suppress(UndoneError), transaction.atomic():
            city.delete(hard=True)
            raise UndoneError

    assert kept("name") == [("city", str(City.objects.get().pk), "Aa")]
    assert connection.run_on_commit == []


# Nested blocks -----------------------------------------------------------------------------------


def test_nested_blocks_are_one_revision(city):
    with reversion.create_revision():
        city.save()
        with reversion.create_revision():
            City.objects.bulk_create([City(name="inner")])
            reversion.set_comment("from inside")
        City.objects.create(name="after")

    revision = Revision.objects.get()
    assert revision.comment == "from inside"
    assert sorted(v.object_repr for v in revision_of(revision)) == ["Aa", "after", "inner"]


def test_what_an_inner_block_wrote_before_its_error_is_not_recorded(city):
    with reversion.create_revision():
        city.save()
        with suppress(UndoneError), reversion.create_revision():
            City.objects.bulk_create([City(name="inner")])
            raise UndoneError

    assert [v.object_repr for v in newest()] == ["Aa"]


def test_a_manual_block_within_a_block_records_nothing_by_itself(city):
    with reversion.create_revision():
        City.objects.create(name="outer")
        with reversion.create_revision(manage_manually=True):
            city.save()

    assert [v.object_repr for v in newest()] == ["outer"]


def test_a_block_within_a_manual_block_records(city):
    with reversion.create_revision(manage_manually=True):
        City.objects.create(name="outer")
        with reversion.create_revision():
            city.save()

    assert [v.object_repr for v in newest()] == ["Aa"]


# Databases ---------------------------------------------------------------------------------------


def in_database(alias):
    versions = Version.objects.using(alias).order_by("pk")
    return sorted((v.db, v.object_repr, v.record.changed_fields) for v in versions)


@pytest.mark.django_db(databases=["default", "other"])
def test_a_revision_is_written_where_it_is_asked_for(city):
    with reversion.create_revision(using="other"):
        city.save()
        City.objects.using("other").bulk_create([City(name="other")])

    assert in_database("default") == []
    assert in_database("other") == [("default", "Aa", None), ("other", "other", None)]


@pytest.mark.django_db(databases=["default", "other"])
def test_rows_of_another_database_are_recorded_with_its_name():
    with reversion.create_revision():
        other = City.objects.using("other").create(name="other")
        City.objects.create(pk=other.pk, name="default")

    assert in_database("default") == [
        ("default", "default", None),
        ("other", "other", None),
    ]


@pytest.mark.django_db(databases=["default", "other"])
def test_a_savepoint_of_another_database_is_rolled_back(city):
    with reversion.create_revision():
        city.save()
        with suppress(UndoneError), transaction.atomic(using="other"):
            City.objects.using("other").create(name="gone")
            City.objects.filter(pk=city.pk).update(number=1)
            raise UndoneError

    assert in_database("default") == [("default", "Aa", None)]
    assert values(newest()[0])["number"] == 1


@pytest.mark.django_db(databases=["default", "other"])
def test_an_inner_block_of_another_database_has_what_was_written_inside():
    with reversion.create_revision():
        City.objects.create(name="before")
        with reversion.create_revision(using="other"):
            City.objects.create(name="inside")
        City.objects.create(name="between")
        with suppress(UndoneError), reversion.create_revision(using="other"):
            City.objects.create(name="inside what fails")
            raise UndoneError
        with reversion.create_revision(using="other"):
            City.objects.create(name="inside again")
        City.objects.create(name="after")

    assert {name for _, name, _ in in_database("other")} == {"inside", "inside again"}
    assert Revision.objects.using("other").count() == 2
    # The transaction that failed was of the other database.
    assert {name for _, name, _ in in_database("default")} == {
        "before",
        "inside",
        "between",
        "inside what fails",
        "inside again",
        "after",
    }


@pytest.mark.django_db(databases=["default", "other"])
def test_content_types_with_other_keys_are_no_matter():
    from django.contrib.contenttypes.models import ContentType

    ContentType.objects.using("other").all().delete()
    ContentType.objects.clear_cache()

    with reversion.create_revision(using="other"):
        City.objects.create(name="Aa")
    ContentType.objects.clear_cache()

    assert [name for _, name, _ in in_database("other")] == ["Aa"]


# Threads -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_threads_have_blocks_of_their_own():
    barrier = threading.Barrier(4)
    errors = []

    def run(number):
        try:
            barrier.wait()
            for _ in range(5):
                with reversion.create_revision():
                    City.objects.create(name=f"thread {number}", number=number)
                    reversion.set_comment(str(number))
                    City.objects.filter(number=number).update(price=number)
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)
        finally:
            connections.close_all()

    with reversion.create_revision(using="default", atomic=False):
        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Log.found() is None or Log.found().scopes == []

    assert errors == []
    revisions = Revision.objects.all()
    assert len(revisions) == 20
    for revision in revisions:
        names = {version.object_repr for version in revision_of(revision)}
        assert names == {f"thread {revision.comment}"}
