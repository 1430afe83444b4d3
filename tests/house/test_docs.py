"""What exists is documented: every check, signal, error and command."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.dispatch import Signal

import handleref.exceptions
import handleref.models
import handleref.versions

ROOT = Path(__file__).parent.parent.parent
REFERENCE = "\n".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
CODE = "\n".join(path.read_text() for path in (ROOT / "handleref").rglob("*.py"))
DOCS = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))


def test_every_check_has_a_line_and_no_line_is_left_over():
    declared = set(re.findall(r'id="(handleref\.[EW]\d{3})"', CODE))

    listed = re.findall(r"^\| `(handleref\.[EW]\d{3})` \|", REFERENCE, re.MULTILINE)

    assert declared == set(listed)
    assert listed == sorted(listed)


@pytest.mark.parametrize("name", [*handleref.models.__all__, *handleref.versions.__all__])
def test_every_public_name_is_in_the_reference(name):
    assert re.search(rf"\b{name}\b", REFERENCE)


def test_every_signal_has_a_heading():
    signals = [
        n for n in handleref.models.__all__ if isinstance(getattr(handleref.models, n), Signal)
    ]

    headings = "\n".join(re.findall(r"^## (.*)", REFERENCE, re.MULTILINE))

    assert [name for name in signals if f"`{name}`" not in headings] == []


def test_every_error_says_what_it_means():
    errors = [e for e in vars(handleref.exceptions).values() if isinstance(e, type)]
    ours = [error for error in errors if error.__module__ == handleref.exceptions.__name__]

    assert all(error.__doc__ for error in ours)
    assert "automodule:: handleref.exceptions" in REFERENCE


def test_every_command_of_ours_is_documented():
    ours = [name for name, app in get_commands().items() if app.startswith("handleref")]

    assert [name for name in ours if name not in DOCS] == []
