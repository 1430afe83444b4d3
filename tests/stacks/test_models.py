"""Every save is a new row."""

import copy
import pickle
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest import mock

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.files.base import ContentFile
from django.db import DatabaseError, IntegrityError, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Upper
from django.db.models.signals import post_init, post_save, pre_save
from django.db.transaction import TransactionManagementError

from handleref.exceptions import PastIsReadOnlyError, StackNotAdoptedError
from handleref.stacks.base import names_by_chance
from handleref.versions import as_of
from tests.stacks.models import (
    Chapter,
    Comment,
    Counter,
    MySampleModel,
    News,
    Note,
    Person,
    ProxyCounter,
    Quiet,
    StackPage,
)
from tests.versions.models import Section, Tag

pytestmark = pytest.mark.django_db(databases="__all__")

PAST = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def counter():
    return Counter.objects.create(name="a")


def is_row(obj):
    """Tell whether an instance has what its row has, in every field."""
    row = type(obj)._base_manager.using(obj._state.db).get(pk=obj.pk)
    names = [field.attname for field in obj._meta.concrete_fields]
    assert {name: getattr(obj, name) for name in names} == {n: getattr(row, n) for n in names}
    return True


class TestANewVersion:
    def test_the_first_save_is_an_insert_and_nothing_else(self, statements):
        with statements() as found:
            counter = Counter.objects.create(name="a")

        assert found == ["INSERT"]
        assert (counter.stack_number, counter.stack_latest) == (1, True)
        assert is_row(counter)

    def test_the_latest_one_is_followed_in_two_statements_or_one(
        self, counter, chain, statements, one_save
    ):
        counter.count = 1

        with statements() as found:
            counter.save()

        assert found == one_save
        assert chain(counter, "count") == [(1, None, 0), (2, True, 1)]
        assert is_row(counter)

    def test_one_statement_more_carries_the_links_of_a_field(self, statements):
        page = StackPage.objects.create(title="a")
        tag = Tag.objects.create(name="t")
        page.tags.add(tag)

        with statements() as found:
            page.save()

        assert found == ["UPDATE", "INSERT", "INSERT"]
        assert [*page.tags.all()] == [*page.previous_instance().tags.all()] == [tag]

    def test_what_was_just_read_is_followed_in_as_many(self, counter, statements, one_save):
        found_again = Counter.objects.get()

        with statements() as found:
            found_again.save()

        assert found == one_save

    @pytest.mark.parametrize("model", [Counter, Note, Quiet])
    def test_what_is_written_is_what_django_would_write(self, model):
        """Also where keys are made here, and in each kind of field that is no mere parameter."""
        text = "text" if model is Note else "name"
        obj = model.objects.create(**{text: "50% 'a' \\ \u00fc"})
        if model is Quiet:
            obj.price, obj.extra = "2.5", {"a": [None, "\u00fc"]}
            obj.section = Section.objects.create(name="s")
        first = obj.pk

        obj.save(skip_unchanged=False)
        obj.refresh_from_db()

        assert obj.pk != first and is_row(obj)
        before = obj.previous_instance()
        assert getattr(obj, text) == getattr(before, text) == "50% 'a' \\ \u00fc"
        if model is Quiet:
            assert (obj.price, obj.extra) == (Decimal("2.5"), {"a": [None, "\u00fc"]})

    def test_fields_are_told_once_of_a_save(self, counter):
        stale = Counter.objects.get()
        counter.save()

        with mock.patch.object(Counter._meta.get_field("born"), "pre_save") as told:
            told.return_value = PAST
            stale.save()

        assert told.call_count == 1 and stale.stack_number == 3 and is_row(stale)

    def test_a_field_may_leave_its_value_to_the_database(self, counter, chain):
        with mock.patch.object(Counter._meta.get_field("born"), "pre_save") as told:
            told.return_value = F("born")
            counter.save()

        assert counter.stack_number == 2 and is_row(counter)
        assert counter.born == counter.previous_instance().born

    def test_a_row_keeps_its_key_and_what_it_said(self, counter):
        first = counter.pk

        counter.name = "b"
        counter.save()

        assert counter.pk != first
        assert Counter.objects.get(pk=first).name == "a"

    def test_a_stale_instance_makes_the_latest_version_with_its_own_values(self, counter, chain):
        stale = Counter.objects.get()
        counter.count = 1
        counter.save()

        stale.name = "b"
        stale.save()

        assert chain(stale, "count") == [(1, None, 0), (2, None, 1), (3, True, 0)]
        assert is_row(stale)

    def test_an_old_version_can_be_saved_again(self, counter, chain):
        for count in (1, 2):
            counter.count = count
            counter.save()

        old = counter.earliest_instance()
        old.save()

        assert chain(counter, "count") == [(1, None, 0), (2, None, 1), (3, None, 2), (4, True, 0)]
        assert old.latest == old and is_row(old)

    def test_links_are_carried_from_the_version_that_the_instance_was(self):
        page = StackPage.objects.create(title="a")
        first, second = (Tag.objects.create(name=name) for name in "ab")
        page.tags.add(first)
        old = StackPage.objects.get()
        page.save()
        page.tags.set([second])

        old.save()

        assert (old.stack_number, [*old.tags.all()]) == (3, [first])

    def test_a_version_made_by_hand_joins_the_stack_that_it_names(self, counter, chain):
        joining = Counter(name="b", stack_group_uuid=counter.stack_group_uuid)

        joining.save()

        assert chain(counter, "name") == [(1, None, "a"), (2, True, "b")]
        assert is_row(joining)

    def test_as_does_an_instance_without_its_key(self, counter, chain):
        counter.pk = None
        counter.count = 5
        counter.save()

        assert chain(counter, "count") == [(1, None, 0), (2, True, 5)]

    def test_and_the_copy_that_django_tells_to_make(self, counter, chain):
        counter.pk, counter._state.adding = None, True
        counter.save()

        assert chain(counter, "count") == [(1, None, 0), (2, True, 0)]

    def test_a_copy_with_a_group_of_its_own_is_a_stack_of_its_own(self, counter, chain):
        first = counter.stack_group_uuid
        counter.pk, counter.stack_group_uuid = None, uuid.uuid4()
        counter.save()

        assert counter.stack_number == 1
        assert Counter.objects.latest_from_stack_group().count() == 2
        assert Counter.objects.get_latest_from_stack_group(stack_group_uuid=first)

    def test_a_version_that_is_moved_leaves_its_stack_whole(self, counter, chain):
        other = Counter.objects.create(name="other")
        moved = Counter.objects.get(pk=counter.pk)
        moved.stack_group_uuid = other.stack_group_uuid

        moved.save()

        assert chain(counter, "name") == [(1, True, "a")]
        assert chain(other, "name") == [(1, None, "other"), (2, True, "a")]

    def test_a_proxy_makes_versions_of_the_same_stack(self, counter, chain):
        proxy = ProxyCounter.objects.get()
        proxy.count = 1
        proxy.save()

        assert chain(counter, "count") == [(1, None, 0), (2, True, 1)]
        assert isinstance(proxy.latest, ProxyCounter)

    def test_keys_made_in_python_are_made_anew(self, chain):
        note = Note.objects.create(text="a")
        first = note.pk

        note.text = "b"
        note.save()

        assert isinstance(note.pk, uuid.UUID) and note.pk != first
        assert chain(note, "text") == [(1, None, "a"), (2, True, "b")]
        assert note.previous_instance().pk == first

    def test_a_first_version_keeps_the_key_that_it_was_given(self):
        key = uuid.uuid4()

        assert Note.objects.create(pk=key, text="a").pk == key
        assert Counter.objects.create(pk=77, name="a").pk == 77

    def test_fields_of_the_database_and_files_come_along(self, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path
        chapter = Chapter.objects.create(name="a", scan=ContentFile(b"x", name="x.txt"))
        chapter = Chapter.objects.get()
        chapter.name = "b"

        chapter.save()

        assert (chapter.shout, chapter.pages, chapter.stack_number) == ("B", 7, 2)
        with chapter.scan.open() as scan:
            assert scan.read() == b"x"
        assert is_row(chapter)
        assert chapter.previous_instance().shout == "A"

    def test_what_a_manager_hides_is_a_version_all_the_same(self, chain):
        chapter = Chapter.objects.create(name="a", published=False)
        chapter.save()

        assert chain(chapter, "name") == [(1, None, "a"), (2, True, "a")]
        assert chapter.previous_instance().next_instance() == chapter

    def test_auto_now_moves_and_auto_now_add_stays(self):
        with mock.patch("django.utils.timezone.now", return_value=PAST):
            counter, page = Counter.objects.create(name="a"), StackPage.objects.create(title="a")

        counter.save()
        page.save()

        assert counter.born == PAST
        assert page.seen > PAST and is_row(page)

    def test_a_version_is_never_older_than_the_one_before(self, counter):
        with mock.patch("django.utils.timezone.now", return_value=PAST):
            counter.save()
            counter.earliest_instance().save()

        moments = [row.stack_created_at for row in counter.same_group_items()]
        assert len(set(moments)) == 1 and moments[0] > PAST

    def test_values_are_as_they_were_given(self):
        page = StackPage.objects.create(title="a", price="1.5", extra={"a": [1]})
        page.printed = datetime(2026, 5, 1, 12, 0, 0, 1, tzinfo=UTC)
        page.section = Section.objects.create(name="s")
        page.save()

        read = StackPage.objects.get(pk=page.pk)

        assert (read.price, read.extra, read.printed) == (Decimal("1.5"), {"a": [1]}, page.printed)
        assert read.section == page.section

    def test_it_is_in_the_database_that_is_named(self, counter):
        counter.save(using="other")

        assert (counter.stack_number, counter._state.db) == (1, "other")
        assert is_row(counter)

        counter.count = 3
        counter.save()
        assert (counter.stack_number, counter._state.db) == (2, "other")
        assert counter.previous_instance().count == 0
        assert Counter.objects.count() == 1

    def test_force_insert_changes_nothing(self, counter, chain):
        counter.save(force_insert=True)

        assert chain(counter, "count") == [(1, None, 0), (2, True, 0)]

    def test_signals_say_that_a_row_was_created(self, counter):
        heard = []

        def before(instance, **said):
            heard.append(("pre", instance.stack_number))

        def after(instance, created, **said):
            heard.append(("post", instance.stack_number, created))

        pre_save.connect(before, sender=Counter)
        post_save.connect(after, sender=Counter)
        try:
            counter.save()
            counter.save(new_version=False)
        finally:
            pre_save.disconnect(before, sender=Counter)
            post_save.disconnect(after, sender=Counter)

        assert heard == [
            ("pre", 1),
            ("post", 2, True),
            ("pre", 2),
            ("post", 2, False),
        ]

    def test_a_fixture_is_loaded_as_it_is(self, counter, chain):
        counter.save()
        text = serializers.serialize("json", Counter.objects.order_by("pk"))
        Counter.objects.all().force_delete()

        for row in serializers.deserialize("json", text):
            row.save()

        assert chain(counter, "count") == [(1, None, 0), (2, True, 0)]

    def test_what_was_read_of_others_is_asked_for_anew(self):
        page = StackPage.objects.create(title="a")
        Comment.objects.create(page=page)
        page = StackPage.objects.prefetch_related("comments").get()
        assert len(page.comments.all()) == 1

        page.save()

        assert len(page.comments.all()) == 0

    def test_relations_to_the_model_itself_are_carried(self):
        ann, bob, eve = (Person.objects.create(name=name) for name in ("ann", "bob", "eve"))
        ann.friends.add(bob)
        ann.fans.add(eve)
        bob.fans.add(ann)

        ann.save()

        assert [*ann.friends.all()] == [bob] and [*ann.fans.all()] == [eve]
        assert ann in bob.friends.all()
        # Others' links stay on the version that they were made to.
        assert [person.stack_number for person in bob.fans.all()] == [1]

    def test_async(self, counter, chain):
        async def write():
            counter.count = 1
            await counter.asave()
            await counter.asave(new_version=False)
            await counter.asave(update_fields=["count"])

        async_to_sync(write)()

        assert chain(counter, "count") == [(1, None, 0), (2, None, 1), (3, True, 1)]


class TestANewStack:
    """Its first version looks for no others, unless somebody may know of it."""

    COPIES = {
        "copy": copy.copy,
        "deepcopy": copy.deepcopy,
        "pickle": lambda obj: pickle.loads(pickle.dumps(obj)),
        "vars": lambda obj: vars(made := Counter()).update(vars(obj), _state=made._state) or made,
        "same": lambda obj: Counter(name="a", stack_group_uuid=obj.stack_group_uuid),
        "text": lambda obj: Counter(name="a", stack_group_uuid=str(obj.stack_group_uuid)),
    }

    @pytest.mark.parametrize("first", [0, 1])
    @pytest.mark.parametrize("way", COPIES)
    def test_who_is_copied_before_the_first_save_shares_the_stack(self, way, first, chain):
        counter = Counter(name="a")
        both = [counter, self.COPIES[way](counter)]

        both.pop(first).save()
        both.pop().save()

        assert chain(counter, "name") == [(1, None, "a"), (2, True, "a")]

    def test_also_in_another_process(self, statements):
        counter = Counter(name="a")
        pickle.dumps(counter)

        with statements() as found:
            counter.save()

        assert found.count("SELECT") == 2 and counter.stack_number == 1

    def test_or_in_one_call(self, chain):
        counter = Counter(name="a")
        other = Counter(name="b")
        other.stack_group_uuid = counter.stack_group_uuid

        with pytest.raises(ValueError), transaction.atomic():
            Counter.objects.bulk_create([counter, other], ignore_conflicts=True)
        Counter.objects.bulk_create([counter, other])

        assert chain(counter, "name") == [(1, None, "a"), (2, True, "b")]

    WRITES = {
        "save": lambda obj: obj.save(),
        "bulk_create": lambda obj: Counter.objects.bulk_create([obj]),
        "plain": lambda obj: models.QuerySet(Counter).bulk_create([obj]),
        "raw": lambda obj: (
            vars(obj).update(stack_number=1, stack_latest=True, born=PAST)
            or obj.save_base(raw=True)
        ),
    }

    def test_a_fixture_that_names_no_stack_begins_one(self, chain):
        row = {
            "model": "stacks_tests.counter",
            "pk": None,
            "fields": {"name": "by hand", "born": PAST},
        }
        for loaded in serializers.deserialize("python", [row]):
            loaded.save()

        counter = Counter.objects.latest_from_stack_group().get()
        counter.name = "b"
        counter.save()
        assert chain(counter, "name") == [(1, None, "by hand"), (2, True, "b")]

    @pytest.mark.parametrize("way", WRITES)
    def test_the_copy_that_django_tells_to_make_is_the_next_version(self, way, chain):
        counter = Counter(name="a")
        self.WRITES[way](counter)

        counter.pk, counter._state.adding = None, True
        counter.save()
        counter.pk, counter._state.adding = None, True
        Counter.objects.bulk_create([counter])

        assert [number for number, *_ in chain(counter, "name")] == [1, 2, 3]

    def test_a_save_that_was_refused_is_tried_again(self, chain):
        StackPage.objects.create(title="taken")
        page = StackPage(title="taken")
        with pytest.raises(IntegrityError), transaction.atomic():
            page.save()
        with pytest.raises(IntegrityError), transaction.atomic():
            StackPage.objects.bulk_create([page])

        page.title = "free"
        page.save()

        assert chain(page, "title") == [(1, True, "free")]

    def test_an_instance_that_is_put_on_another_stack_joins_it(self, counter, chain):
        moved, read = Counter(name="b"), Counter(pk=counter.pk)
        moved.stack_group_uuid = counter.stack_group_uuid
        read.refresh_from_db()

        moved.save()
        read.pk, read._state.adding = None, True
        read.save()

        assert [number for number, *_ in chain(counter, "name")] == [1, 2, 3]

    @pytest.mark.parametrize("signal", [post_init, pre_save], ids=["post_init", "pre_save"])
    def test_also_by_a_receiver(self, counter, signal, chain):
        def join(instance, **_said):
            instance.stack_group_uuid = counter.stack_group_uuid

        signal.connect(join, sender=Counter)
        try:
            Counter(name="b").save()
            Counter.objects.bulk_create(
                [Counter(name="c", stack_group_uuid=counter.stack_group_uuid)]
            )
        finally:
            signal.disconnect(join, sender=Counter)

        assert chain(counter, "name") == [(1, None, "a"), (2, None, "b"), (3, True, "c")]

    def test_one_that_a_default_names_is_looked_for(self, counter, chain):
        field = Counter._meta.get_field("stack_group_uuid")
        made = {"default": counter.stack_group_uuid, "_get_default": lambda: field.default}
        names_by_chance.cache_clear()
        with mock.patch.multiple(field, **made):
            Counter(name="b").save()
        names_by_chance.cache_clear()

        assert chain(counter, "name") == [(1, None, "a"), (2, True, "b")]


class TestOverwriting:
    def test_the_row_is_the_same(self, counter, chain, statements):
        counter.count = 1

        with statements() as found:
            counter.save(new_version=False)

        assert found == ["UPDATE"]
        assert chain(counter, "count") == [(1, True, 1)]
        assert is_row(counter)

    def test_as_django_stackstore_model_spells_it_from_within_a_class(self, counter, chain):
        counter.save(__create_new_version=False)
        assert chain(counter, "count") == [(1, True, 0)]

        counter.save(__create_new_version=True)
        assert chain(counter, "count") == [(1, None, 0), (2, True, 0)]

    def test_force_update_means_the_same(self, counter, chain):
        counter.count = 1
        counter.save(force_update=True)

        assert chain(counter, "count") == [(1, True, 1)]

    def test_an_old_version_stays_old(self, counter, chain):
        old = Counter.objects.get()
        counter.save()

        old.count = 9
        old.save(new_version=False)

        assert chain(counter, "count") == [(1, None, 9), (2, True, 0)]

    def test_a_first_save_inserts_all_the_same(self, chain):
        counter = Counter(name="a")
        counter.save(new_version=False)

        assert chain(counter, "name") == [(1, True, "a")]

    def test_fields_may_be_named(self, counter, chain):
        counter.name, counter.count = "b", 1
        counter.save(new_version=False, update_fields=["count"])

        assert Counter.objects.values_list("name", "count").get() == ("a", 1)

    def test_what_is_said_of_a_version_may_be_corrected(self, counter):
        counter.stack_comment = "a typo"
        counter.save(new_version=False, update_fields=["stack_comment"])

        assert Counter.objects.get().stack_comment == "a typo"

    def test_but_not_its_place(self, counter, chain):
        held = Counter.objects.get()
        held.stack_number, held.stack_latest = 5, None
        held.save(new_version=False)
        held.save(new_version=False, update_fields=["stack_number"])

        assert chain(counter, "count") == [(1, True, 0)]

    def test_expressions_work(self, counter):
        counter.count = F("count") + 1
        counter.save(new_version=False)
        counter.refresh_from_db()

        assert counter.count == 1

    def test_a_row_that_is_gone_is_not_written(self, counter):
        stale = Counter.objects.get()
        counter.force_delete()

        with pytest.raises(DatabaseError) as error:
            stale.save(new_version=False)

        assert str(error.value) == "Forced update did not affect any rows."

    def test_both_at_once_cannot_be(self, counter):
        with pytest.raises(ValueError) as error:
            counter.save(new_version=False, force_insert=True)

        assert str(error.value) == "Cannot force both insert and updating in model saving."


class TestUpdateFields:
    def test_the_rest_is_as_in_the_latest_version(self, counter, chain):
        stale = Counter.objects.get()
        counter.count = 7
        counter.save()

        stale.name = "b"
        stale.save(update_fields=["name"])

        assert chain(counter, "count") == [(1, None, 0), (2, None, 7), (3, True, 7)]
        assert (stale.name, stale.count) == ("b", 7) and is_row(stale)

    def test_also_of_the_links(self):
        page = StackPage.objects.create(title="a")
        stale = StackPage.objects.get()
        tag = Tag.objects.create(name="t")
        page.save()
        page.tags.add(tag)

        stale.body = "b"
        stale.save(update_fields=["body"])

        assert [*stale.tags.all()] == [tag]

    def test_deferred_fields_are_as_in_the_latest_version(self, counter, chain):
        partly = Counter.objects.only("name").get()
        counter.count = 7
        counter.save()

        partly.name = "b"
        partly.save()

        assert chain(counter, "count") == [(1, None, 0), (2, None, 7), (3, True, 7)]
        assert is_row(partly) and partly.get_deferred_fields() == set()

    def test_a_deferred_place_is_read(self, counter, chain):
        partly = Counter.objects.defer("stack_group_uuid", "stack_number", "stack_latest").get()
        partly.count = 1
        partly.save()

        assert chain(counter, "count") == [(1, None, 0), (2, True, 1)]
        assert is_row(partly)

    def test_a_foreign_key_may_be_named_by_its_column(self):
        section = Section.objects.create(name="s")
        page = StackPage.objects.create(title="a")
        page.section = section
        page.save(update_fields=["section_id"])

        assert StackPage.objects.get(pk=page.pk).section == section

    def test_what_was_held_of_a_relation_is_forgotten_with_it(self):
        one, two = (Section.objects.create(name=name) for name in "ab")
        page = StackPage.objects.create(title="a", section=one)
        stale = StackPage.objects.select_related("section").get()
        page.section = two
        page.save()

        stale.save(update_fields=["title"])

        assert stale.section == two

    def test_no_fields_are_no_version(self, counter, chain):
        counter.save(update_fields=[])

        assert chain(counter, "count") == [(1, True, 0)]

    def test_a_strange_name_is_refused(self, counter):
        with pytest.raises(ValueError):
            counter.save(update_fields=["nonsense"])

    def test_auto_now_moves_only_when_it_is_named(self):
        with mock.patch("django.utils.timezone.now", return_value=PAST):
            page = StackPage.objects.create(title="a")

        page.save(update_fields=["title"])
        assert page.seen == PAST
        page.save(update_fields=["seen"])
        assert page.seen > PAST


class TestExpressions:
    def test_f_means_the_version_before(self, counter, chain):
        counter.count = F("count") + 1
        counter.save()

        assert counter.count == 1 and is_row(counter)
        assert chain(counter, "count") == [(1, None, 0), (2, True, 1)]

    def test_that_is_the_latest_one_for_a_stale_instance(self, counter, chain):
        stale = Counter.objects.get()
        counter.count = 10
        counter.save()

        stale.count = F("count") + 1
        stale.save()

        assert chain(counter, "count") == [(1, None, 0), (2, None, 10), (3, True, 11)]

    def test_others_work_too(self):
        page = StackPage.objects.create(title="a", price=1)
        page.title = Concat(Upper("title"), Value("!"))
        page.price = F("price") * 2
        page.section_id = Value(None)

        page.save()

        assert (page.title, page.price, page.section_id) == ("A!", 2, None) and is_row(page)

    def test_with_update_fields(self, counter):
        counter.count = F("count") + 1
        counter.name = "lost"
        counter.save(update_fields=["count"])

        assert (counter.name, counter.count) == ("a", 1) and is_row(counter)

    def test_a_default_of_the_database_is_what_it_is(self):
        chapter = Chapter.objects.create(name="a")
        chapter.pages = Chapter(name="b").pages  # stands for the default, until it is saved
        chapter.save()

        assert chapter.pages == 7

    def test_what_cannot_be_worked_out_is_refused_and_changes_nothing(self, counter, chain):
        counter.count = F("nonsense")

        with pytest.raises(FieldError), transaction.atomic():
            counter.save()

        assert (counter.stack_number, counter.stack_latest) == (1, True)
        assert chain(counter, "name") == [(1, True, "a")]


class TestSkippingWhatIsUnchanged:
    def test_nothing_is_written_where_nothing_differs(self, counter, chain, statements):
        with statements() as found:
            counter.save(skip_unchanged=True)

        assert found == ["SELECT"]
        assert chain(counter, "count") == [(1, True, 0)]

    def test_what_differs_is_written(self, counter, chain):
        counter.count = 1
        counter.save(skip_unchanged=True)

        assert chain(counter, "count") == [(1, None, 0), (2, True, 1)]

    @pytest.fixture
    def quiet(self):
        return Quiet.objects.create(name="a", price="2.50", extra={"a": 1})

    def test_a_model_may_say_so(self, quiet, chain):
        quiet.save()
        quiet.save(skip_unchanged=False)
        quiet.save()

        assert [number for number, *_ in chain(quiet, "name")] == [1, 2]

    @pytest.mark.parametrize(
        "values",
        [
            {"name": "A"},
            {"name": None},
            {"price": "2.51"},
            {"extra": {"a": True}},
            {"extra": {"a": 1.0}},
            {"price": F("price")},
        ],
        ids=str,
    )
    def test_each_value_counts(self, quiet, values, chain):
        for name, value in values.items():
            setattr(quiet, name, value)
        quiet.save()

        assert [number for number, *_ in chain(quiet, "name")] == [1, 2]

    @pytest.mark.parametrize("values", [{"price": "2.5"}, {"price": Decimal("2.500")}], ids=str)
    def test_however_it_is_written(self, quiet, values, chain):
        for name, value in values.items():
            setattr(quiet, name, value)
        quiet.save()

        assert [number for number, *_ in chain(quiet, "name")] == [1]

    def test_only_the_fields_that_would_be_written_count(self, quiet, chain):
        quiet.name, quiet.price = "b", "9"
        quiet.save(update_fields=["extra"])
        assert len(chain(quiet, "name")) == 1 and is_row(quiet)

        quiet.price = "9"
        quiet.save(update_fields=["price"])
        assert chain(quiet, "price") == [(1, None, Decimal("2.50")), (2, True, 9)]

    def test_a_stale_instance_is_compared_with_the_latest_version(self, quiet, chain):
        stale = Quiet.objects.get()
        quiet.name = "b"
        quiet.save()

        stale.save()
        assert len(chain(quiet, "name")) == 3

        twin = Quiet.objects.get(stack_number=1)
        twin.save()
        assert len(chain(quiet, "name")) == 3
        assert twin == stale and is_row(twin)

    def test_deferred_fields_are_unchanged(self, quiet, chain):
        partly = Quiet.objects.only("name").get()
        partly.save()

        assert len(chain(quiet, "name")) == 1

    def test_overwriting_is_not_skipped(self, quiet):
        Quiet.objects.filter(pk=quiet.pk).update(new_version=False, name="b")
        quiet.save(new_version=False)

        assert Quiet.objects.get().name == "a"


class TestWhatIsRefused:
    def test_an_instance_is_as_it_was_after_a_refusal(self, chain):
        StackPage.objects.create(title="taken")
        page = StackPage.objects.create(title="a")
        before = {f.attname: getattr(page, f.attname) for f in page._meta.concrete_fields}

        page.title = "taken"
        with pytest.raises(IntegrityError), transaction.atomic():
            page.save()

        page.title = "a"
        assert {name: getattr(page, name) for name in before if name != "seen"} == {
            name: value for name, value in before.items() if name != "seen"
        }
        page.save()
        assert chain(page, "title") == [(1, None, "a"), (2, True, "a")]

    def test_a_transaction_in_which_it_was_refused_does_not_go_on(self):
        StackPage.objects.create(title="taken")
        page = StackPage.objects.create(title="a")

        page.title = "taken"
        with transaction.atomic():
            with pytest.raises(IntegrityError):
                page.save()
            with pytest.raises(TransactionManagementError):
                StackPage.objects.count()

        assert StackPage.objects.filter(pk=page.pk).latest_from_stack_group().get().title == "a"

    @pytest.mark.django_db(transaction=True)
    def test_nothing_goes_on_after_one_where_nothing_commits_by_itself(self, by_hand, chain):
        StackPage.objects.create(title="taken")
        page = StackPage.objects.create(title="a")
        transaction.commit()

        page.title = "taken"
        with pytest.raises(IntegrityError):
            page.save()

        with pytest.raises(TransactionManagementError):
            StackPage.objects.count()
        transaction.rollback()
        assert chain(page, "title") == [(1, True, "a")]

    @pytest.mark.django_db(transaction=True)
    def test_without_a_transaction_the_latest_version_stays_the_latest(self, chain):
        StackPage.objects.create(title="taken")
        page = StackPage.objects.create(title="a")

        page.title = "taken"
        with pytest.raises(IntegrityError):
            page.save()

        assert chain(page, "title") == [(1, True, "a")]
        page.title = "b"
        page.save()
        assert chain(page, "title") == [(1, None, "a"), (2, True, "b")]

    def test_an_instance_whose_transaction_was_rolled_back_goes_on(self, counter, chain):
        with transaction.atomic():
            counter.count = 1
            counter.save()
            transaction.set_rollback(True)

        counter.save()

        assert chain(counter, "count") == [(1, None, 0), (2, True, 1)]

    def test_with_the_links_of_the_latest_version(self):
        page, tag = StackPage.objects.create(title="a"), Tag.objects.create(name="t")
        page.tags.add(tag)
        with transaction.atomic():
            page.save()
            transaction.set_rollback(True)

        page.save()

        assert (page.stack_number, [*page.tags.all()]) == (2, [tag])

    def test_so_does_one_whose_first_save_was(self, chain):
        counter = Counter(name="a")
        with transaction.atomic():
            counter.save()
            transaction.set_rollback(True)

        counter.save()

        assert chain(counter, "name") == [(1, True, "a")]

    def test_an_unsaved_relation_is_refused(self):
        page = StackPage(title="a", section=Section(name="s"))

        with pytest.raises(ValueError) as error:
            page.save()

        assert str(error.value) == (
            "save() prohibited to prevent data loss due to unsaved related object 'section'."
        )

    def test_delete_names_the_way_out(self, counter):
        said = (
            "stacks_tests.Counter keeps its versions: delete() is not available."
            " Use force_delete(), which deletes rows for good."
        )

        with pytest.raises(NotImplementedError) as error:
            counter.delete()
        assert str(error.value) == said
        with pytest.raises(NotImplementedError) as error:
            async_to_sync(counter.adelete)()
        assert str(error.value) == said

    def test_nothing_is_written_into_the_past(self, counter):
        for write in (counter.save, counter.force_delete):
            with as_of(PAST), pytest.raises(PastIsReadOnlyError):
                write()

        assert Counter.objects.count() == 1

    def test_rows_without_numbers_are_to_be_adopted_first(self, counter):
        rows = Counter.objects.all()
        rows.update(new_version=False, stack_number=None, stack_latest=None)

        with pytest.raises(StackNotAdoptedError) as error:
            Counter.objects.get().save()

        assert str(error.value) == (
            f"Versions of the stacks_tests.Counter {counter.stack_group_uuid} have no numbers yet."
            " Nothing is saved; run: manage.py handleref_stacks adopt stacks_tests.Counter"
        )

    def test_a_stack_without_a_latest_version_gets_one_with_the_next_save(self, counter, chain):
        counter.save()
        models.QuerySet(Counter).filter(pk=counter.pk).delete()  # behind our back

        counter.save()

        assert chain(counter, "count") == [(1, None, 0), (2, True, 0)]

    @pytest.mark.parametrize("values", [{"stack_number": 1}, {"stack_latest": True}], ids=str)
    def test_the_database_holds_what_the_rest_relies_on(self, counter, values):
        counter.save()

        with pytest.raises(IntegrityError), transaction.atomic():
            models.QuerySet(Counter).filter(stack_group_uuid=counter.stack_group_uuid).update(
                **values
            )


class TestTheOtherVersions:
    @pytest.fixture
    def versions(self, counter):
        for count in (1, 2):
            counter.count = count
            counter.save()
        return [*counter.same_group_items()][::-1]

    def test_each_finds_its_neighbours_and_the_ends(self, versions):
        first, second, third = versions

        assert [v.count for v in versions] == [0, 1, 2]
        assert (second.previous_instance(), second.next_instance()) == (first, third)
        assert {v.latest_instance() for v in versions} == {third}
        assert {v.latest for v in versions} == {third}
        assert {v.earliest_instance() for v in versions} == {first}

    @pytest.mark.parametrize("which", ["previous", "next"])
    def test_there_is_nothing_beyond_the_ends(self, versions, which):
        end = versions[0] if which == "previous" else versions[-1]

        with pytest.raises(Counter.DoesNotExist) as error:
            getattr(end, f"{which}_instance")()

        assert str(error.value) == (
            f"No {which} version of stacks_tests.Counter {end.stack_group_uuid}: there is none."
        )

    @pytest.mark.parametrize("which", ["previous", "next", "latest", "earliest"])
    def test_what_was_never_saved_has_none(self, which):
        counter = Counter(name="a")

        with pytest.raises(Counter.DoesNotExist) as error:
            getattr(counter, f"{which}_instance")()

        assert str(error.value) == (
            f"No {which} version of stacks_tests.Counter {counter.stack_group_uuid}:"
            " it was never saved."
        )
        assert not counter.same_group_items().exists()

    def test_the_order_is_that_of_the_writes_whatever_the_keys(self):
        note = Note.objects.create(text="0")
        for number in range(1, 12):
            note.text = str(number)
            note.save()

        texts = [n.text for n in note.same_group_items()]

        assert texts == [str(number) for number in range(11, -1, -1)]
        assert note.earliest_instance().next_instance().text == "1"
        assert Note.objects.latest().text == "11"

    def test_each_is_one_query(self, versions, statements):
        with statements() as found:
            versions[1].previous_instance()
            versions[1].next_instance()
            versions[1].latest_instance()
            versions[1].earliest_instance()

        assert found == ["SELECT"] * 4

    def test_async(self, versions):
        first, second, third = versions

        async def find():
            return [
                await second.aprevious_instance(),
                await second.anext_instance(),
                await second.alatest_instance(),
                await second.aearliest_instance(),
                [item async for item in second.same_group_items()],
            ]

        assert async_to_sync(find)() == [first, third, third, first, [third, second, first]]

    def test_a_field_of_that_name_hides_the_accessor(self):
        news = News.objects.create(latest="x")

        assert (news.latest, News.objects.get().latest) == ("x", "x")
        assert news.latest_instance() == news


class TestMeta:
    def test_order_and_soundness_do_not_depend_on_the_meta(self):
        names = {c.name.rpartition("_")[0] for c in Counter._meta.constraints}
        indexes = [index.fields for index in Counter._meta.indexes]

        assert names == {"stack_number", "stack_latest"}
        assert indexes == [["stack_latest", "id"]]
        assert ProxyCounter._meta.constraints == []

    def test_a_user_may_go_and_his_versions_stay(self):
        user = get_user_model().objects.create_user("ann")
        counter = Counter.objects.create(name="a")
        models.QuerySet(Counter).update(stack_user=user)
        counter.save()

        user.delete()

        assert {*Counter.objects.values_list("stack_user", flat=True)} == {None}
        assert Counter.objects.count() == 2

    def test_the_sample_of_the_document_is_listed_by_key(self):
        first = MySampleModel.objects.create(title="a", body="")
        first.save()

        keys = [row.pk for row in MySampleModel.objects.all()]

        assert keys == sorted(keys)

    def test_moments_are_of_the_clock(self, counter):
        before = counter.stack_created_at
        counter.save()

        assert timedelta(0) <= counter.stack_created_at - before < timedelta(minutes=1)
