"""What the checks say, and that nothing crashes before they do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import Error, Warning
from django.db import models
from django.test import override_settings
from django.test.utils import isolate_apps

from handleref.models import HandleRefModel
from handleref.revisions.checks import check_revisions
from tests.revisions.models import Lot

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def isolated():
    with isolate_apps("tests.revisions") as apps:
        yield apps


def check(model, apps):
    """Check the one model."""
    config = apps.get_app_config("revisions_tests")
    return [m for m in check_revisions([config]) if m.obj is model]


def made(option):
    """Return a model with the option ``revisions``."""
    inner = type("HandleRef", (), {"revisions": option})
    meta = type("Meta", (), {"app_label": "revisions_tests"})
    body = {"__module__": __name__, "HandleRef": inner, "Meta": meta}
    return type("Made", (HandleRefModel,), {**body, "name": models.CharField(max_length=9)})


NAMES = "created, deletion, former_status, id, name, status, updated, version"
OPTIONS = (
    "exclude, fields, follow, for_concrete_model, format, ignore_duplicates,"
    " object_id_field, use_natural_foreign_keys"
)


@pytest.mark.parametrize(
    ("option", "message", "hint"),
    [
        (
            "yes",
            "revisions is 'yes'.",
            'Write False, or what reversion.register() takes: {"exclude": ["secret"]}.',
        ),
        (
            None,
            "revisions is None.",
            'Write False, or what reversion.register() takes: {"exclude": ["secret"]}.',
        ),
        (
            {"folow": []},
            "revisions has the unknown option 'folow'.",
            f"Choose from: {OPTIONS}.",
        ),
        ({"exclude": ["x"]}, "revisions names the unknown field 'x'.", f"Choose from: {NAMES}."),
        ({"fields": ["x"]}, "revisions names the unknown field 'x'.", f"Choose from: {NAMES}."),
        (
            {"object_id_field": "x"},
            "revisions names the unknown field 'x'.",
            f"Choose from: {NAMES}.",
        ),
        (
            {"follow": ["x"]},
            "revisions follows 'x', which the model does not have.",
            "Write the name of a foreign key, a many-to-many field or a reverse relation.",
        ),
    ],
)
def test_a_bad_option_is_an_error(option, message, hint, isolated):
    model = made(option)

    assert check(model, isolated) == [Error(message, hint=hint, obj=model, id="handleref.E012")]


@pytest.mark.parametrize(
    "option", [True, False, {}, {"fields": None, "exclude": ("name",), "format": "xml"}]
)
def test_a_good_option_is_none(option, isolated):
    assert check(made(option), isolated) == []


def test_following_what_is_not_registered_is_an_error(isolated):
    class Stray(models.Model):
        class Meta:
            app_label = "revisions_tests"

    class Follower(HandleRefModel):
        stray = models.ForeignKey(Stray, models.CASCADE)

        class HandleRef:
            revisions = {"follow": ["stray"]}

        class Meta:
            app_label = "revisions_tests"

    assert check(Follower, isolated) == [
        Error(
            "revisions follows 'stray', but revisions_tests.Stray is not registered.",
            hint="Decorate Stray with @reversion.register().",
            obj=Follower,
            id="handleref.E012",
        )
    ]


def test_a_composite_key_without_another_name_is_a_warning():
    found = [message for message in check_revisions() if message.obj is Lot]

    assert found == [
        Warning(
            "It has no revisions: django-reversion cannot name a row by a composite key.",
            hint='Write in its class HandleRef revisions = {"object_id_field": "…"} with the name'
            " of a unique field, or revisions = False.",
            obj=Lot,
            id="handleref.W006",
        )
    ]


@override_settings(INSTALLED_APPS=["handleref"])
def test_reversion_is_missing_among_the_apps():
    assert check_revisions() == [
        Error(
            '"handleref.revisions" is in INSTALLED_APPS, but "reversion" is not.',
            hint='Add "reversion" to INSTALLED_APPS, and migrate.',
            id="handleref.E011",
        )
    ]


SETTINGS = """
import sys
{blocker}
SECRET_KEY = "x"
USE_TZ = True
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}}
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "handleref", {app}
]
"""
# As if reversion were not on this machine.
BLOCKER = 'sys.modules["reversion"] = None'


def manage(folder, command, *, app='"handleref.revisions"', blocker=""):
    """Run a command of a project in the folder."""
    (folder / "strict.py").write_text(SETTINGS.format(blocker=blocker, app=app))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "strict"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "django", command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["check", "migrate"])
def test_a_project_without_the_package_hears_what_to_install(tmp_path, command):
    done = manage(tmp_path, command, blocker=BLOCKER)

    assert '(handleref.E011) "handleref.revisions" is in INSTALLED_APPS, but' in done.stderr
    assert 'HINT: Run pip install "handleref[reversion]". Add "reversion" to' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_project_without_the_app_imports_and_works(tmp_path):
    done = manage(tmp_path, "check", app="", blocker=BLOCKER)

    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout
