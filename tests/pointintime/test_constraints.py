"""What the database holds, whoever writes: each test hands it rows past every method of ours."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import IntegrityError, OperationalError, connection, models, transaction
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.models import AutoField, BigAutoField, F, UUIDField
from django.test.utils import isolate_apps

from handleref.pointintime import dialects
from handleref.pointintime.base import all_rows
from handleref.pointintime.constraints import CurrentUniqueConstraint, ValidUniqueConstraint
from handleref.pointintime.fields import RowIdField
from handleref.pointintime.models import PointInTimeModel
from handleref.triggers.dialects import dialect_of
from handleref.triggers.suspension import suspend
from tests.pointintime.models import Article, Note, PointPage, Tag, Tariff
from tests.threads import together

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def write(model, **values):
    """Insert a row as it is."""
    obj = model(**values)
    obj._save(force_insert=True)
    return obj


def versions(row_id=1, model=Article):
    """Insert two versions of an object: the second is current, and has the object's key."""
    current = write(
        model, pk=row_id, row_id=row_id, row_version=2, created_at=NOON, start_at=NOON - 9 * DAY
    )
    old = write(
        model,
        pk=row_id + 1,
        row_id=row_id,
        row_version=1,
        created_at=NOON - 2 * DAY,
        replaced_at=NOON,
        start_at=NOON - 9 * DAY,
    )
    return old, current


def refused(do):
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        do()
    return str(error.value)


class TestVersions:
    def test_one_row_of_an_object_is_current(self):
        versions()

        refused(lambda: write(Article, row_id=1, row_version=3, created_at=NOON + DAY))
        refused(lambda: all_rows(Article, "default").update(replaced_at=None))

    def test_no_two_rows_are_one_version(self):
        versions()
        then = NOON - 4 * DAY

        refused(
            lambda: write(Article, row_id=1, row_version=1, created_at=then, replaced_at=then + DAY)
        )
        refused(lambda: all_rows(Article, "default").update(row_version=1))

    @pytest.mark.parametrize(
        ("version", "begun", "over"),
        [
            (3, NOON - DAY, NOON + DAY),
            (3, NOON + DAY, NOON + 2 * DAY),
            (99, NOON + DAY, NOON + 2 * DAY),
            (0, NOON - 3 * DAY, NOON - DAY),
            (0, NOON - DAY, NOON - DAY / 2),
            (0, NOON + DAY, NOON + 2 * DAY),
        ],
        ids=["across", "within the present", "far ahead", "into the first", "in it", "before all"],
    )
    def test_no_two_versions_hold_at_one_moment(self, version, begun, over):
        versions()

        message = refused(
            lambda: write(
                Article, row_id=1, row_version=version, created_at=begun, replaced_at=over
            )
        )

        assert "pointintime_tests.Article: two versions of one object would hold" in message

    @pytest.mark.parametrize(
        "values",
        [
            {"created_at": NOON - DAY},
            {"row_version": 0, "replaced_at": NOON + DAY},
            {"created_at": NOON - 3 * DAY, "replaced_at": NOON - DAY},
            {"row_version": 3, "created_at": NOON - DAY},
            {"row_id": 11, "row_version": 0, "replaced_at": NOON + DAY},
        ],
        ids=["it begins earlier", "it moves", "it lies before", "next but earlier", "to another"],
    )
    def test_nor_when_a_row_is_changed(self, values):
        _, current = versions()
        versions(11)

        refused(lambda: all_rows(Article, "default").filter(pk=current.pk).update(**values))

    def test_versions_may_meet_and_leave_gaps(self):
        versions()

        write(
            Article,
            row_id=1,
            row_version=0,
            created_at=NOON - 5 * DAY,
            replaced_at=NOON - 4 * DAY,
        )

        assert Article.records.count() == 3

    def test_other_objects_are_not_looked_at(self):
        versions(1)
        versions(11)

        assert Article.objects.count() == 2

    def test_rows_that_were_not_adopted_have_no_others(self):
        write(Article, row_version=1, created_at=NOON)
        write(Article, row_version=1, created_at=NOON)

        assert Article.records.filter(row_id=None).count() == 2

    def test_a_version_is_replaced_later_than_it_is_made(self):
        for end in (NOON, NOON - DAY):
            refused(lambda end=end: write(Article, row_id=1, created_at=NOON, replaced_at=end))

    def test_validity_ends_later_than_it_begins(self):
        for end in (NOON, NOON - DAY):
            refused(lambda end=end: write(Article, row_id=1, start_at=NOON, end_at=end))

    def test_what_the_triggers_see_to_may_be_suspended_by_name(self):
        versions()

        with suspend("point_in_time", reason="to mend what went wrong"):
            write(
                Article,
                row_id=1,
                row_version=99,
                created_at=NOON + DAY,
                replaced_at=NOON + 2 * DAY,
            )

        assert Article.records.count() == 3

    def test_who_suspends_the_recording_of_a_model_does_not_mean_them(self):
        versions()

        with suspend("*"):
            refused(
                lambda: write(
                    Article,
                    row_id=1,
                    row_version=99,
                    created_at=NOON + DAY,
                    replaced_at=NOON + 2 * DAY,
                )
            )


class TestCurrentUniqueness:
    def test_no_two_current_rows_have_the_same(self):
        PointPage.objects.create(title="one")

        refused(lambda: write(PointPage, title="one", row_id=99, row_version=1))

    def test_replaced_and_deleted_rows_keep_theirs(self):
        page = PointPage.objects.create(title="one")
        page.title = "two"
        page.save()
        other = PointPage.objects.create(title="one")
        other.delete()

        PointPage.objects.create(title="one")

        titles = PointPage.records.order_by("created_at").values_list("title", flat=True)
        assert [*titles] == ["one", "two", "one", "one"]

    def test_it_says_so_before(self):
        page = PointPage.objects.create(title="one")

        with pytest.raises(ValidationError) as error:
            PointPage(title="one").full_clean()

        assert error.value.message_dict == {"title": ["Point page with this Title already exists."]}
        page.full_clean()
        page.delete()
        page.full_clean()
        PointPage(title="one").full_clean()

    def test_it_can_be_compared_printed_and_written_down(self):
        constraint = CurrentUniqueConstraint(fields=["title"], name="one_current")

        text, imports = MigrationWriter.serialize(constraint)

        assert text == (
            "handleref.pointintime.constraints.CurrentUniqueConstraint("
            "fields=('title',), name='one_current')"
        )
        assert imports == {"import handleref.pointintime.constraints"}
        assert constraint == CurrentUniqueConstraint(fields=["title"], name="one_current")


class TestValidUniqueness:
    def tariff(self, start, end=None, **values):
        row = {"code": "A", "row_version": 1, "created_at": NOON, **values}
        return write(Tariff, start_at=start, end_at=end, **row)

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (NOON, NOON + 3 * DAY),
            (NOON + DAY, NOON + DAY * 1.5),
            (NOON - DAY, NOON + DAY / 2),
            (NOON + DAY * 1.5, None),
            (NOON - DAY, None),
        ],
        ids=["the same", "within", "before and into", "from then on", "around"],
    )
    def test_no_two_of_a_code_are_valid_at_one_moment(self, start, end):
        self.tariff(NOON, NOON + 3 * DAY)

        refused(lambda: self.tariff(start, end))

    def test_nor_when_a_row_is_changed(self):
        self.tariff(NOON, NOON + DAY)
        later = self.tariff(NOON + DAY)
        other = self.tariff(NOON, code="B")

        for row, values in (
            (later, {"start_at": NOON + DAY / 2}),
            (other, {"code": "A"}),
        ):
            rows = all_rows(Tariff, "default").filter(pk=row.pk)
            refused(lambda rows=rows, values=values: rows.update(**values))

    def test_nor_when_a_deleted_one_comes_back(self):
        gone = self.tariff(NOON, replaced_at=NOON + DAY)
        self.tariff(NOON)

        rows = all_rows(Tariff, "default").filter(pk=gone.pk)
        refused(lambda: rows.update(replaced_at=None))

    def test_they_may_meet_and_replaced_rows_do_not_count(self):
        self.tariff(NOON, NOON + DAY)
        self.tariff(NOON + DAY, NOON + 2 * DAY)
        self.tariff(NOON + 2 * DAY)
        self.tariff(NOON, replaced_at=NOON + DAY)

        assert Tariff.records.count() == 4

    def test_a_save_that_changes_nothing_of_it_is_not_refused(self):
        tariff = Tariff.objects.create(code="A", price=1)

        tariff.price = 2
        tariff.save()
        Tariff.objects.update(price=F("price") + 1)
        Tariff.objects.all().rollback_latest()

        assert Tariff.objects.get().price == 2

    def test_a_code_may_be_handed_on_in_one_transaction(self):
        old = Tariff.objects.create(code="A")
        new = Tariff.objects.create(code="B")

        old.delete()
        new.code = "A"
        new.save()

        assert Tariff.objects.get().code == "A"

    def test_it_can_be_compared_printed_and_written_down(self):
        constraint = ValidUniqueConstraint(fields=["code"], name="valid")

        text, imports = MigrationWriter.serialize(constraint)

        assert text == (
            "handleref.pointintime.constraints.ValidUniqueConstraint("
            "fields=('code',), name='valid')"
        )
        assert imports == {"import handleref.pointintime.constraints"}
        assert constraint == ValidUniqueConstraint(fields=["code"], name="valid")
        assert constraint != ValidUniqueConstraint(fields=["price"], name="valid")
        assert repr(constraint) == "<ValidUniqueConstraint: fields=('code',) name='valid'>"


@pytest.mark.django_db(transaction=True)
def test_of_writers_who_do_not_see_each_other_one_is_refused():
    done = []

    def create(number):
        try:
            Tariff.objects.create(code="A", price=number)
        except (IntegrityError, OperationalError):
            # Refused by the constraint, or because two waited for each other.
            return
        done.append(number)

    together(create)

    assert len(done) == 1
    assert [*Tariff.objects.values_list("price", flat=True)] == done


def names(model):
    return [each.name.rpartition("_")[0] for each in model._meta.constraints]


class TestDeclaring:
    """Every model with a table has what keeps it sound, whatever its Meta says."""

    def test_a_model_has_them_that_writes_its_own_meta(self):
        assert names(PointPage) == [
            "one_current_page_a",
            "hr_current",
            "hr_version",
            "hr_valid",
            "hr_known",
        ]
        assert names(Note) == ["hr_current", "hr_version", "hr_valid", "hr_known"]
        assert names(Tariff) == [*names(Note), "hr_during"]

    @isolate_apps("tests.pointintime")
    def test_several_names_may_be_unique_together(self):
        class Price(PointInTimeModel):
            shop = models.IntegerField()
            code = models.CharField(max_length=5)
            ean = models.CharField(max_length=5)

            valid_unique = [("shop", "code"), "ean"]

            class Meta:
                app_label = "pointintime_tests"

        found = [c.fields for c in Price._meta.constraints if isinstance(c, ValidUniqueConstraint)]
        assert found == [("shop", "code"), ("ean",)]

    @isolate_apps("tests.pointintime")
    def test_proxies_and_abstract_models_have_none_of_their_own(self):
        class Base(PointInTimeModel):
            class Meta:
                abstract = True

        class Child(Base):
            class Meta:
                app_label = "pointintime_tests"
                db_table = "child"

        class Proxy(Child):
            class Meta:
                app_label = "pointintime_tests"
                proxy = True

        assert len(Child._meta.constraints) == 4
        assert Proxy._meta.constraints == []

    def test_migrations_see_them(self):
        state = ProjectState()
        state.add_model(ModelState.from_model(Tariff))

        changes = MigrationAutodetector(ProjectState(), state)._detect_changes()

        text = MigrationWriter(changes["pointintime_tests"][0]).as_string()
        for word in ("CurrentUniqueConstraint", "ValidUniqueConstraint", "Crosses", "Overlaps"):
            assert word in text

    def test_a_model_of_a_migration_is_one_of_versions(self):
        state = ProjectState(real_apps={"auth", "contenttypes"})
        for model in (Tag, Tariff):
            state.add_model(ModelState.from_model(model))
        historical = state.apps.get_model("pointintime_tests", "Tariff")
        historical.objects.bulk_create([historical(code="A"), historical(code="B")])

        historical.objects.filter(code="A").update(price=5)

        assert sorted(Tariff.records.values_list("code", "row_version", "price")) == [
            ("A", 1, 0),
            ("A", 2, 5),
            ("B", 1, 0),
        ]


@pytest.mark.skipif(
    not dialects.excludes(connection), reason="no constraint of the database needs an extension"
)
def test_the_exclusion_is_the_databases_own():
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, Tariff._meta.db_table)

    (name,) = [name for name in found if name.startswith("hr_during")]
    assert found[name]["columns"][0] == "code"
    dialect = dialect_of(connection)
    assert not [each for each in dialect.installed() if "during" in each.name]


def test_a_constraint_is_made_and_taken_down():
    constraint = ValidUniqueConstraint(fields=["price"], name="hr_valid_price")
    editor = connection.SchemaEditorClass(connection, collect_sql=True)

    written = [constraint.create_sql(Tariff, editor), constraint.remove_sql(Tariff, editor)]

    table = Tariff._meta.db_table
    made = (
        f'ALTER TABLE "{table}" ADD CONSTRAINT "hr_valid_price" EXCLUDE USING gist ("price"'
        ' WITH =, tstzrange("start_at", "end_at") WITH &&) WHERE ("replaced_at" IS NULL)'
    )
    taken_down = f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "hr_valid_price"'
    expected = [made, taken_down] if dialects.excludes(connection) else ["None", "None"]
    assert [*map(str, written)] == expected


@pytest.mark.django_db(transaction=True)
def test_the_rows_object_has_the_type_of_the_key_whatever_that_becomes():
    def state(key):
        fields = [("id", key(primary_key=True)), ("row_id", RowIdField(of=key()))]
        found = ProjectState()
        found.add_model(ModelState("pointintime_tests", "Thing", fields))
        return found

    small, big = state(AutoField), state(BigAutoField)
    found = MigrationAutodetector(small, big)._detect_changes()
    (migration,) = found["pointintime_tests"]
    table = small.apps.get_model("pointintime_tests", "Thing")
    with connection.schema_editor() as editor:
        editor.create_model(table)
    try:
        with connection.schema_editor() as editor:
            migration.apply(small, editor)
        with connection.cursor() as cursor:
            columns = connection.introspection.get_table_description(cursor, table._meta.db_table)
        kinds = [connection.introspection.get_field_type(c.type_code, c) for c in columns]
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(table)

    assert {each.name for each in migration.operations} == {"id", "row_id"}
    assert kinds[1] == "BigIntegerField"


@pytest.mark.parametrize(
    ("model", "kind"), [(Article, BigAutoField), (Note, UUIDField)], ids=["number", "uuid"]
)
def test_migrations_say_that_type(model, kind):
    field = model._meta.get_field("row_id")

    assert type(field.deconstruct()[3]["of"]) is kind
    assert type(field.clone().deconstruct()[3]["of"]) is kind


def test_unknown_fields_are_named():
    with (
        isolate_apps("tests.pointintime"),
        pytest.raises(
            FieldDoesNotExist, match=r"valid_unique of pointintime_tests\.Odd names nope"
        ),
    ):

        class Odd(PointInTimeModel):
            valid_unique = ["nope"]

            class Meta:
                app_label = "pointintime_tests"
