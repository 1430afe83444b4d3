"""Foreign keys to a stack: those that stay on a version, and those that follow the latest."""

from uuid import uuid4

import pytest
from django import forms
from django.contrib.admin import ModelAdmin, site
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, F, OuterRef, Prefetch, Q, Subquery
from rest_framework.serializers import ModelSerializer

from handleref.stacks.fields import LatestForeignKey, StackLatestField, StackNumberField
from tests.stacks.models import (
    Bookmark,
    Chapter,
    Club,
    Comment,
    Link,
    Membership,
    Person,
    StackPage,
)

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def page():
    """Return the latest of three versions: one, two, three."""
    page = StackPage.objects.create(title="one")
    for title in ("two", "three"):
        page.title = title
        page.save()
    return page


@pytest.fixture
def old(page):
    return page.earliest_instance()


@pytest.fixture
def link(page):
    link = Link.objects.create(name="l", page=page)
    page.title = "four"
    page.save()
    return Link.objects.get(pk=link.pk)


class TestForward:
    def test_it_reads_the_latest_version(self, link, page, statements):
        with statements() as found:
            assert link.page == page

        assert found == ["SELECT"]
        assert link.page_id == page.stack_group_uuid

    def test_a_plain_key_stays_where_it_is(self, page, old):
        comment = Comment.objects.create(page=page)
        page.title = "four"
        page.save()

        comment = Comment.objects.get(pk=comment.pk)
        assert (comment.page.title, comment.page.latest.title) == ("three", "four")

    def test_an_old_version_stands_for_its_stack(self, page, old):
        link = Link(name="l", page=old)
        assert (link.page, link.page_id) == (page, page.stack_group_uuid)

        link.save()
        assert Link.objects.get().page == page

    def test_an_instance_that_is_saved_later_is_the_one_that_is_held(self, page):
        link = Link(name="l", page=page)
        page.title = "four"
        page.save()

        assert link.page is page and link.page.title == "four"

    def test_an_unsaved_one_is_refused(self):
        link = Link(name="l", page=StackPage(title="a"))

        with pytest.raises(ValueError) as error:
            link.save()

        assert str(error.value) == (
            "save() prohibited to prevent data loss due to unsaved related object 'page'."
        )

    def test_one_that_is_saved_after_it_was_given_is_not(self):
        page = StackPage(title="a")
        link = Link(name="l", page=page)
        page.save()
        link.save()

        assert Link.objects.get().page == page

    def test_none_is_none(self):
        bookmark = Bookmark.objects.create(page=None)

        assert Bookmark.objects.get().page is None
        assert Bookmark.objects.filter(page=None).get() == bookmark

    def test_what_is_gone_is_not_there(self, link):
        models.QuerySet(StackPage).update(stack_latest=None)

        with pytest.raises(StackPage.DoesNotExist):
            _ = link.page

    def test_it_is_filled_by_select_related(self, link, page, statements):
        with statements() as found:
            [held] = Link.objects.select_related("page")
            assert held.page.title == "four"

        assert found == ["SELECT"]

    def test_also_where_it_may_be_missing(self, link, page):
        Bookmark.objects.create(name="empty")
        Bookmark.objects.create(name="full", page=page)

        rows = Bookmark.objects.select_related("page").order_by("name")

        assert [bookmark.page for bookmark in rows] == [None, page]

    @pytest.mark.parametrize(
        "lookup", ["page", Prefetch("page", StackPage.objects.order_by("-pk"))], ids=str
    )
    def test_and_by_prefetch_related(self, link, page, statements, lookup):
        other = StackPage.objects.create(title="other")
        other.save()
        Link.objects.create(name="m", page=other)

        with statements() as found:
            held = [each.page for each in Link.objects.prefetch_related(lookup).order_by("name")]

        assert found == ["SELECT"] * 2
        assert held == [page, other]

    def test_it_may_be_to_its_own_model(self):
        parent = Chapter.objects.create(name="parent")
        child = Chapter.objects.create(name="child", parent=parent)
        parent.name = "new"
        parent.save()
        child.save()

        assert [each.parent.name for each in child.same_group_items()] == ["new", "new"]
        assert {c.stack_number for c in parent.children.all()} == {1, 2}


class TestJoins:
    def test_conditions_are_on_the_latest_version(self, link, page):
        filter_ = Link.objects.filter

        assert filter_(page__title="four").get() == link
        assert not filter_(page__title="three").exists()
        assert filter_(Q(page__title="three") | Q(page__title="four")).get() == link
        assert filter_(page__stack_number=4).get() == link
        assert not Link.objects.exclude(page__title="four").exists()
        assert Link.objects.exclude(page__title="three").get() == link

    def test_a_version_stands_for_its_stack(self, link, page, old):
        other = StackPage.objects.create(title="other")

        for version in (page, old, page.stack_group_uuid, str(page.stack_group_uuid)):
            assert Link.objects.filter(page=version).get() == link
        assert Link.objects.filter(page__in=[old, other]).get() == link
        assert not Link.objects.filter(page=other).exists()
        assert Link.objects.filter(page__pk=page.pk).get() == link
        assert not Link.objects.filter(page__pk=old.pk).exists()

    def test_so_do_querysets(self, link, page):
        latest = StackPage.objects.latest_from_stack_group()

        assert Link.objects.filter(page__in=latest).get() == link
        assert Link.objects.filter(page__in=StackPage.objects.filter(title="one")).get() == link

    def test_values_orders_and_sums_are_of_the_latest_version(self, link, page):
        other = StackPage.objects.create(title="a")
        Link.objects.create(name="m", page=other)

        assert [*Link.objects.order_by("page__title").values_list("page__title", flat=True)] == [
            "a",
            "four",
        ]
        counted = Link.objects.values("page__title").annotate(n=Count("pk")).order_by("page__title")
        assert [row["n"] for row in counted] == [1, 1]
        assert Link.objects.annotate(t=F("page__title")).filter(t="four").count() == 1

    def test_what_is_missing_is_found(self, link):
        Bookmark.objects.create()

        assert Bookmark.objects.filter(page__isnull=True).count() == 1
        assert Bookmark.objects.filter(page__title=None).count() == 1
        assert Bookmark.objects.exclude(page__title="x").count() == 1

    def test_subqueries_reach_it(self, link, page):
        titles = Link.objects.filter(page=OuterRef("stack_group_uuid")).values("page__title")

        rows = StackPage.objects.annotate(link_title=Subquery(titles[:1])).order_by("pk")

        assert {row.link_title for row in rows} == {"four"}

    def test_it_is_updated_in_sets(self, link):
        other = StackPage.objects.create(title="other")
        other.save()

        Link.objects.update(page=other)
        assert Link.objects.get().page == other
        link.page = other
        Link.objects.bulk_update([link], ["page"])
        assert Link.objects.get().page == other


class TestTheWayBack:
    def test_every_version_has_the_rows(self, link, page, old):
        assert [*page.links.all()] == [*old.links.all()] == [link]
        assert page.links.filter(name="l").get() == link

    def test_and_they_have_the_latest_version(self, link, page, old, statements):
        assert old.links.get().page == page

        [held] = page.links.all()
        with statements() as found:
            assert held.page is page
        assert found == []

    def test_joins_agree(self, link, page, old):
        found = StackPage.objects.filter(links__name="l")

        assert found.count() == 4
        assert found.latest_from_stack_group().get() == page
        assert not StackPage.objects.exclude(links__name="l").exists()
        other = StackPage.objects.create(title="other")
        assert StackPage.objects.exclude(links__name="l").get() == other

    def test_sums_are_of_each_version(self, link, page):
        Link.objects.create(name="m", page=page)

        counts = StackPage.objects.annotate(n=Count("links")).values_list("n", flat=True)

        assert [*counts] == [2, 2, 2, 2]

    def test_it_is_prefetched(self, link, page, old, statements):
        with statements() as found:
            held = {p.pk: [*p.links.all()] for p in StackPage.objects.prefetch_related("links")}

        assert found == ["SELECT"] * 2
        assert held[page.pk] == held[old.pk] == [link]

    def test_rows_are_made_added_and_taken_from_any_version(self, page, old):
        link = old.links.create(name="l")
        assert link.page == page

        other = StackPage.objects.create(title="other")
        other.links.add(link)
        assert (page.links.count(), other.links.get()) == (0, link)

        bookmark = Bookmark.objects.create(page=old)
        page.bookmark_set.remove(bookmark)
        assert Bookmark.objects.get().page is None

    def test_many_to_many_through_it_follows(self):
        person, club = Person.objects.create(name="ann"), Club.objects.create(name="chess")
        person.clubs.add(club)
        person.name = "anna"
        person.save()

        assert [*person.clubs.all()] == [club]
        assert Membership.objects.count() == 1
        assert Membership.objects.get().person.name == "anna"
        assert club.person_set.latest_from_stack_group().get().name == "anna"
        assert Person.objects.filter(clubs=club).latest_from_stack_group().get() == person
        assert [[*p.clubs.all()] for p in Person.objects.prefetch_related("clubs")] == [[club]] * 2


class TestForms:
    def test_only_latest_versions_can_be_chosen(self, page, old):
        class LinkForm(forms.ModelForm):
            class Meta:
                model = Link
                fields = ["name", "page"]

        form = LinkForm({"name": "l", "page": str(page.stack_group_uuid)})

        assert [*form.fields["page"].queryset] == [page]
        assert form.is_valid() and form.save().page == page
        assert LinkForm({"name": "l", "page": str(uuid4())}).errors == {
            "page": ["Select a valid choice. That choice is not one of the available choices."]
        }

    def test_ones_own_conditions_stay(self, page):
        StackPage.objects.create(title="news", kind="n")
        field = Bookmark._meta.get_field("page")

        assert field.get_limit_choices_to() == {"kind": "a", "stack_latest": True}
        [choice] = forms.models.fields_for_model(Bookmark)["page"].queryset.complex_filter(
            field.get_limit_choices_to()
        )
        assert choice == page

    def test_conditions_of_every_kind(self):
        for limits, expected in [
            (None, {"stack_latest": True}),
            (lambda: {"kind": "a"}, {"kind": "a", "stack_latest": True}),
            (Q(kind="a"), Q(kind="a") & Q(stack_latest=True)),
        ]:
            field = LatestForeignKey(StackPage, models.CASCADE, limit_choices_to=limits)
            assert field.get_limit_choices_to() == expected

    def test_the_admin_offers_the_same(self, page, rf):
        key = Link._meta.get_field("page")
        field = ModelAdmin(Link, site).formfield_for_foreignkey(key, rf.get("/"))

        forms.models.apply_limit_choices_to_to_formfield(field)
        assert [*field.queryset] == [page]
        assert ForeignKeyRawIdWidget(key.remote_field, site).url_parameters() == {
            "stack_latest": "1",
            "_to_field": "stack_group_uuid",
        }

    def test_so_do_serializers(self, page, old):
        class LinkSerializer(ModelSerializer):
            class Meta:
                model = Link
                fields = ["name", "page"]

        serializer = LinkSerializer(data={"name": "l", "page": str(page.stack_group_uuid)})

        assert serializer.is_valid(), serializer.errors
        assert serializer.save().page == page
        assert LinkSerializer(Link.objects.get()).data["page"] == page.stack_group_uuid

    def test_cleaning_wants_a_stack_that_is_there(self, page):
        link = Link(name="l", page=page)
        link.full_clean()
        link.page_id = "00000000-0000-0000-0000-000000000000"

        with pytest.raises(ValidationError) as error:
            link.full_clean()

        assert [*error.value.message_dict] == ["page"]


class TestTheFieldsThemselves:
    def test_migrations_see_what_is_given(self):
        name, path, args, kwargs = Bookmark._meta.get_field("page").deconstruct()

        assert (name, path) == ("page", "handleref.stacks.fields.LatestForeignKey")
        assert kwargs == {
            "to": "stacks_tests.stackpage",
            "on_delete": models.SET_NULL,
            "null": True,
            "blank": True,
            "limit_choices_to": {"kind": "a"},
        }
        assert kwargs["on_delete"] is models.SET_NULL
        again = LatestForeignKey(*args, **kwargs)
        assert again.deconstruct()[1:] == (path, args, kwargs)

    @pytest.mark.parametrize("name", ["to_field", "db_constraint"])
    def test_it_sets_some_options_itself(self, name):
        with pytest.raises(TypeError) as error:
            LatestForeignKey(StackPage, models.CASCADE, **{name: "x"})

        assert str(error.value) == f"LatestForeignKey sets {name} itself: leave it out."

    def test_an_on_delete_that_is_none_is_refused_as_ever(self):
        with pytest.raises(TypeError) as error:
            LatestForeignKey(StackPage, None)

        assert str(error.value) == "on_delete must be callable."

    def test_django_takes_its_on_delete_for_what_was_given(self):
        field = LatestForeignKey(StackPage, models.SET_NULL, null=True)

        assert field.remote_field.on_delete == models.SET_NULL
        assert field.remote_field.on_delete != models.CASCADE

    def test_the_column_is_a_uuid_without_a_constraint(self):
        field = Link._meta.get_field("page")

        assert isinstance(field.target_field, models.UUIDField)
        assert (field.column, field.db_constraint, field.db_index) == ("page_id", False, True)

    def test_number_and_mark_need_no_options_in_migrations(self):
        for field, kind in [(StackNumberField(), "Number"), (StackLatestField(), "Latest")]:
            _name, path, _args, kwargs = field.deconstruct()
            assert path == f"handleref.stacks.fields.Stack{kind}Field"
            assert kwargs["null"] and not kwargs["editable"]

    def test_the_mark_is_compared_as_an_index_is_asked(self):
        sql = str(StackPage.objects.filter(stack_latest=True).query).partition("WHERE")[2]

        assert "stack_latest" in sql and "=" in sql
