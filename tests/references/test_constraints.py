"""LiveUniqueConstraint and live(), held by the database."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Count, Prefetch
from django.test.utils import isolate_apps

from handleref.models import HandleRefModel, LiveUniqueConstraint, live
from tests.references.models import Branch, Company, Desk, Seat

pytestmark = pytest.mark.django_db


def test_the_database_refuses_a_second_live_row():
    Seat.objects.create(code="a", row=1)

    with pytest.raises(IntegrityError), transaction.atomic():
        Seat.objects.create(code="a", row=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Seat.objects.bulk_create([Seat(code="a", row=1)])

    Seat.objects.create(code="a", row=2)


def test_deleted_rows_do_not_stand_in_the_way():
    for _ in range(3):
        Seat.objects.create(code="a").delete()

    Seat.objects.create(code="a")

    assert Seat.objects.undeleted().count() == 1


def test_full_clean_names_the_fields():
    seat = Seat.objects.create(code="a")

    with pytest.raises(ValidationError) as error:
        Seat(code="a").full_clean(exclude=["branch"])

    assert error.value.message_dict == {"__all__": ["Seat with this Code and Row already exists."]}
    seat.full_clean(exclude=["branch"])
    seat.delete()
    seat.full_clean(exclude=["branch"])
    Seat(code="a").full_clean(exclude=["branch"])
    Seat(code="a").full_clean(exclude=["branch", "row"])


def test_a_form_without_the_foreign_key_is_not_asked_for_it():
    constraint = LiveUniqueConstraint(fields=["company", "name"], name="x")
    Branch.objects.create(company=Company.objects.create(code="c"), name="b")

    constraint.validate(Branch, Branch(name="b"), exclude={"company"})
    constraint.validate(Branch, Branch(name="b", company_id=-1))


def test_its_own_message():
    constraint = LiveUniqueConstraint(
        fields=["code"], name="x", violation_error_message="Taken.", violation_error_code="taken"
    )
    Seat.objects.create(code="a")

    with pytest.raises(ValidationError) as error:
        constraint.validate(Seat, Seat(code="a"))

    assert (error.value.messages, error.value.code) == (["Taken."], "taken")


def test_null_is_not_equal_to_null():
    constraint = LiveUniqueConstraint(fields=["branch"], name="x")
    Seat.objects.create(code="a")

    constraint.validate(Seat, Seat(code="b"))


def test_deconstruct_compare_print():
    constraint = LiveUniqueConstraint(fields=["code", "row"], name="x")

    assert constraint.deconstruct() == (
        "handleref.references.constraints.LiveUniqueConstraint",
        (),
        {"fields": ("code", "row"), "name": "x"},
    )
    assert constraint.clone() == constraint
    assert constraint != LiveUniqueConstraint(fields=["code"], name="x")
    assert repr(constraint).startswith("<LiveUniqueConstraint: fields=('code', 'row') name='x'")


def test_no_check_complains_of_partial_indexes():
    constraint = LiveUniqueConstraint(fields=["code"], name="x")

    assert constraint.check(Seat, connection) == []
    assert [
        e.id for e in LiveUniqueConstraint(fields=["no"], name="x").check(Seat, connection)
    ] == ["models.E012"]


@pytest.mark.django_db(transaction=True)
@isolate_apps("tests.references")
def test_its_way_through_migrations():
    """Add, alter and rename what it rests on, and remove it again."""

    class Room(HandleRefModel):
        code = models.CharField(max_length=20)
        seat = models.ForeignKey(Seat, models.CASCADE, null=True)

        class Meta:
            app_label = "references_tests"

    constraint = LiveUniqueConstraint(fields=["seat", "code"], name="room_live")

    def clashes():
        Room.objects.all().delete(hard=True)
        seat = Seat.objects.get_or_create(code="s")[0]
        Room.objects.create(code="a", seat=seat).delete()
        Room.objects.create(code="a", seat=seat)
        try:
            with transaction.atomic():
                Room.objects.create(code="a", seat=seat)
        except IntegrityError:
            return True
        return False

    def alter(change):
        with connection.schema_editor() as editor:
            change(editor)

    alter(lambda editor: editor.create_model(Room))
    try:
        assert not clashes()
        Room.objects.all().delete(hard=True)
        alter(lambda editor: editor.add_constraint(Room, constraint))
        assert clashes()
        Room._meta.constraints = [constraint]
        old = Room._meta.get_field("code")
        new = models.CharField(max_length=50)
        new.set_attributes_from_name("code")
        new.model = Room
        alter(lambda editor: editor.alter_field(Room, old, new))
        assert clashes()
        Room._meta.constraints = []
        alter(lambda editor: editor.remove_constraint(Room, constraint))
        assert not clashes()
    finally:
        alter(lambda editor: editor.delete_model(Room))
        Seat.objects.all().delete(hard=True)


def test_others_can_evaluate_its_condition():
    """As the validators of Django REST framework do, on values alone."""
    [constraint] = Seat._meta.constraints

    assert constraint.condition.check({"status": "ok"})
    assert not constraint.condition.check({"status": "deleted"})


def test_a_migration_state_keeps_it():
    state = ProjectState()
    state.add_model(ModelState.from_model(Seat))

    [constraint] = state.models["references_tests", "seat"].options["constraints"]

    assert constraint == Seat._meta.constraints[0]


class TestLive:
    @pytest.fixture(autouse=True)
    def companies(self):
        """Make a company with a live and a deleted branch, and one with a deleted one."""
        self.full = Company.objects.create(code="full")
        self.empty = Company.objects.create(code="empty")
        self.kept = Branch.objects.create(company=self.full, name="kept")
        for company in (self.full, self.empty):
            Branch.objects.create(company=company, name="gone").delete()

    def test_in_an_aggregate(self):
        rows = Company.objects.annotate(n=Count("branches", filter=live("branches")))

        assert dict(rows.values_list("code", "n")) == {"full": 1, "empty": 0}

    def test_in_a_filter_across_a_join(self):
        assert Company.objects.filter(live("branches")).get() == self.full
        assert Desk.objects.filter(live("branch__company")).count() == 0

    def test_in_a_prefetch(self):
        prefetch = Prefetch("branches", Branch.objects.filter(live()), to_attr="open")

        found = {c.code: c.open for c in Company.objects.prefetch_related(prefetch)}

        assert found == {"full": [self.kept], "empty": []}

    def test_the_other_way_round(self):
        assert Branch.objects.filter(status__live=False).count() == 2
        assert Branch.objects.exclude(live()).count() == 2
