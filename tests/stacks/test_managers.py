"""What a queryset of a stack finds and writes."""

import uuid

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldError
from django.db import IntegrityError, connections, models, transaction
from django.db.models import Case, Count, F, Max, Subquery, Value, When
from django.db.models.functions import Upper

from handleref.exceptions import PastIsReadOnlyError, StackNotAdoptedError
from handleref.stacks.managers import StackManager, StackStoreQuerySet
from handleref.versions import as_of
from tests.stacks.models import Chapter, Counter, Note, ProxyCounter, Quiet, StackPage
from tests.versions.conftest import NOON
from tests.versions.models import Section, Tag

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def counters():
    """Return three stacks, of 1, 2 and 3 versions; each counts its own."""
    made = [Counter.objects.create(name=name) for name in "abc"]
    for times, counter in enumerate(made):
        for _ in range(times):
            counter.count += 1
            counter.save()
    return made


def latest(model=Counter, *names):
    """Return the numbers and some values of the latest versions, in their own order."""
    rows = model._base_manager.filter(stack_latest=True)
    return sorted(rows.values_list("stack_number", *(names or ["name", "count"])))


class TestFinding:
    def test_latest_versions_and_conditions_on_them(self, counters):
        a, b, c = counters
        rows = Counter.objects.latest_from_stack_group

        assert [*rows()] == [a, b, c]
        assert [*rows(count__gt=0)] == [*rows().filter(count__gt=0)] == [b, c]
        assert [*rows(models.Q(name="a") | models.Q(name="c"))] == [a, c]
        assert [*Counter.objects.filter(count=0).latest_from_stack_group()] == [a]
        assert [*rows().order_by("-name")] == [c, b, a]
        assert [*rows().exclude(name="a")] == [b, c]
        assert rows().aggregate(n=Count("pk"), top=Max("count")) == {"n": 3, "top": 2}
        assert isinstance(rows(), StackStoreQuerySet)

    def test_one_latest_version(self, counters):
        get = Counter.objects.get_latest_from_stack_group

        assert get(name="b") == Counter.objects.filter(name="b").get_latest_from_stack_group()
        with pytest.raises(Counter.DoesNotExist):
            get(name="b", count=0)
        with pytest.raises(Counter.MultipleObjectsReturned):
            get()

    def test_rows_that_are_not_are_found_as_well(self, counters):
        old = Counter.objects.filter(stack_latest=None)

        assert sorted(old.values_list("name", "count")) == [("b", 0), ("c", 0), ("c", 1)]
        assert Counter.objects.exclude(stack_latest=True).count() == 3
        assert Counter.objects.filter(stack_latest__isnull=False).count() == 3
        assert Counter.objects.filter(stack_latest=False).count() == 0

    def test_managers_of_relations_compose(self):
        section = Section.objects.create(name="s")
        page = StackPage.objects.create(title="a", section=section)
        page.save()

        assert section.stackpage_set.count() == 2
        assert [*section.stackpage_set.latest_from_stack_group()] == [page]

    def test_async(self, counters):
        async def find():
            manager = Counter.objects
            return (
                await manager.aget_latest_from_stack_group(name="b"),
                [row async for row in manager.latest_from_stack_group(name="c")],
            )

        assert async_to_sync(find)() == (counters[1], [counters[2]])


class TestUpdate:
    def test_it_makes_versions_and_returns_how_many(self, counters, chain):
        written = Counter.objects.latest_from_stack_group(count__gt=0).update(name="new")

        assert written == 2
        assert latest() == [(1, "a", 0), (3, "new", 1), (4, "new", 2)]
        assert chain(counters[2], "name") == [
            (1, None, "c"),
            (2, None, "c"),
            (3, None, "c"),
            (4, True, "new"),
        ]

    def test_stacks_are_meant_whose_latest_version_is_among_the_rows(self, counters):
        assert Counter.objects.filter(count=0).update(name="new") == 1
        assert Counter.objects.update(name="newer") == 3

        assert latest() == [(3, "newer", 0), (3, "newer", 1), (4, "newer", 2)]

    def test_old_versions_alone_are_none(self, counters):
        old = counters[1].earliest_instance()

        assert Counter.objects.filter(pk=old.pk).update(name="new") == 0
        assert latest() == [(1, "a", 0), (2, "b", 1), (3, "c", 2)]

    def test_expressions_mean_the_latest_version(self, counters):
        Counter.objects.update(count=F("count") * 10 + F("stack_number"), name=Upper("name"))

        assert latest() == [(2, "A", 1), (3, "B", 12), (4, "C", 23)]

    def test_annotations_and_conditions_work(self, counters):
        rows = Counter.objects.annotate(twice=F("count") * 2)
        rows.filter(twice__gt=1).update(count=F("twice"))
        Counter.objects.update(count=Case(When(name="a", then=Value(7)), default=F("count")))

        assert latest() == [(2, "a", 7), (4, "b", 2), (5, "c", 4)]

    def test_subqueries_work(self, counters):
        top = Counter.objects.order_by("-count").values("count")[:1]

        assert Counter.objects.filter(name="a").update(count=Subquery(top)) == 1
        assert latest() == [(2, "a", 2), (2, "b", 1), (3, "c", 2)]

    def test_joins_narrow_it(self):
        section = Section.objects.create(name="s")
        StackPage.objects.create(title="a", section=section)
        StackPage.objects.create(title="b")

        assert StackPage.objects.filter(section__name="s").update(body="x") == 1
        assert latest(StackPage, "title", "body") == [(1, "b", ""), (2, "a", "x")]

    def test_rows_that_joins_find_twice_get_one_version(self):
        page = StackPage.objects.create(title="a")
        page.tags.set([Tag.objects.create(name="t") for _ in range(3)])

        assert StackPage.objects.filter(tags__name="t").update(body="x") == 1
        assert latest(StackPage, "body") == [(2, "x")]

    def test_relations_take_instances_and_keys(self):
        section = Section.objects.create(name="s")
        page = StackPage.objects.create(title="a")

        StackPage.objects.update(section=section)
        assert page.latest.section == section
        StackPage.objects.update(section_id=None)
        assert page.latest.section is None

    def test_values_of_every_type_arrive(self):
        StackPage.objects.create(title="a")
        values = {"price": "1.25", "printed": NOON, "extra": {"a": [1, None]}, "kind": "n"}
        StackPage.objects.update(**values)

        page = StackPage.objects.latest_from_stack_group().get()
        assert (str(page.price), page.printed, page.extra) == ("1.2500", NOON, {"a": [1, None]})

    def test_links_are_carried(self):
        pages = [StackPage.objects.create(title=title) for title in "abc"]
        tags = [Tag.objects.create(name=name) for name in "xy"]
        pages[0].tags.set(tags)
        pages[1].tags.set(tags[:1])

        StackPage.objects.update(body="x")

        found = {page.title: {*page.tags.all()} for page in StackPage.objects.filter(body="x")}
        assert found == {"a": {*tags}, "b": {tags[0]}, "c": set()}
        assert [*pages[0].tags.all()] == tags

    def test_the_rest_is_as_it_was(self):
        chapter = Chapter.objects.create(name="a", pages=3, published=True)
        Chapter.objects.update(name="b")

        new = chapter.latest
        assert (new.name, new.shout, new.pages, new.stack_number) == ("b", "B", 3, 2)
        assert new.stack_created_at >= chapter.stack_created_at

    def test_its_statements_do_not_grow_with_the_rows(self, statements):
        Counter.objects.bulk_create([Counter(name="a") for _ in range(2)])
        with statements() as few:
            Counter.objects.update(count=1)
        Counter.objects.bulk_create([Counter(name="a") for _ in range(2_000)])
        with statements() as many:
            assert Counter.objects.update(count=2) == 2_002

        assert few == many
        assert len([word for word in many if word == "INSERT"]) == 1
        assert len(many) <= 5

    def test_keys_made_in_python_are_made(self, chain):
        notes = [Note.objects.create(text=text) for text in "ab"]
        tag = Tag.objects.create(name="t")
        notes[0].tags.add(tag)

        written = Note.objects.annotate(more=F("count") + 1).update(
            count=F("more"), text=Upper("text")
        )

        assert written == 2
        assert chain(notes[0], "text") == [(1, None, "a"), (2, True, "A")]
        assert [*notes[0].latest.tags.all()] == [tag]
        assert {n.count for n in Note.objects.latest_from_stack_group()} == {1}
        assert len({*Note.objects.values_list("pk", flat=True)}) == 4

    def test_those_are_inserted_together_as_well(self, statements):
        Note.objects.bulk_create([Note(text="a") for _ in range(50)])
        with statements() as found:
            assert Note.objects.values("text").update(count=1) == 50

        assert found.count("INSERT") == 2  # the rows, and their links

    def test_overwriting(self, counters):
        assert Counter.objects.filter(count=0).update(new_version=False, name="z") == 3

        assert latest() == [(1, "z", 0), (2, "b", 1), (3, "c", 2)]
        assert Counter.objects.count() == 6

    def test_what_is_said_may_be_given(self, counters):
        Counter.objects.filter(name="a").update(count=1, stack_comment="why")

        assert Counter.objects.get_latest_from_stack_group(name="a").stack_comment == "why"
        Counter.objects.update(count=2)
        assert {row.stack_comment for row in Counter.objects.latest_from_stack_group()} == {""}

    @pytest.mark.parametrize(
        "name", ["stack_number", "stack_latest", "stack_group_uuid", "stack_created_at", "id", "pk"]
    )
    def test_places_may_not(self, counters, name):
        with pytest.raises(ValueError) as error:
            Counter.objects.update(**{name: None})

        assert str(error.value) == (
            f"{name} is set by the stack, for each version anew: leave it out, or overwrite rows"
            " as they are with new_version=False."
        )

    def test_what_django_refuses_is_refused(self, counters):
        with pytest.raises(TypeError):
            Counter.objects.all()[:1].update(name="x")
        with pytest.raises(FieldError):
            StackPage.objects.update(tags=1)
        with pytest.raises(FieldError):
            StackPage.objects.update(title=F("section__name"))
        with pytest.raises(PastIsReadOnlyError), as_of(NOON):
            Counter.objects.update(name="x")
        with pytest.raises(PastIsReadOnlyError), as_of(NOON):
            Counter.objects.update(new_version=False, name="x")
        assert Counter.objects.update() == 0
        assert Counter.objects.count() == 6

    def test_a_unique_value_is_refused_and_nothing_is_written(self):
        for title in "ab":
            StackPage.objects.create(title=title)

        with pytest.raises(IntegrityError), transaction.atomic():
            StackPage.objects.update(title="c")

        assert latest(StackPage, "title") == [(1, "a"), (1, "b")]

    def test_values_may_change_places(self):
        a, b = (StackPage.objects.create(title=title) for title in "ab")
        swapped = Case(When(title="a", then=Value("b")), default=Value("a"))

        StackPage.objects.update(title=swapped)

        assert (a.latest.title, b.latest.title) == ("b", "a")

    def test_unchanged_stacks_are_passed_over(self, counters):
        assert Counter.objects.update(name="a", skip_unchanged=True) == 2
        assert Counter.objects.update(name="A", skip_unchanged=True) == 3
        assert latest() == [(2, "A", 0), (4, "A", 1), (5, "A", 2)]

    @pytest.mark.parametrize(
        ("values", "written"),
        [
            ({"name": "a"}, 1),
            ({"name": None}, 1),
            ({"name": "A"}, 2),
            ({"name": "a", "price": "2.5"}, 2),
            ({"extra": {"a": 1}}, 1),
            ({"section": None}, 0),
            ({"price": F("price")}, 0),
        ],
        ids=str,
    )
    def test_as_a_model_may_say(self, values, written):
        Quiet.objects.create(name="a")
        Quiet.objects.create(name=None, extra={"a": 1})

        assert Quiet.objects.update(**values) == written

    def test_related_managers_make_versions_as_far_as_django_asks_them(self):
        section = Section.objects.create(name="s")
        page = StackPage.objects.create(title="a", section=section)

        section.stackpage_set.update(body="x")
        section.stackpage_set.remove(page.latest)

        assert latest(StackPage, "body", "section") == [(3, "x", None)]
        assert section.stackpage_set.count() == 2

    def test_update_or_create_makes_a_version(self, chain):
        rows = Counter.objects.latest_from_stack_group()

        counter, created = rows.update_or_create(name="a", defaults={"count": 1})
        assert created
        counter, created = rows.update_or_create(name="a", defaults={"count": 2})
        assert not created
        assert chain(counter, "count") == [(1, None, 1), (2, True, 2)]
        assert rows.get_or_create(name="a") == (counter, False)

    def test_async(self, counters):
        async def write():
            await Counter.objects.aupdate(count=F("count") + 1)
            await Counter.objects.filter(name="a").aupdate(count=0, new_version=False)
            return await Counter.objects.latest_from_stack_group().aupdate_or_create(
                name="b", defaults={"count": 9}
            )

        async_to_sync(write)()

        assert latest() == [(2, "a", 0), (4, "b", 9), (4, "c", 3)]

    def test_the_other_database_is_another_one(self, counters):
        counters[0].save(using="other")

        assert Counter.objects.using("other").update(count=5) == 1
        assert latest() == [(1, "a", 0), (2, "b", 1), (3, "c", 2)]

    def test_proxies_update_the_same_stacks(self, counters):
        assert ProxyCounter.objects.filter(name="c").update(count=9) == 1
        assert latest()[-1] == (4, "c", 9)


class TestBulkCreate:
    def test_new_stacks(self, statements):
        with statements() as found:
            made = Counter.objects.bulk_create([Counter(name=name) for name in "ab"])

        assert found == ["INSERT"]
        assert latest() == [(1, "a", 0), (1, "b", 0)]
        assert [(c.stack_number, c.stack_latest, c._state.adding) for c in made] == [
            (1, True, False)
        ] * 2

    def test_several_versions_of_one(self, chain):
        group = uuid.uuid4()
        names = [("a", group), ("x", uuid.uuid4()), ("b", group), ("c", group)]
        made = Counter.objects.bulk_create(
            [Counter(name=name, stack_group_uuid=uuid_) for name, uuid_ in names]
        )

        assert chain(made[0], "name") == [(1, None, "a"), (2, None, "b"), (3, True, "c")]
        assert [(c.stack_number, c.stack_latest) for c in made] == [
            (1, None),
            (1, True),
            (2, None),
            (3, True),
        ]

    def test_the_next_versions_of_what_is_there(self, counters, chain):
        c = counters[2]
        group = c.stack_group_uuid
        Counter.objects.bulk_create(
            [Counter(name="d", stack_group_uuid=group), Counter(name="e", stack_group_uuid=group)]
        )

        assert chain(c, "name")[2:] == [(3, None, "c"), (4, None, "d"), (5, True, "e")]
        moments = [row.stack_created_at for row in c.same_group_items()]
        assert moments == sorted(moments, reverse=True)

    def test_saved_instances_become_new_versions(self, counters, chain):
        for counter in counters:
            counter.count += 100
        before = [counter.pk for counter in counters]

        Counter.objects.bulk_create([*counters, Counter(name="new")])

        assert latest() == [(1, "new", 0), (2, "a", 100), (3, "b", 101), (4, "c", 102)]
        assert not {*before} & {counter.pk for counter in counters}
        assert counters[0].born == counters[0].previous_instance().born

    def test_links_are_carried(self):
        page, tag = StackPage.objects.create(title="a"), Tag.objects.create(name="t")
        page.tags.add(tag)
        group = page.stack_group_uuid
        joined = [StackPage(title=title, stack_group_uuid=group) for title in "bc"]
        StackPage.objects.bulk_create(joined)
        assert [[*each.tags.all()] for each in joined] == [[tag], [tag]]

        stale = StackPage.objects.get(stack_number=1)
        joined[1].tags.clear()
        StackPage.objects.bulk_create([stale])
        assert (stale.stack_number, [*stale.tags.all()]) == (4, [tag])

    def test_its_statements_do_not_grow_with_the_rows(self, counters, statements):
        def joining(count):
            groups = [counter.stack_group_uuid for counter in counters]
            return [Counter(name="n", stack_group_uuid=groups[i % 3]) for i in range(count)]

        with statements() as few:
            Counter.objects.bulk_create(joining(3))
        with statements() as many:
            Counter.objects.bulk_create(joining(90))

        assert few == many and len(many) <= 6

    def test_keys_made_in_python(self, chain):
        note = Note.objects.create(text="a")
        Note.objects.bulk_create([note, Note(text="x")])

        assert chain(note, "text") == [(1, None, "a"), (2, True, "a")]

    def test_conflicts_may_be_passed_over_where_stacks_are_new(self):
        StackPage.objects.create(title="a")
        StackPage.objects.bulk_create(
            [StackPage(title=title) for title in "ab"], ignore_conflicts=True
        )

        assert latest(StackPage, "title") == [(1, "a"), (1, "b")]

    def test_elsewhere_not(self, counters):
        joining = Counter(name="x", stack_group_uuid=counters[0].stack_group_uuid)
        with pytest.raises(ValueError) as error:
            Counter.objects.bulk_create([joining], ignore_conflicts=True)
        assert str(error.value) == (
            "bulk_create(ignore_conflicts=True) takes new stacks only: a version that is passed"
            " over would leave its stack without a latest one."
        )
        with pytest.raises(ValueError) as error:
            Counter.objects.bulk_create([Counter(name="x")], update_conflicts=True)
        assert str(error.value) == (
            "bulk_create(update_conflicts=True) would overwrite versions: use update(), or"
            " bulk_update()."
        )

    def test_a_refusal_leaves_the_instances_as_they_were(self):
        page = StackPage.objects.create(title="a")
        before = (page.pk, page.stack_number, page.stack_latest)
        StackPage.objects.create(title="b")
        page.title = "b"

        with pytest.raises(IntegrityError), transaction.atomic():
            StackPage.objects.bulk_create([page])

        assert (page.pk, page.stack_number, page.stack_latest) == before
        assert latest(StackPage, "title") == [(1, "a"), (1, "b")]

    def test_nothing_is_nothing(self):
        assert Counter.objects.bulk_create([]) == []

    def test_neither_the_past_nor_what_has_no_numbers_is_written(self, counters):
        with pytest.raises(PastIsReadOnlyError), as_of(NOON):
            Counter.objects.bulk_create([Counter(name="x")])
        Counter.objects.filter(name="a").update(
            new_version=False, stack_number=None, stack_latest=None
        )
        joining = Counter(name="x", stack_group_uuid=counters[0].stack_group_uuid)
        with pytest.raises(StackNotAdoptedError):
            Counter.objects.bulk_create([joining])

    def test_async(self):
        async def write():
            await Counter.objects.abulk_create([Counter(name="a")])

        async_to_sync(write)()

        assert latest() == [(1, "a", 0)]

    def test_the_other_database(self):
        made = Counter.objects.using("other").bulk_create([Counter(name="a")])
        Counter.objects.using("other").bulk_create(made)

        assert made[0].stack_number == 2
        assert not Counter.objects.exists()


class TestBulkUpdate:
    def test_it_makes_versions_of_the_objects(self, counters, chain):
        for counter in counters:
            counter.count += 10
            counter.name = "lost"
        old = counters[1].pk

        written = Counter.objects.bulk_update(counters, ["count"])

        assert written == 3
        assert latest() == [(2, "a", 10), (3, "b", 11), (4, "c", 12)]
        assert (counters[1].stack_number, counters[1].stack_latest) == (3, True)
        assert counters[1].previous_instance().pk == old

    def test_a_stale_object_gives_its_fields_to_the_latest_version(self, counters):
        c = counters[2]
        stale = Counter.objects.get(name="c", stack_number=1)
        stale.name, stale.count = "new", 50

        Counter.objects.bulk_update([stale], ["name"])

        assert latest()[-1] == (4, "new", 2)
        assert (stale.stack_number, stale.latest) == (4, stale)
        assert c.next_instance() == stale

    def test_of_two_objects_of_one_stack_the_last_one_wins(self, counters):
        first, second = Counter.objects.filter(name="b").order_by("stack_number")
        first.name, second.name = "one", "two"

        assert Counter.objects.bulk_update([first, second], ["name"]) == 1
        assert (3, "two", 1) in latest()
        assert first == second

    def test_expressions_mean_the_latest_version(self, counters):
        for counter in counters:
            counter.count = F("count") + 1

        Counter.objects.bulk_update(counters, ["count"])

        assert [counter.count for counter in counters] == [1, 2, 3]
        assert latest() == [(2, "a", 1), (3, "b", 2), (4, "c", 3)]

    def test_links_are_carried(self):
        page, tag = StackPage.objects.create(title="a"), Tag.objects.create(name="t")
        page.tags.add(tag)
        page.body = "x"

        StackPage.objects.bulk_update([page], ["body"])

        assert (page.stack_number, [*page.tags.all()]) == (2, [tag])

    def test_its_statements_do_not_grow_with_the_rows(self, statements):
        made = Counter.objects.bulk_create([Counter(name="a") for _ in range(60)])
        with statements() as few:
            Counter.objects.bulk_update(made[:2], ["name"])
        with statements() as many:
            Counter.objects.bulk_update(made, ["name"])

        assert few == many and len(many) <= 6

    def test_unchanged_ones_are_passed_over_where_the_model_says_so(self, chain):
        quiet, other = (Quiet.objects.create(name=name) for name in "ab")
        quiet.price = "9.00"

        assert Quiet.objects.bulk_update([quiet, other], ["price", "name"]) == 1
        assert len(chain(quiet, "name")) == 2 and len(chain(other, "name")) == 1

    def test_overwriting(self, counters):
        for counter in counters:
            counter.count = 9

        assert Counter.objects.bulk_update(counters, ["count"], new_version=False) == 3
        assert latest() == [(1, "a", 9), (2, "b", 9), (3, "c", 9)]

    def test_what_cannot_be_is_refused_in_djangos_words(self, counters):
        update = Counter.objects.bulk_update

        for args, said in [
            ((counters, []), "Field names must be given to bulk_update()."),
            (([Counter()], ["name"]), "All bulk_update() objects must have a primary key set."),
            ((counters, ["name"], 0), "Batch size must be a positive integer."),
        ]:
            with pytest.raises(ValueError) as error:
                update(*args)
            assert str(error.value) == said
        with pytest.raises(ValueError) as error:
            StackPage.objects.bulk_update([], ["tags"])
        assert str(error.value) == "bulk_update() can only be used with concrete fields."
        with pytest.raises(ValueError):
            update(counters, ["stack_number"])
        with pytest.raises(PastIsReadOnlyError), as_of(NOON):
            update(counters, ["name"])
        assert update([], ["name"]) == 0

    def test_what_is_gone_is_passed_over(self, counters):
        gone = counters[0]
        Counter.objects.filter(name="a").force_delete()
        gone.name = "x"

        assert Counter.objects.bulk_update([gone], ["name"]) == 0

    def test_async(self, counters):
        counters[0].count = 4

        async def write():
            await Counter.objects.abulk_update(counters[:1], ["count"])
            await Counter.objects.abulk_update(counters[:1], ["count"], new_version=False)

        async_to_sync(write)()

        assert (2, "a", 4) in latest()


class TestTheManager:
    def test_a_subclass_stays_out_of_migrations(self):
        class Own(StackManager):
            pass

        class Wanted(StackManager):
            use_in_migrations = True

        assert (StackManager.use_in_migrations, Own.use_in_migrations) == (True, False)
        assert Wanted.use_in_migrations

    def test_it_deletes_nothing(self, counters):
        said = (
            "stacks_tests.Counter keeps its versions: delete() is not available."
            " Use force_delete(), which deletes rows for good."
        )

        for delete in (Counter.objects.all().delete, async_to_sync(Counter.objects.all().adelete)):
            with pytest.raises(NotImplementedError) as error:
                delete()
            assert str(error.value) == said
        assert not hasattr(Counter.objects, "delete")
        assert not hasattr(Counter.objects, "force_delete")

    def test_what_writes_says_so(self):
        rows = Counter.objects.all()

        for name in ["update", "bulk_create", "bulk_update", "delete", "force_delete"]:
            assert getattr(rows, name).alters_data and getattr(rows, f"a{name}").alters_data
        counter = Counter()
        assert counter.save.alters_data and counter.force_delete.alters_data

    def test_threads_of_another_alias_are_left_alone(self):
        assert {*connections} >= {"default", "other"}
