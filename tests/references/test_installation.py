"""The permissions to delete for good."""

import pytest
from django.apps import apps
from django.contrib.auth.management import create_permissions as create_stock_permissions
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from handleref.references.installation import create_permissions
from tests.references.models import Item, Memo

pytestmark = pytest.mark.django_db

APP = apps.get_app_config("references_tests")


def permissions(model):
    found = Permission.objects.filter(content_type=ContentType.objects.get_for_model(model))
    return sorted(found.values_list("codename", "name"))


def test_every_reference_model_has_one_and_no_other_model():
    Permission.objects.all().delete()

    create_permissions(APP)

    assert permissions(Item) == [("hard_delete_item", "Can delete item for good")]
    assert permissions(Memo) == []


def test_they_are_created_at_once_and_only_once():
    Permission.objects.all().delete()
    create_permissions(APP)
    before = Permission.objects.count()

    with CaptureQueriesContext(connection) as captured:
        create_permissions(APP)

    assert len(captured) == 1
    assert Permission.objects.count() == before


def test_djangos_own_stay():
    Permission.objects.all().delete()

    create_permissions(APP)
    create_stock_permissions(APP, verbosity=0)

    assert [codename for codename, _name in permissions(Item)] == [
        "add_item",
        "change_item",
        "delete_item",
        "hard_delete_item",
        "view_item",
    ]


class Migrated:
    """The models as a migration leaves them, some of the project's missing."""

    def __init__(self, *missing):
        self.missing = missing

    def get_model(self, label, name):
        return apps.get_model(label, name) if label not in self.missing else self.fail()

    def get_app_config(self, label):
        models = {name: model for name, model in APP.models.items() if name not in self.missing}
        return type("Config", (), {"models": models})

    def fail(self):
        raise LookupError


def test_a_project_without_users_has_none():
    Permission.objects.all().delete()

    create_permissions(APP, apps=Migrated("auth"))

    assert Permission.objects.count() == 0


def test_a_model_that_is_migrated_away_has_none():
    Permission.objects.all().delete()

    create_permissions(APP, apps=Migrated("item"))

    assert permissions(Item) == []
    assert Permission.objects.filter(codename="hard_delete_org").exists()


def test_an_app_without_reference_models_has_none():
    Permission.objects.all().delete()

    create_permissions(apps.get_app_config("auth"))

    assert Permission.objects.count() == 0
