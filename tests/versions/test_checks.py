import pytest
from django.apps import apps
from django.core.checks import Error

from handleref.versions.checks import check_versions
from tests.versions.models import Page, Tag


@pytest.fixture
def name_keeper(monkeypatch):
    def name_keeper(model, name):
        inner = type("HandleRef", (), {"keeper": name})
        monkeypatch.setattr(model, "HandleRef", inner, raising=False)

    return name_keeper


def test_the_test_project_is_in_order():
    assert check_versions() == []


def test_a_keeper_that_keeps_the_model_is_fine(name_keeper):
    name_keeper(Page, "ledger")

    assert check_versions([apps.get_app_config("versions_tests")]) == []


def test_an_unknown_keeper_is_an_error_that_lists_the_others(name_keeper):
    name_keeper(Page, "diary")

    assert check_versions() == [
        Error(
            "HandleRef.keeper is 'diary', which keeps no versions of the model.",
            hint="Name one of 'events', 'ledger', 'revisions'.",
            obj=Page,
            id="handleref.E013",
        )
    ]


def test_where_nobody_keeps_there_is_none_to_name(name_keeper):
    name_keeper(Tag, "revisions")

    (error,) = check_versions()

    assert error.hint == "Install a keeper, or remove the name."
