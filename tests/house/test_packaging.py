"""What is written twice says the same."""

import configparser
import tomllib

import pytest

import handleref


@pytest.fixture
def project(pytestconfig):
    text = (pytestconfig.rootpath / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]


@pytest.fixture
def settings(pytestconfig):
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(pytestconfig.rootpath / "setup.cfg", encoding="utf-8")
    return settings


def classified(project, prefix):
    """Return the versions that the classifiers claim, ``3.11`` and the like."""
    tails = [line.removeprefix(prefix) for line in project["classifiers"] if prefix in line]
    return [tail for tail in tails if "." in tail]


def test_changelog_tells_of_this_version_or_of_what_is_to_come(pytestconfig):
    changelog = (pytestconfig.rootpath / "CHANGELOG.md").read_text(encoding="utf-8")

    assert "## [Unreleased]" in changelog or f"## [{handleref.__version__}]" in changelog


def test_tox_runs_every_python_and_django_that_is_claimed(project, settings):
    legs = [leg.strip().split("-") for leg in settings["tox:tox"]["env_list"].split(",")]

    pythons = [python.replace("py3", "3.") for python, _ in legs]
    djangos = [f"{django[-2]}.{django[-1]}" for _, django in legs]

    assert pythons == classified(project, "Programming Language :: Python :: ")
    assert djangos == classified(project, "Framework :: Django :: ")


def test_the_oldest_python_is_the_same_for_pip_and_mypy(project, settings):
    assert project["requires-python"] == ">=" + settings["mypy"]["python_version"]
