"""Each example of the document of django-pita, as it shows it.

Two things are said once here. ``pita.models`` is ``handleref.models`` and ``pita.api`` is
``handleref.rest``; and the document builds objects of which it does not say that they are
saved and read again, which they are here.
"""

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import CharField, ProtectedError, TextField
from django.utils import timezone
from rest_framework import permissions
from rest_framework.permissions import IsAuthenticated
from rest_framework.test import APIRequestFactory, force_authenticate

from handleref.models import FrozenForeignKey, PointInTimeModel
from handleref.rest import PointInTimeModelViewSet, get_pita_permissions_class
from tests.documents.story import LABEL, MODULE, forget
from tests.pointintime.library import moment
from tests.pointintime.models import Article as OfTheSuite

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


@pytest.fixture
def declared(commits):
    """Return a list for models that have a table, which goes with them."""
    models = []
    yield models
    for model in reversed(models):
        with connection.schema_editor() as editor:
            editor.delete_model(model)
    for model in [*apps.all_models[LABEL].values()]:
        forget(model)


def create_tables(*models):
    for model in models:
        with connection.schema_editor() as editor:
            editor.create_model(model)
    return models


@pytest.fixture
def article_model(declared):
    """Return the model of "Usage"."""

    class Article(PointInTimeModel):
        __module__ = MODULE

        header = CharField(max_length=256)
        body = TextField()

    declared += create_tables(Article)
    return Article


@pytest.fixture
def revision_model(article_model, declared):
    """Return the model of the frozen keys."""

    class Revision(models.Model):
        __module__ = MODULE

        article = FrozenForeignKey(article_model)
        notes = models.TextField()

    declared += create_tables(Revision)
    return Revision


# Managers ---------------------------------------------------------------------------------------


def test_objects_manager_behaves_like_any_other_django_model(article_model):
    """``Article.objects.all()``"""
    a = article_model.objects.create(header="a", body="")
    a.header = "b"
    a.save()

    assert [article.header for article in article_model.objects.all()] == ["b"]
    assert article_model.objects.get(header="b") == a
    assert not article_model.objects.filter(header="a").exists()


def test_records_manager_provides_access_to_past_versions(article_model):
    """``Article.records.version(version_at=timezone.now() - timezone.timedelta(days=10))``"""
    a = article_model.objects.create(header="as of 10 days ago", body="")
    a.header = "since 9 days ago"
    a.save()
    long_ago(a, [11, 9])

    # The original's timezone.timedelta is datetime's.
    ten_days_ago = timezone.now() - timezone.timedelta(days=10)
    found = article_model.records.version(version_at=ten_days_ago)

    assert [article.header for article in found] == ["as of 10 days ago"]


def long_ago(obj, days):
    """Let the versions of an object be of so many days ago."""
    moments = [timezone.now() - timedelta(days=number) for number in days]
    rows = type(obj).records.filter(row_id=obj.pk).order_by("row_version")
    for row, made, replaced in zip(rows, moments, [*moments[1:], None], strict=True):
        row.created_at, row.replaced_at = made, replaced
        row._save()


# Validity ---------------------------------------------------------------------------------------


def test_a_time_range_in_which_an_article_is_active(article_model):
    """``Article.objects.active()`` and ``Article.objects.active(active_at=next_year)``"""
    articles = article_model.objects
    next_year = timezone.now() + timezone.timedelta(days=365)
    a = articles.create(end_at=next_year, header="2024 Anual Report")
    b = articles.create(start_at=next_year, header="2025 Anual Report")

    # returns queryset that contains Article a and not b
    assert [*articles.active()] == [a]

    # returns queryset that contains b and not a
    assert [*articles.active(active_at=next_year)] == [b]


def test_start_at_defaults_to_creation_time_and_end_at_to_none(article_model):
    a = article_model.objects.create(header="a")

    a = article_model.objects.get(pk=a.pk)

    assert (a.start_at, a.end_at) == (a.created_at, None)


# Rollback and purge -----------------------------------------------------------------------------


def test_rollback_latest_undoes_the_last_change(article_model):
    """``a.rollback_latest()``"""
    a = article_model.objects.create(header="one")
    a.header = "two"
    a.save()

    a.rollback_latest()

    assert a.header == article_model.objects.get().header == "one"
    assert article_model.records.count() == 1


def test_rollback_to_at_returns_an_object_to_its_state_then(article_model):
    """``b.rollback_to_at(timezone.now() - timezone.timedelta(days=2))``"""
    b = article_model.objects.create(header="one")
    for header in ("two", "three"):
        b.header = header
        b.save()
    long_ago(b, [3, 1, 0.5])
    b.refresh_from_db()

    b.rollback_to_at(timezone.now() - timezone.timedelta(days=2))

    assert b.header == article_model.objects.get().header == "one"
    assert article_model.records.count() == 1


def test_purge_removes_an_object_and_all_its_history(article_model):
    """``a.purge()``"""
    a = article_model.objects.create(header="one")
    a.header = "two"
    a.save()

    a.purge()

    assert not article_model.records.exists()


def test_purge_removes_an_accidental_row_that_prevents_a_deletion(article_model, declared):
    """ "... an accidental historic row that is preventing the deletion of another model object
    (ie. PROTECTED)".
    """

    class Source(models.Model):
        __module__ = MODULE

    class Quote(PointInTimeModel):
        __module__ = MODULE

        source = models.ForeignKey(Source, models.PROTECT)

    declared += create_tables(Source, Quote)
    source = Source.objects.create()
    accident = Quote.objects.create(source=source)
    accident.delete()

    with pytest.raises(ProtectedError):
        source.delete()
    accident.purge()

    assert source.delete() == (1, {f"{LABEL}.Source": 1})


def test_each_has_a_permission_of_its_own(db):
    """Of a model that was migrated; those of the other tests have only tables."""
    call_command("migrate", verbosity=0, run_syncdb=True)

    found = Permission.objects.filter(content_type__app_label="pointintime_tests")
    names = found.filter(content_type__model="article").values_list("codename", flat=True)

    assert {"rollback_article", "purge_article"} <= {*names}


# Frozen keys ------------------------------------------------------------------------------------


def test_a_frozen_key_keeps_the_link_to_a_version(article_model, revision_model):
    """ "prints: the next best python package" """
    draft = article_model.objects.create(header="the next best python package")
    made = revision_model.objects.create(article=draft, notes="Title is missing capitilization")

    draft.header = "The Next Best Python Package"
    draft.save()

    revision = revision_model.objects.get(pk=made.pk)
    assert revision.article.header == "the next best python package"
    assert made.article.header in {draft.header, "the next best python package"}
    assert article_model.objects.get().header == "The Next Best Python Package"


# Primary keys -----------------------------------------------------------------------------------


def test_the_latest_version_keeps_its_key_and_row_id_is_the_same_for_all(article_model, declared):
    class Comment(models.Model):
        __module__ = MODULE

        article = models.ForeignKey(article_model, models.CASCADE)

    declared += create_tables(Comment)
    article = article_model.objects.create(header="one")
    comment = Comment.objects.create(article=article)
    key = article.pk

    article.header = "two"
    article.save()

    comment = Comment.objects.get(pk=comment.pk)
    assert (comment.article.pk, comment.article.header) == (key, "two")
    rows = article_model.records.order_by("row_version")
    assert [row.row_id for row in rows] == [key, key]
    assert [row.pk == key for row in rows] == [False, True]


# Turning a model into one -----------------------------------------------------------------------


class Answers(MigrationQuestioner):
    """Who runs makemigrations: "you can set default for created_at and start_at to now"."""

    def ask_auto_now_add_addition(self, field_name, model_name):
        return timezone.now()


def make_and_apply_migrations(before, after):
    """Do what ``makemigrations`` and ``migrate`` do for a model."""
    old, new = ProjectState.from_apps(apps), ProjectState.from_apps(apps)
    old.models[LABEL, "mymodel"] = before
    new.models[LABEL, "mymodel"] = after
    changes = MigrationAutodetector(old, new, Answers({"interactive": False}))._detect_changes()
    for migration in changes[LABEL]:
        for operation in migration.operations:
            state = old.clone()
            operation.state_forwards(LABEL, state)
            with connection.schema_editor() as editor:
                operation.database_forwards(LABEL, editor, old, state)
            old = state


def test_a_regular_model_becomes_a_point_in_time_one(declared):
    """``for obj in MyModel.objects.all(): obj.row_id = obj.id; obj._save()``"""

    class MyModel(models.Model):
        __module__ = MODULE

        name = CharField(max_length=50)

    create_tables(MyModel)
    for name in "ab":
        MyModel.objects.create(name=name)
    before = ModelState.from_model(MyModel)
    forget(MyModel)

    # Inherit PointInTimeModel
    class MyModel(PointInTimeModel):
        __module__ = MODULE

        name = CharField(max_length=50)

    # Run python manage.py makemigrations
    declared.append(MyModel)
    make_and_apply_migrations(before, ModelState.from_model(MyModel))

    for obj in MyModel.objects.all():
        obj.row_id = obj.id
        obj._save()

    a, b = MyModel.objects.order_by("name")
    a.name = "c"
    a.save()
    assert [(row.row_id, row.name) for row in MyModel.records.order_by("row_id", "name")] == [
        (a.pk, "a"),
        (a.pk, "c"),
        (b.pk, "b"),
    ]
    assert [*MyModel.objects.order_by("name").values_list("name", flat=True)] == ["b", "c"]


# REST -------------------------------------------------------------------------------------------

# Its tables are there, and its permissions.
Article = MyModel = OfTheSuite


class MyViewSet(PointInTimeModelViewSet):
    model_class = Article

    def filter_queryset(self, qs):
        if self.request.data.get("author") is not None:
            return qs.filter(modified_by__id=self.request.data.get("author"))
        return qs


class MyOtherViewSet(PointInTimeModelViewSet):
    model_class = MyModel

    class CustomPermissions(get_pita_permissions_class(MyModel), permissions.BasePermission):
        def has_permission(self, request, view):
            # handle your custom situations here
            if view.action == "my_action":
                return request.user.has_perm("my_custom_permission")
            # this handles PITA specific actions and defaults the rest to Django's, strictly
            return super().has_permission(request, view)

    def get_permissions(self):
        permission_classes = [IsAuthenticated, self.CustomPermissions]
        return [permission() for permission in permission_classes]

    def my_action(self, request):
        raise AssertionError("nobody has that permission")


@pytest.fixture
def of_the_suite():
    """Leave the tables that the suite has as they were."""
    yield
    Article.records.all().purge()
    get_user_model().objects.all().delete()


def ask(view_set, actions, user, *, data=None, **kwargs):
    """Send a request to a view set, and return the answer."""
    (method,) = actions
    pk = {"pk": kwargs.pop("pk")} if "pk" in kwargs else {}
    query = "?" + "&".join(f"{name}={value}" for name, value in kwargs.items())
    factory = APIRequestFactory()
    if method == "get":
        request = factory.generic("GET", f"/{query}", *as_json(data))
    else:
        request = getattr(factory, method)("/", data, format="json")
    force_authenticate(request, user)
    return view_set.as_view(actions)(request, **pk)


def as_json(data):
    return () if data is None else (json.dumps(data), "application/json")


@pytest.fixture
def ann(of_the_suite):
    return get_user_model().objects.create_superuser("ann")


@pytest.fixture
def bob(of_the_suite):
    return get_user_model().objects.create_superuser("bob")


def test_the_user_is_saved_in_modified_by(ann, bob):
    """ "User is automatically saved in modified_by model attribute in a POST, PATCH, or PUT" """
    made = ask(MyViewSet, {"post": "create"}, ann, data={"header": "one"})
    pk = made.data["id"]
    ask(MyViewSet, {"patch": "partial_update"}, bob, data={"header": "two"}, pk=pk)
    ask(MyViewSet, {"put": "update"}, ann, data={"header": "three"}, pk=pk)

    found = Article.records.order_by("row_version").values_list("header", "modified_by__username")
    assert [*found] == [("one", "ann"), ("two", "bob"), ("three", "ann")]


def test_filter_queryset_is_what_get_queryset_usually_is(ann, bob):
    """ "filter_queryset will be passed a queryset of model_class objects" """
    Article(header="a").save(user=ann)
    Article(header="b").save(user=bob)

    everything = ask(MyViewSet, {"get": "list"}, ann)
    of_bob = ask(MyViewSet, {"get": "list"}, ann, data={"author": bob.pk})

    assert [row["header"] for row in everything.data] == ["a", "b"]
    assert [row["header"] for row in of_bob.data] == ["b"]


def test_any_get_request_can_specify_active_at_and_version_at(ann):
    article = Article.objects.create(header="one")
    between = moment()
    article.header = "two"
    article.save()
    yesterday = timezone.localdate() - timedelta(days=1)

    def headers(**query):
        return [row["header"] for row in ask(MyViewSet, {"get": "list"}, ann, **query).data]

    then = between.isoformat().replace("+", "%2B")
    assert headers() == ["two"]
    assert headers(version_at=then) == ["one"]
    assert headers(active_at=then) == ["two"]
    assert headers(version_at=then, active_at=yesterday) == []
    one = ask(MyViewSet, {"get": "retrieve"}, ann, pk=article.pk, version_at=then)
    assert one.data["header"] == "one"


def test_rollback_and_purge_are_for_users_with_those_permissions(ann):
    article = Article.objects.create(header="one")
    article.header = "two"
    article.save()
    carl = get_user_model().objects.create_user("carl")
    call_command("migrate", verbosity=0, run_syncdb=True)

    refused = [
        ask(MyViewSet, {"post": action}, carl, data={}, pk=article.pk).status_code
        for action in ("rollback", "purge")
    ]
    rolled_back = ask(MyViewSet, {"post": "rollback"}, ann, data={}, pk=article.pk)
    header = Article.objects.get().header
    purged = ask(MyViewSet, {"post": "purge"}, ann, data={}, pk=article.pk)

    assert refused == [403, 403]
    assert (rolled_back.status_code < 300, header) == (True, "one")
    assert (purged.status_code < 300, Article.records.exists()) == (True, False)


def test_some_but_not_all_permissions_are_overridden(ann):
    Article.objects.create(header="one")
    carl = get_user_model().objects.create_user("carl")

    answers = [
        ask(MyOtherViewSet, {"get": action}, user).status_code
        for action, user in [("list", ann), ("list", carl), ("my_action", carl)]
    ]

    assert answers == [200, 403, 403]
