"""Unique among the latest versions of all stacks."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.migrations.writer import MigrationWriter
from django.forms import modelform_factory

from handleref.stacks.constraints import LatestUniqueConstraint
from tests.stacks.models import StackPage

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def page():
    """Return a page that was called one, and is called two."""
    page = StackPage.objects.create(title="one")
    page.title = "two"
    page.save()
    return page


class TestInTheDatabase:
    def test_versions_of_one_stack_may_have_one_value(self, page):
        page.save()
        page.save()

        assert StackPage.objects.filter(title="two").count() == 3

    def test_what_is_old_is_free(self, page):
        StackPage.objects.create(title="one")

        assert StackPage.objects.filter(title="one").count() == 2

    def test_what_is_the_latest_is_not(self, page):
        with pytest.raises(IntegrityError), transaction.atomic():
            StackPage.objects.create(title="two")
        other = StackPage.objects.create(title="three")
        other.title = "two"
        with pytest.raises(IntegrityError), transaction.atomic():
            other.save()
        with pytest.raises(IntegrityError), transaction.atomic():
            StackPage.objects.bulk_create([StackPage(title="two")])

    def test_a_version_that_comes_back_must_fit(self, page):
        StackPage.objects.create(title="one")

        with pytest.raises(IntegrityError), transaction.atomic():
            page.force_delete()

        assert StackPage.objects.filter(title="two").exists()


class TestValidation:
    def test_it_names_the_field(self, page):
        with pytest.raises(ValidationError) as error:
            StackPage(title="two").full_clean()

        assert error.value.message_dict == {"title": ["Stack page with this Title already exists."]}

    def test_ones_own_stack_is_not_in_the_way(self, page):
        page.full_clean()
        page.earliest_instance().full_clean()
        StackPage(title="two", stack_group_uuid=page.stack_group_uuid).full_clean()
        StackPage(title="one").full_clean()

    def test_forms_say_the_same(self, page):
        form = modelform_factory(StackPage, fields=["title"])({"title": "two"})

        assert form.errors == {"title": ["Stack page with this Title already exists."]}

    def test_a_form_without_the_field_does_not(self, page):
        form = modelform_factory(StackPage, fields=["body"])({"body": "x"})

        assert form.is_valid()

    def test_several_fields_are_named_together(self, page):
        constraint = LatestUniqueConstraint(fields=["title", "kind"], name="x")

        with pytest.raises(ValidationError) as error:
            constraint.validate(StackPage, StackPage(title="two"))

        assert error.value.messages == ["Stack page with this Title and Kind already exists."]
        constraint.validate(StackPage, StackPage(title="two", kind="n"))

    def test_null_equals_nothing(self, page):
        constraint = LatestUniqueConstraint(fields=["price"], name="x")

        constraint.validate(StackPage, StackPage(title="two"))

    def test_ones_own_words(self, page):
        constraint = LatestUniqueConstraint(
            fields=["title"],
            name="x",
            violation_error_message="Taken.",
            violation_error_code="taken",
        )

        with pytest.raises(ValidationError) as error:
            constraint.validate(StackPage, StackPage(title="two"))

        assert (error.value.messages, error.value.code) == (["Taken."], "taken")

    def test_the_database_that_is_asked_is_the_one_that_is_named(self, page):
        [constraint] = [c for c in StackPage._meta.constraints if c.name == "stack_page_title"]

        constraint.validate(StackPage, StackPage(title="two"), using="other")


class TestTheConstraintItself:
    def test_migrations_see_what_is_given(self):
        constraint = LatestUniqueConstraint(fields=["title"], name="x")

        assert constraint.deconstruct() == (
            "handleref.stacks.constraints.LatestUniqueConstraint",
            (),
            {"fields": ("title",), "name": "x"},
        )
        assert constraint.clone() == constraint
        assert constraint != LatestUniqueConstraint(fields=["body"], name="x")
        assert MigrationWriter.serialize(constraint)[0] == (
            "handleref.stacks.constraints.LatestUniqueConstraint(fields=('title',), name='x')"
        )

    @pytest.mark.parametrize(
        "options", [{"condition": models.Q(kind="a")}, {"nulls_distinct": False}], ids=str
    )
    def test_what_it_cannot_hold_is_refused(self, options):
        with pytest.raises(TypeError) as error:
            LatestUniqueConstraint(fields=["title"], name="x", **options)

        assert str(error.value) == f"LatestUniqueConstraint takes no {', '.join(options)}."
