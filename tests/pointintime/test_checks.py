"""The checks: each wrong set-up, its whole message and its hint."""

import sys
import uuid

import pytest
from django.apps import apps
from django.core.checks import Error, Warning
from django.core.checks.registry import registry
from django.db import connection, models
from django.test.utils import isolate_apps
from django.utils import timezone

from handleref.pointintime import checks, dialects
from handleref.pointintime.base import all_rows
from handleref.pointintime.constraints import CurrentUniqueConstraint
from handleref.pointintime.fields import CurrentOneToOneField
from handleref.pointintime.lifecycle.checks import check_databases
from handleref.pointintime.managers import PointInTimeManager, PointInTimeQuerySet
from handleref.pointintime.models import PointInTimeModel
from tests.pointintime.models import Article, Tariff
from tests.pointintime.relations import BookLabel, Desk, Mark, Town

LABEL = "pointintime_tests"


@pytest.fixture
def check(monkeypatch):
    """Check models as if they were all that the project has."""

    def run(*models):
        monkeypatch.setattr(checks, "apps", models[0]._meta.apps)
        return checks.check_point_in_time()

    return run


def test_the_models_of_the_suite_draw_what_they_are_odd_for():
    found = checks.check_point_in_time(apps.get_app_configs())

    assert [(each.id, str(each.obj)) for each in found] == [
        ("handleref.W022", str(BookLabel._meta.get_field("label"))),
        ("handleref.W022", str(Desk._meta.get_field("town"))),
        ("handleref.W022", str(Mark._meta.get_field("kind"))),
    ]


def test_they_are_registered():
    found = registry.get_checks(include_deployment_checks=True)

    assert {checks.check_point_in_time, check_databases} <= {*found}


@isolate_apps("tests.pointintime")
def test_a_model_as_it_should_be_draws_nothing(check):
    class Sound(PointInTimeModel):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        code = models.CharField(max_length=5)
        before = models.ForeignKey("self", models.SET_NULL, null=True)
        only = CurrentOneToOneField("self", models.PROTECT, null=True, related_name="+")

        published = PointInTimeManager.from_queryset(PointInTimeQuerySet)()
        valid_unique = ["code"]

        class Meta:
            app_label = LABEL
            constraints = [
                CurrentUniqueConstraint(fields=["code"], name="current_code"),
                models.UniqueConstraint(
                    fields=["code", "before"],
                    condition=~models.Q(code="") & models.Q(replaced_at__isnull=True),
                    name="some",
                ),
            ]

    class Proxy(Sound):
        class Meta:
            app_label = LABEL
            proxy = True

    assert check(Sound, Proxy) == []


@isolate_apps("tests.pointintime")
def test_e020_a_unique_field(check):
    class Coded(PointInTimeModel):
        code = models.CharField(max_length=5, unique=True)

        class Meta:
            app_label = LABEL

    assert check(Coded) == [
        Error(
            "The field is unique among all rows: those that are replaced have the same.",
            hint="Leave unique out, and add to Meta.constraints:"
            ' CurrentUniqueConstraint(fields=["code"], name="…").',
            obj=Coded._meta.get_field("code"),
            id="handleref.E020",
        )
    ]


@isolate_apps("tests.pointintime")
def test_e021_a_key_that_is_unique(check):
    class Other(PointInTimeModel):
        class Meta:
            app_label = LABEL

    class Only(PointInTimeModel):
        one = models.OneToOneField(Other, models.PROTECT)
        other = models.ForeignKey(Other, models.PROTECT, unique=True, related_name="+")

        class Meta:
            app_label = LABEL

    assert check(Only) == [
        Error(
            f"A {kind} that is unique is so among all rows: those that are replaced have the same.",
            hint="Make it a CurrentOneToOneField.",
            obj=Only._meta.get_field(name),
            id="handleref.E021",
        )
        for name, kind in (("one", "OneToOneField"), ("other", "ForeignKey"))
    ]


@isolate_apps("tests.pointintime")
def test_e022_uniqueness_of_all_rows(check):
    class Together(PointInTimeModel):
        a = models.IntegerField()
        b = models.IntegerField()

        class Meta:
            app_label = LABEL
            unique_together = [("a", "b")]
            constraints = [
                models.UniqueConstraint(fields=["a"], name="one_a"),
                models.UniqueConstraint(fields=["b"], condition=models.Q(a=1), name="one_b"),
            ]

    assert check(Together) == [
        Error(
            f"{what} is for all rows: those that are replaced have the same.",
            hint=f'Write in Meta.constraints: CurrentUniqueConstraint(fields={names}, name="…").',
            obj=Together,
            id="handleref.E022",
        )
        for what, names in (
            ("unique_together", ["a", "b"]),
            ("The constraint 'one_a'", ["a"]),
            ("The constraint 'one_b'", ["b"]),
        )
    ]


@isolate_apps("tests.pointintime")
def test_e023_a_key_to_another_field(check):
    class Coded(PointInTimeModel):
        code = models.CharField(max_length=5, unique=True)

        class Meta:
            app_label = LABEL

    class Plain(models.Model):
        coded = models.ForeignKey(Coded, models.PROTECT, to_field="code")

        class Meta:
            app_label = LABEL

    assert check(Coded, Plain)[1:] == [
        Error(
            "The key leads to pointintime_tests.Coded.code, which replaced rows have as well.",
            hint="Leave to_field out: the current row keeps its primary key.",
            obj=Plain._meta.get_field("coded"),
            id="handleref.E023",
        )
    ]


@isolate_apps("tests.pointintime")
def test_e024_a_part_of_the_row_in_another_table(check):
    class Parent(PointInTimeModel):
        class Meta:
            app_label = LABEL

    class Child(Parent):
        class Meta:
            app_label = LABEL

    assert Error(
        "Child has a part of its rows in the table of pointintime_tests.Parent.",
        hint="Make Parent abstract, or refer to it by a foreign key.",
        obj=Child,
        id="handleref.E024",
    ) in check(Parent, Child)


@isolate_apps("tests.pointintime")
def test_e024_a_key_that_nobody_makes(check):
    class Named(PointInTimeModel):
        name = models.CharField(max_length=5, primary_key=True)

        class Meta:
            app_label = LABEL

    assert check(Named) == [
        Error(
            "Nobody makes keys for the replaced rows of Named: its primary key name is given by"
            " hand.",
            hint="Give the field a default that makes new keys, or let Django make the key.",
            obj=Named,
            id="handleref.E024",
        )
    ]


@isolate_apps("tests.pointintime")
def test_e024_and_w023_managers_of_another_kind(check):
    class Managed(PointInTimeModel):
        everything = models.Manager()

        class Meta:
            app_label = LABEL
            base_manager_name = "everything"

    assert check(Managed) == [
        Error(
            "The base manager 'everything' is none for rows that are versions: related writes"
            " would keep none.",
            hint="Remove base_manager_name from its Meta.",
            obj=Managed,
            id="handleref.E024",
        ),
        Warning(
            "The manager everything shows replaced rows among the others, and what it writes"
            " keeps no versions.",
            hint="Write everything = PointInTimeManager.from_queryset(…)(), with a"
            " PointInTimeQuerySet.",
            obj=Managed,
            id="handleref.W023",
        ),
    ]


def test_w022_a_parent_that_takes_the_past_along():
    found = checks.check_point_in_time([apps.get_app_config("pointintime_tests")])

    assert found[1] == Warning(
        f"Deleting a {Town._meta.label} really deletes its pointintime_tests.Desk rows, with all"
        " that they ever were.",
        hint="Write on_delete=PROTECT, or silence this.",
        obj=Desk._meta.get_field("town"),
        id="handleref.W022",
    )


@isolate_apps("tests.pointintime")
def test_e028_fields_in_the_place_of_those_of_versions(check):
    class Own(PointInTimeModel):
        created_at = models.DateTimeField(auto_now_add=True)
        end_at = models.DateField(null=True)

        class Meta:
            app_label = LABEL

    assert check(Own) == [
        Error(
            "The field is Own's own, where versions keep one of that name: it would be written"
            " with each version.",
            hint="Remove it from the model, and the inherited one takes over the column with its"
            " values; or rename it, if they are to stay.",
            obj=Own._meta.get_field("created_at"),
            id="handleref.E028",
        ),
        Error(
            "The field is Own's own, and none for a moment that is given.",
            hint="Remove it from the model, or make it a DateTimeField without auto_now and"
            " auto_now_add; end_at with null=True.",
            obj=Own._meta.get_field("end_at"),
            id="handleref.E028",
        ),
    ]


@isolate_apps("tests.pointintime")
def test_the_same_fields_may_be_written_once_more_and_others_for_validity_and_users(check):
    class Own(PointInTimeModel):
        created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
        row_version = models.PositiveIntegerField(default=1, editable=False, db_column="number")
        start_at = models.DateTimeField("valid from")
        end_at = models.DateTimeField("valid until", null=True, help_text="Empty: for good.")
        modified_by = models.ForeignKey("auth.User", models.PROTECT, null=True, related_name="+")

        class Meta:
            app_label = LABEL

    assert check(Own) == []


@pytest.mark.django_db
class TestDatabases:
    def check(self):
        found = check_databases(["default"])
        return [each for each in found if each.obj in ("default", Article)]

    def test_what_is_adopted_and_has_its_extension_draws_nothing(self):
        Article.objects.create(header="one")

        assert self.check() == []

    def test_w025_rows_that_were_there_before(self):
        Article.objects.create(header="one")
        all_rows(Article, "default").update(row_id=None)

        assert self.check() == [
            Warning(
                "pointintime_tests.Article has rows in 'default' that were there before it was a"
                " PointInTimeModel, and belong to no object yet.",
                hint="manage.py handleref_pointintime adopt pointintime_tests.Article"
                " --database default",
                obj=Article,
                id="handleref.W025",
            )
        ]

    def test_tables_that_are_not_there_yet_are_left_alone(self, monkeypatch):
        monkeypatch.setattr(Article._meta, "db_table", "not_there")

        assert self.check() == []


MIGRATION = """
from django.contrib.postgres.operations import BtreeGistExtension
from django.db import migrations


class Migration(migrations.Migration):
    operations = [{operation}]
"""


@pytest.mark.django_db
@pytest.mark.skipif(not dialects.excludes(connection), reason="no constraint needs an extension")
class TestOperators:
    @pytest.fixture(autouse=True)
    def without(self, monkeypatch):
        monkeypatch.setattr(dialects, "HAS_BTREE_GIST", "SELECT FALSE")

    def check(self):
        return [e for e in check_databases(["default"]) if e.obj == "default"]

    @pytest.mark.parametrize("table", ["is there", "is to come"])
    def test_w024_an_extension_that_is_not_there(self, table, monkeypatch):
        if table == "is to come":
            monkeypatch.setattr(Tariff._meta, "db_table", "not_there")

        assert self.check() == [
            Warning(
                f"'default' has no extension btree_gist, which valid_unique of"
                f" {Tariff._meta.label} needs.",
                hint="Put BtreeGistExtension() of django.contrib.postgres.operations before the"
                " constraint in its migration, or let somebody run CREATE EXTENSION btree_gist.",
                obj="default",
                id="handleref.W024",
            )
        ]

    @pytest.mark.parametrize(
        ("operation", "found"),
        [
            ("BtreeGistExtension()", []),
            ("migrations.RunSQL('CREATE EXTENSION btree_gist')", []),
            ("migrations.RunSQL('SELECT 1')", ["handleref.W024"]),
        ],
    )
    def test_a_migration_that_is_to_come_brings_it(
        self, operation, found, settings, tmp_path, monkeypatch
    ):
        folder = tmp_path / "brings"
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "0001_initial.py").write_text(MIGRATION.format(operation=operation))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "brings.0001_initial", raising=False)
        monkeypatch.delitem(sys.modules, "brings", raising=False)
        settings.MIGRATION_MODULES = {**settings.MIGRATION_MODULES, LABEL: "brings"}

        assert [each.id for each in self.check()] == found
