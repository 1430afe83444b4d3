"""Rows of a stack read as versions: links, gaps, names."""

import pytest
from django.utils.timezone import is_aware, make_naive

from handleref.exceptions import RevertError
from handleref.versions import Reverter, Version, history, load_previous
from tests.stacks.models import Chapter, Counter, Note, Person, StackPage
from tests.versions.models import Tag

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def tags():
    return [Tag.objects.create(name=name) for name in "abc"]


@pytest.fixture
def page(tags):
    """Return a page of which every version but the second last has other tags than before."""
    page = StackPage.objects.create(title="1")
    for title, chosen in [("2", tags[:1]), ("3", tags[:2]), ("4", tags[:2]), ("5", tags[1:])]:
        page.title = title
        page.save()
        page.tags.set(chosen)
    return page


def titles(versions):
    return [version.data["title"] for version in versions]


class TestLinks:
    def test_each_version_has_its_own(self, page, tags):
        a, b, c = (tag.pk for tag in tags)

        found = [version.data["tags"] for version in history(page)]

        assert found == [(b, c), (a, b), (a, b), (a,), ()]

    def test_they_are_read_when_they_are_asked_for_and_once_for_all(self, page, statements):
        with statements() as found:
            versions = [*iter(history(page))]
            titles(versions)
        assert found == ["SELECT"]

        with statements() as found:
            assert [len(version.data["tags"]) for version in versions] == [2, 2, 2, 1, 0]
        assert found == ["SELECT"]

    def test_where_there_are_none_none_are_read(self, statements):
        note = Note.objects.create(text="a")

        with statements() as found:
            assert [version.data["tags"] for version in history(note)] == [()]

        assert found == ["SELECT"]

    def test_a_page_of_changes_takes_a_few_queries_however_many_there_are(self, page, statements):
        def summed(versions):
            with statements() as found:
                summary = Version.changes_summary(versions)
            return summary, found

        few, first = summed(history(page)[:2])
        many, second = summed(history(page)[:4])

        assert (len(few["tags"]), len(many["tags"])) == (1, 3)
        assert len(second) <= len(first) <= 6

    def test_versions_that_changed_them_are_found(self, page):
        assert titles(history(page).changing("tags")) == ["5", "3", "2"]
        assert titles(history(StackPage).changing("tags")) == ["5", "3", "2"]

    def test_those_that_changed_other_fields_as_well(self, page):
        page.price = 1
        page.save()

        assert titles(history(page).changing("price")) == ["5"]
        assert titles(history(page).changing("title")) == ["5", "4", "3", "2"]
        assert titles(history(page).changing("stack_number")) == []
        assert titles(history(page).changing("nonsense")) == []

    def test_of_relations_to_the_model_itself_too(self):
        ann, bob = Person.objects.create(name="ann"), Person.objects.create(name="bob")
        ann.save()
        ann.fans.add(bob)
        ann.save()

        numbers = [v.row.stack_number for v in history(ann).changing("fans")]

        assert numbers == [2]
        assert history(ann).first().data["fans"] == (bob.pk,)


class TestGaps:
    @pytest.fixture
    def counter(self):
        counter = Counter.objects.create(name="0")
        for name in "1234":
            counter.name = name
            counter.save()
        Counter.objects.filter(name="2").force_delete()
        return counter

    def test_the_neighbour_is_the_next_that_there_is(self, counter):
        newest, second, third, oldest = history(counter)

        assert [v.data["name"] for v in (newest, second, third, oldest)] == ["4", "3", "1", "0"]
        assert (second.previous, third.next) == (third, second)
        load_previous(versions := [*history(counter)])
        assert [v.previous and v.previous.data["name"] for v in versions] == ["3", "1", "0", None]

    def test_a_version_whose_source_is_gone_names_none(self, counter):
        Reverter().rollback(counter, history(counter).last())
        assert history(counter).first().reverted_from is not None

        Counter.objects.filter(stack_number=1).force_delete()

        assert history(counter).first().reverted_from is None

    def test_a_stack_that_is_gone_has_no_history(self, counter):
        group, version = counter.stack_group_uuid, history(counter).first()
        counter.same_group_items().force_delete()

        assert not history(Counter, group)
        assert not history(Counter).deleted()
        with pytest.raises(RevertError):
            Reverter().rollback(version.row, version)

    def test_what_has_no_key_has_none_either(self, counter):
        counter.force_delete()

        for gone in (counter, Counter(name="new")):
            with pytest.raises(ValueError):
                history(gone)


class TestNames:
    def test_a_version_is_called_as_the_object_was(self, page):
        assert [str(version) for version in history(page)[:2]] == ["5", "4"]

    def test_a_model_without_a_name_of_its_own_is_searched_by_its_texts(self):
        Chapter.objects.create(name="one")
        Chapter.objects.create(name="two")

        assert [v.data["name"] for v in history(Chapter).search("TW")] == ["two"]

    def test_its_date_is_aware_whatever_the_project_keeps(self, page, settings):
        version = history(page).first()
        assert is_aware(version.date)

        settings.USE_TZ = False
        version.row.stack_created_at = make_naive(version.row.stack_created_at)
        assert is_aware(version.date)

    def test_its_values_can_be_printed(self, page):
        assert "'title': '5'" in repr(history(page).first().data)
