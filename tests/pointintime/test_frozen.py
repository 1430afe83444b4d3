"""A frozen key stays on the version that it was set to."""

import copy
import pickle
from contextlib import contextmanager
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core import serializers
from django.db import IntegrityError, connection, connections, models, transaction
from django.db.models import Count, ProtectedError
from django.db.models.signals import post_save, pre_save
from django.test.utils import CaptureQueriesContext, isolate_apps

from handleref.pointintime.fields import FrozenForeignKey
from handleref.versions import as_of
from tests.pointintime.library import change, moment, queries
from tests.pointintime.relations import Author, Book, Leaf, Pin, Quote, Review
from tests.threads import together

pytestmark = pytest.mark.django_db


@pytest.fixture
def book():
    return Book.objects.create(title="v1", author=Author.objects.create(name="Ann"))


@pytest.fixture(params=[Review, Quote], ids=["plain owner", "point-in-time owner"])
def owner_model(request):
    return request.param


def reread(owner):
    return type(owner).objects.get(pk=owner.pk)


def frozen(owner):
    """Return the title that the owner's key leads to, read anew."""
    return reread(owner).book.title


def stale(obj):
    """Return an instance that knows nothing of what comes now."""
    return type(obj).objects.get(pk=obj.pk)


# Staying ----------------------------------------------------------------------------------------


def test_it_is_made_on_the_current_row(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")

    assert (owner.book_id, reread(owner).book_id) == (book.pk, book.pk)


def test_it_stays_on_its_version(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")

    change(book, title="v2")
    later = owner_model.objects.create(book=book, text="b")
    change(book, title="v3")

    assert (frozen(owner), frozen(later), book.title) == ("v1", "v2", "v3")


def test_it_stays_through_set_based_writes(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")

    Book.objects.update(title="v2")
    book.refresh_from_db()
    later = owner_model.objects.create(book=book, text="b")
    book.title = "v3"
    Book.objects.bulk_update([book], ["title"])

    assert (frozen(owner), frozen(later)) == ("v1", "v2")


def test_a_deleted_object_is_still_there_for_it(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")

    Book.objects.all().delete()

    assert frozen(owner) == "v1"


def test_it_survives_a_rollback(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")
    change(book, title="v2")
    later = owner_model.objects.create(book=book, text="b")

    book.rollback_latest()
    after = [frozen(owner), frozen(later)]
    change(book, title="other")

    assert after == ["v1", "v1"]
    assert [frozen(owner), frozen(later), book.title] == ["v1", "v1", "other"]


def test_it_goes_where_its_version_goes_by_a_correction(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")
    until = book.start_at + timedelta(days=1)

    book.correct(valid_to=until, title="corrected")

    assert frozen(owner) == "v1"
    assert Book.objects.filter(title="corrected").exists()


def test_it_stays_where_it_is_in_the_past(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")
    change(book, title="v2")
    then = moment()
    change(book, title="v3")

    with as_of(then):
        seen = (
            reread(owner).book.title,
            owner_model.objects.select_related("book").get().book.title,
            owner_model.objects.prefetch_related("book").get().book.title,
            owner_model.objects.filter(book__title="v1").count(),
            owner_model.objects.filter(book__title="v2").count(),
        )

    assert seen == ("v1", "v1", "v1", 1, 0)


def test_replaced_rows_of_its_owner_keep_their_versions(book):
    quote = Quote.objects.create(book=book, text="a")
    change(book, title="v2")
    change(quote, book=book, text="b")
    change(book, title="v3")
    change(quote, book=book, text="c")

    rows = Quote.records.order_by("row_version")

    assert [(row.text, row.book.title) for row in rows] == [("a", "v1"), ("b", "v2"), ("c", "v3")]


def test_it_may_lead_to_its_own_model():
    first = Quote.objects.create(text="v1")
    second = Quote.objects.create(text="other", based_on=first)
    change(first, text="v2")
    change(second, text="another")
    change(first, based_on=second)

    assert reread(second).based_on.text == "v1"
    assert reread(first).based_on.text == "another"


# Owners in memory -------------------------------------------------------------------------------


def test_an_owner_that_was_made_does_not_move_it(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")
    change(book, title="v2")

    change(owner, text="b")

    assert frozen(owner) == "v1"


def test_an_owner_that_was_read_does_not_move_it(book, owner_model):
    owner = stale(owner_model.objects.create(book=book, text="a"))
    change(book, title="v2")

    change(owner, text="b")

    assert frozen(owner) == "v1"


def test_nor_does_one_that_has_the_object(book, owner_model):
    owner_model.objects.create(book=book, text="a")
    owner = owner_model.objects.select_related("book").get()
    _ = owner.book.title
    change(stale(book), title="v2")

    change(owner, text="b")

    assert frozen(owner) == "v1"


@pytest.mark.parametrize("fields", [["book"], ["text", "book"]])
def test_nor_does_one_that_names_the_field(book, owner_model, fields):
    owner = stale(owner_model.objects.create(book=book, text="a"))
    change(book, title="v2")

    owner.save(update_fields=fields)

    assert frozen(owner) == "v1"


def test_nor_does_one_that_was_refreshed(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")
    owner.refresh_from_db()
    change(book, title="v2")
    change(owner, text="b")
    once = frozen(owner)
    owner.refresh_from_db()
    change(book, title="v3")
    change(owner, text="c")

    assert (once, frozen(owner)) == ("v1", "v1")


def test_one_that_was_refreshed_leaves_it_where_others_set_it(book, owner_model):
    owner = owner_model.objects.create(book=book, text="a")
    change(book, title="v2")
    change(reread(owner), book=book)

    owner.refresh_from_db()
    change(owner, text="b")

    assert frozen(owner) == "v2"


def test_nor_does_one_that_left_the_key_out(book, owner_model):
    owner_model.objects.create(book=book, text="a")
    owner = owner_model.objects.defer("book").get()
    _ = owner.book_id
    change(book, title="v2")

    change(owner, text="b")

    assert frozen(owner) == "v1"


@pytest.mark.parametrize(
    "copied", [copy.copy, lambda owner: pickle.loads(pickle.dumps(owner))], ids=["copy", "pickle"]
)
def test_nor_does_a_copy(book, owner_model, copied):
    owner = copied(stale(owner_model.objects.create(book=book, text="a")))
    change(book, title="v2")

    change(owner, text="b")

    assert frozen(owner) == "v1"


def test_an_owner_that_is_unsaved_stays_on_what_it_was_given(book, owner_model):
    owner = owner_model(book=book, text="a")
    change(book, title="v2")

    owner.save()

    assert frozen(owner) == "v1"


def test_an_owner_may_be_made_before_the_object_is_saved(owner_model):
    book = Book(title="v1", author=Author.objects.create(name="Ann"))
    owner = owner_model(book=book, text="a")
    book.save()
    owner.save()

    change(book, title="v2")

    assert frozen(owner) == "v1"


def test_what_was_not_written_is_written_again(book, owner_model):
    other = Book.objects.create(title="other", author=book.author)
    owner = owner_model.objects.create(book=book, text="a")
    owner.book = other

    with transaction.atomic():
        owner.save()
        transaction.set_rollback(True)
    rolled_back = frozen(owner)
    change(other, title="other v2")
    owner.save()

    assert (rolled_back, frozen(owner)) == ("v1", "other")


def test_an_owner_in_memory_shows_its_version_when_it_is_asked_later(book, owner_model):
    owner = stale(owner_model.objects.create(book=book, text="a"))

    change(book, title="v2")
    with queries(1):
        seen = owner.book.title

    assert (seen, owner.book_id) == ("v1", Book.records.get(title="v1").pk)


def test_a_stale_owner_shows_the_version_of_its_own_version(book):
    quote = Quote.objects.create(book=book, text="a")
    old = stale(quote)
    change(book, title="v2")
    change(quote, book=book, text="b")

    assert (old.book.title, reread(quote).book.title) == ("v1", "v2")


# Setting ----------------------------------------------------------------------------------------


def test_setting_the_object_writes_the_version_that_it_is(book, owner_model):
    owner = stale(owner_model.objects.create(book=book, text="a"))
    change(book, title="v2")

    change(owner, book=book)
    change(book, title="v3")
    change(owner, text="b")

    assert frozen(owner) == "v2"


def test_an_instance_that_is_stale_stands_for_the_version_that_it_is(book, owner_model):
    old = stale(book)
    change(book, title="v2")

    made = owner_model.objects.create(book=old, text="a")
    given = owner_model.objects.create(book=book, text="b")
    change(given, book=old)

    assert (frozen(made), frozen(given)) == ("v1", "v1")


def test_a_replaced_row_can_be_set(book, owner_model):
    change(book, title="v2")
    row = Book.records.get(title="v1")

    made = owner_model.objects.create(book=row, text="a")
    change(book, title="v3")

    assert (frozen(made), reread(made).book_id) == ("v1", row.pk)


def test_an_object_as_it_was_can_be_set(book, owner_model):
    then = moment()
    change(book, title="v2")
    with as_of(then):
        old = Book.objects.get()

    made = owner_model.objects.create(book=old, text="a")
    many = owner_model.objects.bulk_create([owner_model(book=old, text="b")])
    given = owner_model.objects.create(book=book, text="c")
    given.book = old
    owner_model.objects.bulk_update([given], ["book"])

    assert [frozen(owner) for owner in (made, *many, given)] == ["v1", "v1", "v1"]


def test_the_key_by_itself_can_be_set(book, owner_model):
    other = Book.objects.create(title="other", author=book.author)
    owner = owner_model.objects.create(book_id=book.pk, text="a")
    change(book, title="v2")

    change(owner, book_id=other.pk)
    change(other, title="other v2")
    change(owner, text="b")

    assert frozen(owner) == "other"


def test_none_can_be_set(book):
    quote = Quote.objects.create(book=book, text="a")

    change(quote, book=None)

    assert reread(quote).book is None


def test_bulk_create_asks_no_more_for_each_instance(book, owner_model):
    old = stale(book)
    change(book, title="v2")
    with CaptureQueriesContext(connection) as plain:
        owner_model.objects.bulk_create([owner_model(book_id=book.pk, text="a")])
    owners = [owner_model(book=each, text="b") for each in (old, book, old)]

    # The one more locks the object; bulk_create() of a plain model is Django's own.
    more = connection.features.has_select_for_update and owner_model is Quote
    with queries(len(plain) + more):
        owner_model.objects.bulk_create(owners)
    change(book, title="v3")

    assert [frozen(owner) for owner in owners] == ["v1", "v2", "v1"]


def test_update_takes_the_version_that_an_instance_is(book, owner_model):
    old = stale(book)
    then = moment()
    owner = owner_model.objects.create(book=book, text="a")
    change(book, title="v2")
    with as_of(then):
        shown = Book.objects.get()

    seen = []
    for value in (book, old, shown, Book.records.get(title="v1"), book.pk):
        owner_model.objects.filter(pk=owner.pk).update(book=value)
        seen.append(frozen(owner))

    assert seen == ["v2", "v1", "v1", "v1", "v2"]


def test_moving_costs_one_statement_for_each_key(book, owner_model):
    owner_model.objects.bulk_create([owner_model(book=book, text="a") for _ in range(5)])
    book.title = "v2"

    with CaptureQueriesContext(connection) as asked:
        book.save()

    table = connection.ops.quote_name(owner_model._meta.db_table)
    moved = [each["sql"] for each in asked if each["sql"].startswith(f"UPDATE {table} ")]
    keys = [f for f in owner_model._meta.fields if getattr(f, "is_frozen", False)]
    assert len(moved) == len([key for key in keys if key.related_model is Book])
    assert {owner.book.title for owner in owner_model.objects.all()} == {"v1"}


# Looking ----------------------------------------------------------------------------------------


def test_related_rows_are_joined_as_they_are(book, owner_model):
    owner_model.objects.create(book=book, text="a")
    change(book, title="v2")
    owner_model.objects.create(book=book, text="b")

    joined = owner_model.objects.select_related("book").order_by("text")
    fetched = owner_model.objects.prefetch_related("book").order_by("text")
    with queries(3):
        seen = [[owner.book.title for owner in rows] for rows in (joined, fetched)]

    assert seen == [["v1", "v2"]] * 2
    assert owner_model.objects.get(book__title="v1").text == "a"
    assert [*owner_model.objects.order_by("book__title").values_list("book__title", "text")] == [
        ("v1", "a"),
        ("v2", "b"),
    ]


def test_the_accessor_of_a_version_gives_those_that_are_on_it(book, owner_model):
    accessor = f"{owner_model._meta.model_name}_set"
    owner_model.objects.create(book=book, text="a")
    old, then = stale(book), moment()
    change(book, title="v2")
    owner_model.objects.create(book=book, text="b")
    with as_of(then):
        shown = Book.objects.get()
    row = Book.records.get(title="v1")

    seen = [
        [owner.text for owner in getattr(version, accessor).all()]
        for version in (book, stale(book), old, shown, row)
    ]

    assert seen == [["b"], ["b"], ["a"], ["a"], ["a"]]


def test_versions_fetch_those_that_are_on_them(book, owner_model):
    accessor = f"{owner_model._meta.model_name}_set"
    owner_model.objects.create(book=book, text="a")
    then = moment()
    change(book, title="v2")
    owner_model.objects.create(book=book, text="b")

    with queries(2):
        rows = Book.records.prefetch_related(accessor).order_by("row_version")
        seen = {row.title: [owner.text for owner in getattr(row, accessor).all()] for row in rows}
        owners = [owner.book for row in rows for owner in getattr(row, accessor).all()]
    with as_of(then):
        past = Book.objects.prefetch_related(accessor).get()

    assert seen == {"v1": ["a"], "v2": ["b"]}
    assert all(owner is row for owner, row in zip(owners, rows, strict=True))
    assert [owner.text for owner in getattr(past, accessor).all()] == ["a"]


def test_queries_from_versions_reach_those_that_are_on_them(book, owner_model):
    name = owner_model._meta.model_name
    owner_model.objects.create(book=book, text="a")
    then = moment()
    change(book, title="v2")

    def found(**conditions):
        rows = Book.objects.filter(**conditions).count()
        return rows, Book.objects.exclude(**conditions).count()

    with as_of(then):
        past = found(**{f"{name}__text": "a"})
        counted = Book.objects.annotate(n=Count(name)).get().n
    present = found(**{f"{name}__text": "a"})

    assert (past, counted, present) == ((1, 0), 1, (0, 1))


def test_instances_in_filters_stand_for_their_versions(book, owner_model):
    owner_model.objects.create(book=book, text="a")
    old, then = stale(book), moment()
    change(book, title="v2")
    owner_model.objects.create(book=book, text="b")
    with as_of(then):
        shown = Book.objects.get()
    row = Book.records.get(title="v1")

    def found(**conditions):
        return sorted(owner.text for owner in owner_model.objects.filter(**conditions))

    one = [found(book=each) for each in (book, old, shown, row, book.pk, row.pk)]
    many = [found(book__in=each) for each in ([book], [old], [old, book], [row, book.pk])]

    assert one == [["b"], ["a"], ["a"], ["a"], ["b"], ["a"]]
    assert many == [["b"], ["a"], ["a", "b"], ["a", "b"]]
    assert [each.text for each in owner_model.objects.exclude(book=old)] == ["b"]
    assert found(book__in=Book.objects.all()) == ["b"]


# Deleting ---------------------------------------------------------------------------------------


def test_a_version_is_protected_by_default(book):
    Review.objects.create(book=book, text="a")
    change(book, title="v2")

    with pytest.raises(ProtectedError):
        Book.records.get(title="v1")._delete()

    assert FrozenForeignKey(Book).remote_field.on_delete.__name__ == "PROTECT"


def test_owners_may_go_with_their_version(book):
    quote = Quote.objects.create(book=book, text="a")
    change(book, title="v2")
    other = Quote.objects.create(book=book, text="b")

    Book.records.get(title="v1")._delete()

    assert [*Quote.records.values_list("pk", flat=True)] == [other.pk]
    assert not Quote.records.filter(pk=quote.pk).exists()


def test_keys_need_not_be_numbers():
    leaf = Leaf.objects.create(text="v1")
    old = stale(leaf)
    pins = Pin.objects.bulk_create([Pin(leaf=leaf), Pin(leaf_id=leaf.pk)])
    change(leaf, text="v2")
    pins.append(Pin.objects.create(leaf=old, before=pins[0]))
    change(pins[0], leaf=leaf)
    pins.append(Pin.objects.create(leaf=leaf, before=pins[0]))
    Pin.objects.filter(pk=pins[1].pk).update(leaf=old)
    change(leaf, text="v3")

    assert [reread(pin).leaf.text for pin in pins] == ["v2", "v1", "v1", "v2"]
    assert [reread(pin).before.leaf.text for pin in pins[2:]] == ["v1", "v2"]
    assert {*Pin.objects.filter(leaf=old)} == {*pins[1:3]}
    assert {*Pin.objects.filter(leaf__in=[old])} == {*pins[1:3]}


# Locking ----------------------------------------------------------------------------------------

LOCKS = ("FOR KEY SHARE", "LOCK IN SHARE MODE")


def locking(asked):
    """Return the tables of which statements of their own lock rows, and how many rows of each."""
    found = [each["sql"] for each in asked if each["sql"].endswith(LOCKS)]
    return [(sql.split("FROM ")[1].split()[0].strip('"`'), sql.count(",") + 1) for sql in found]


def locked(model, rows=1):
    """Return what is locked before a version is written, where rows can be locked."""
    return [(model._meta.db_table, rows)] * connection.features.has_select_for_update


@contextmanager
def received(signal, model, receiver):
    signal.connect(receiver, sender=model, weak=False)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=model)


def test_the_object_is_locked_before_its_version_is_written(book, owner_model):
    with CaptureQueriesContext(connection) as asked:
        owner_model.objects.create(book=book, text="a")

    writes = [each["sql"].startswith("INSERT") for each in asked]
    assert locking(asked) == locked(Book)
    assert writes.index(True) == len(locked(Book))


def test_an_owner_that_is_given_another_object_locks_that(book):
    review = stale(Review.objects.create(book=book, text="a"))
    other = Book.objects.create(title="other", author=book.author)

    with CaptureQueriesContext(connection) as given:
        change(review, book=other)
    with CaptureQueriesContext(connection) as by_key:
        change(stale(review), book_id=book.pk)

    assert [locking(given), locking(by_key)] == [locked(Book)] * 2


def test_objects_of_several_keys_are_locked_at_once(book):
    other = Book.objects.create(title="other", author=book.author)

    with CaptureQueriesContext(connection) as asked:
        Review.objects.create(book=other, other=book, text="a")

    assert locking(asked) == locked(Book, 2)


def test_a_point_in_time_owner_locks_what_it_leaves_along_with_that(book):
    other = Book.objects.create(title="other", author=book.author)
    quote = stale(Quote.objects.create(book=book, text="a"))

    with CaptureQueriesContext(connection) as asked:
        change(quote, book=other)

    # Its save locks what it is on in any case, which is locked by then.
    assert locking(asked)[:1] == locked(Book, 2)


def test_many_are_locked_at_once(book):
    others = [Book.objects.create(title=str(n), author=book.author) for n in range(3)]

    with CaptureQueriesContext(connection) as made:
        Quote.objects.bulk_create([Quote(book=each, text="a") for each in (*others, *others)])
    with CaptureQueriesContext(connection) as updated:
        Quote.objects.filter(book=others[0]).update(book=book)

    assert locking(made) == locked(Book, 3)
    # What they leave comes after.
    assert locking(updated)[:1] == locked(Book)


def test_nothing_is_asked_where_no_key_is_written(book):
    review = stale(Review.objects.create(book=book, text="a"))

    with queries(1):
        change(review, text="b")
    review.book = Book.objects.create(title="other", author=book.author)
    with queries(1):
        review.save(update_fields=["text"])

    assert frozen(review) == "v1"


@pytest.mark.django_db(transaction=True)
def test_a_transaction_is_opened_only_to_lock(book):
    with CaptureQueriesContext(connection) as asked:
        review = Review.objects.create(book=book, text="a")
    with queries(1):
        review.save(update_fields=["text"])

    # Begin, lock, insert, commit.
    assert len(asked) == (4 if connection.features.has_select_for_update else 1)


def test_what_a_receiver_sets_is_locked(book):
    def receive(instance, **_):
        instance.book = book

    with received(pre_save, Review, receive), CaptureQueriesContext(connection) as asked:
        Review.objects.create(text="a")

    assert locking(asked) == locked(Book)


def test_a_raw_save_locks_nothing(book):
    review = Review.objects.create(book=book, text="a")
    fixture = serializers.serialize("json", [review]).replace('"a"', '"b"')
    (read,) = serializers.deserialize("json", fixture)

    with CaptureQueriesContext(connection) as asked:
        read.save()

    assert locking(asked) == []
    assert reread(review).text == "b"


@pytest.mark.django_db(transaction=True)
def test_a_save_that_fails_leaves_the_connection_usable(book, owner_model):
    with pytest.raises(IntegrityError):
        owner_model.objects.create(book=book, text=None)
    left = connection.in_atomic_block
    with transaction.atomic():
        with pytest.raises(IntegrityError), transaction.atomic():
            owner_model.objects.create(book=book, text=None)
        owner = owner_model.objects.create(book=book, text="a")

    assert (left, owner_model.objects.count(), frozen(owner)) == (False, 1, "v1")


@pytest.mark.django_db(transaction=True)
def test_receivers_are_outside_of_its_transaction(book, owner_model):
    """One that refuses, breaks no transaction; one that comes after, sees the row committed."""
    seen = []

    def refuse(**_):
        raise LookupError

    def see(**_):
        seen.append(connection.in_atomic_block)

    with transaction.atomic(), received(pre_save, owner_model, refuse):
        with pytest.raises(LookupError):
            owner_model.objects.create(book=book, text="a")
        count = owner_model.objects.count()
    with received(post_save, owner_model, see):
        owner_model.objects.create(book=book, text="b")

    assert (count, seen, owner_model.objects.count()) == (0, [False], 1)


@pytest.mark.django_db(transaction=True)
def test_it_is_saved_by_coroutines(book, owner_model):
    old = stale(book)
    change(book, title="v2")
    owner = owner_model(book=old, text="a")

    async_to_sync(owner.asave)()

    assert frozen(owner) == "v1"


@pytest.mark.django_db(databases=["default", "other"])
def test_the_object_is_locked_where_the_owner_is_saved(owner_model):
    author = Author.objects.using("other").create(name="Ann")
    book = Book.objects.using("other").create(title="v1", author=author)
    owner = owner_model(book=book, text="a")
    Book.objects.using("other").update(title="v2")

    with CaptureQueriesContext(connections["other"]) as asked, queries(0):
        owner.save(using="other")

    assert locking(asked) == locked(Book)
    assert owner_model.objects.using("other").get().book.title == "v1"


@isolate_apps("tests.pointintime")
def test_proxies_lock_as_their_models_do(book):
    class Praise(Review):
        class Meta:
            app_label = "pointintime_tests"
            proxy = True

    class Novel(Book):
        class Meta:
            app_label = "pointintime_tests"
            proxy = True

    old = Novel.objects.get()
    change(book, title="v2")

    with CaptureQueriesContext(connection) as asked:
        praise = Praise.objects.create(book=old, text="a")

    assert locking(asked) == locked(Book)
    assert Review.objects.get(pk=praise.pk).book.title == "v1"


@pytest.fixture
def shelves(transactional_db):
    """Models of an abstract base with frozen keys, one of them with children; and their tables."""
    with isolate_apps("tests.pointintime"):

        class Shelf(models.Model):
            book = FrozenForeignKey(Book, related_name="+")

            class Meta:
                abstract = True

        class Upper(Shelf):
            saved = 0

            def save_base(self, *args, **kwargs):
                self.saved += 1
                super().save_base(*args, **kwargs)

        class Lower(Shelf):
            second = FrozenForeignKey(Book, related_name="+")
            written = 0

            def _save_table(self, *args, **kwargs):
                self.written += 1
                return super()._save_table(*args, **kwargs)

        class Cellar(Lower):
            third = FrozenForeignKey(Book, related_name="+")

    tables = [Upper, Lower, Cellar]
    with connection.schema_editor() as editor:
        for model in tables:
            editor.create_model(model)
    yield tables
    with connection.schema_editor() as editor:
        for model in reversed(tables):
            editor.delete_model(model)


def test_children_of_an_abstract_owner_lock_once_each(shelves, book):
    upper, lower, cellar = shelves
    other = Book.objects.create(title="other", author=book.author)

    with CaptureQueriesContext(connection) as asked_upper:
        made_upper = upper.objects.create(book=book)
    with CaptureQueriesContext(connection) as asked_lower:
        made_lower = lower.objects.create(book=book, second=other)
    with CaptureQueriesContext(connection) as asked_cellar:
        made_cellar = cellar.objects.create(book=book, second=other, third=book)

    assert locking(asked_upper) == locked(Book)
    assert locking(asked_lower) == locked(Book, 2)
    # It has two tables.
    assert locking(asked_cellar) == locked(Book, 2) + locked(Book)
    # What the models do themselves is done.
    assert (made_upper.saved, made_lower.written, made_cellar.written) == (1, 1, 2)


def test_an_abstract_owner_is_left_as_it_is(shelves):
    abstract = shelves[0].__mro__[1]

    assert "_save_table" not in vars(abstract)
    assert ["_save_table" in vars(model) for model in shelves] == [True, True, False]


# Together ---------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_owners_and_objects_are_saved_at_once():
    """Nobody waits for who waits for him, and each owner is on the version that its maker saw."""
    author = Author.objects.create(name="Ann")
    book = Book.objects.create(title="0", author=author)
    quotes = [Quote.objects.create(book=book, text="") for _ in range(8)]

    def work(number):
        for turn in range(20):
            seen = Book.objects.get()
            if number < 3:
                change(seen, title=f"{number}.{turn}")
            elif number < 6:
                change(Quote.objects.get(pk=quotes[number].pk), text=f"{turn}")
            else:
                with transaction.atomic():
                    Review.objects.create(book=seen, text=seen.title)
                    change(Quote.objects.get(pk=quotes[number].pk), book=seen, text=seen.title)

    together(work)

    reviews = Review.objects.values_list("text", "book__title")
    assert [pair for pair in reviews if pair[0] != pair[1]] == []
    made = Quote.records.filter(row_id__in=[quote.pk for quote in quotes[6:]], row_version__gt=1)
    assert [pair for pair in made.values_list("text", "book__title") if pair[0] != pair[1]] == []
    assert (Book.records.count(), len(reviews), made.count()) == (61, 40, 40)
    assert {quote.book.title for quote in Quote.records.filter(text__regex="^[0-9]*$")} == {"0"}
