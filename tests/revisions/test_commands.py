"""The command ``handleref_revisions``: what it says, and when it refuses."""

import io
import sys

import pytest
import reversion
from django.core.management import CommandError, call_command
from reversion.models import Version

from handleref.revisions.context import create_revision
from handleref.revisions.models import Anchor, Record
from handleref.versions import history
from testproj.airports.models import Country
from tests.references.models import Bistro, Branch, Company, Memo
from tests.revisions.models import City, Tag

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    """A terminal that remembers what was shown."""

    def isatty(self):
        return True


def run(*arguments, stdout=None):
    """Return what the command says."""
    output = stdout or io.StringIO()
    call_command("handleref_revisions", *arguments, stdout=output)
    return output.getvalue()


def refused(*arguments):
    """Return why the command refuses."""
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value)


# initial ----------------------------------------------------------------------------------------


def test_every_reference_model_gets_first_versions():
    City.objects.create(name="c")
    Tag.objects.bulk_create(Tag(name=name) for name in "ab")
    Bistro.objects.create(name="n")

    said = run("initial")

    lines = said.splitlines()
    assert "revisions_tests.City: 1 first version written." in lines
    assert "revisions_tests.Tag: 2 first versions written." in lines
    # The child's bring those of the base along.
    bistro = lines.index("references_tests.Bistro: 1 first version written.")
    assert bistro < lines.index("references_tests.Place: 0 first versions written.")
    assert {version.comment for version in history(Tag)} == {"Initial version."}
    assert all(line.endswith("first versions written.") or ": 1 first" in line for line in lines)


def test_a_model_or_an_app_is_named(registered_memo):
    Country.objects.create(code="IS")
    branch = Branch.objects.create(company=Company.objects.create(code="c"), name="b")
    Memo.objects.create(branch=branch)

    said = run("initial", "airports", "references_tests.Memo", "--comment", "Start.")

    assert said == (
        "airports.Airport: 0 first versions written.\n"
        "airports.Country: 1 first version written.\n"
        "airports.Note: 0 first versions written.\n"
        "references_tests.Memo: 1 first version written.\n"
    )
    assert {version.comment for version in history(Country)} == {"Start."}


def test_plain_models_are_left_alone_unless_they_are_named(registered_memo):
    Memo.objects.create(
        branch=Branch.objects.create(company=Company.objects.create(code="c"), name="b")
    )

    said = run("initial")

    assert "Memo" not in said
    assert history(Memo).count() == 0


@pytest.fixture
def registered_memo():
    reversion.register(Memo)
    yield
    reversion.unregister(Memo)


def test_what_earlier_versions_changed_is_told():
    city = City.objects.create(name="c")
    for name in "ab":
        with create_revision():
            city.name = name
            city.save()
    Record.objects.all().delete()

    said = run("initial", "revisions_tests.City")

    assert said == (
        "revisions_tests.City: 0 first versions written.\n"
        "revisions_tests.City: the changes of 2 earlier versions written down.\n"
    )
    assert [version.record.changed_fields for version in history(city)] == [("name",), None]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("nowhere", "No installed app with label 'nowhere'."),
        ("tests.Village", "There is no model 'tests.Village': write app_label.Model."),
        ("auth.Group", "auth.Group is not registered with django-reversion."),
        ("sessions", "sessions is not registered with django-reversion."),
        (Anchor._meta.label, f"{Anchor._meta.label} is not registered with django-reversion."),
    ],
)
def test_what_has_no_versions_cannot_be_named(label, message):
    assert refused("initial", label) == message


@pytest.mark.django_db(databases=["default", "other"])
def test_the_databases_are_named():
    Tag.objects.using("other").bulk_create([Tag(name="t")])

    said = run("initial", "revisions_tests.Tag", "--database", "other", "--using", "other")

    assert said == "revisions_tests.Tag: 1 first version written.\n"
    assert (Version.objects.count(), Version.objects.using("other").count()) == (0, 1)


def test_a_terminal_has_a_progress_bar_that_goes_away(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    Tag.objects.bulk_create(Tag(name=name) for name in "ab")
    bar = Terminal()
    monkeypatch.setattr(sys, "stderr", bar)

    run("initial", "revisions_tests.Tag", stdout=Terminal())

    shown = bar.getvalue()
    assert "revisions_tests.Tag:   0%|          | 0/2 [00:00<?, ? rows/s]" in shown
    assert (shown[-1], "\n" in shown) == ("\r", False)


def test_without_tqdm_there_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    bar = Terminal()
    monkeypatch.setattr(sys, "stderr", bar)

    said = run("initial", "revisions_tests.Tag", stdout=Terminal())

    assert (said, bar.getvalue()) == ("revisions_tests.Tag: 0 first versions written.\n", "")


# prune ------------------------------------------------------------------------------------------


@pytest.fixture
def tag():
    """Write a tag three times."""
    tag = Tag(name="")
    for name in "abc":
        with create_revision():
            tag.name = name
            tag.save()
    return tag


def test_what_was_pruned_is_told(tag):
    said = run("prune", "--keep", "1")

    assert said == (
        "revisions_tests.Tag: 2 versions of 1 object removed, 1 kept.\n"
        "2 revisions removed, left without versions.\n"
    )
    assert [version.data["name"] for version in history(tag)] == ["c"]


def test_a_dry_run_tells_the_same_and_writes_nothing(tag):
    said = run("prune", "--older-than", "0", "--dry-run")

    assert said == (
        "revisions_tests.Tag: 2 versions of 1 object removed, 1 kept.\n"
        "2 revisions removed, left without versions.\n"
        "This was a dry run: nothing was written.\n"
    )
    assert history(tag).count() == 3


def test_versions_that_are_young_enough_stay(tag):
    run("prune", "--older-than", "1", "--keep", "0")

    assert history(tag).count() == 3


def test_models_are_named(tag):
    with create_revision():
        City.objects.create(name="c")

    said = run("prune", "--model", "revisions_tests.City", "--keep", "1")

    assert said == (
        "revisions_tests.City: 0 versions of 0 objects removed, 1 kept.\n"
        "0 revisions removed, left without versions.\n"
    )


@pytest.mark.django_db(databases=["default", "other"])
def test_other_databases_are_told():
    Tag.objects.using("other").bulk_create([Tag(name="t")])
    run("initial", "revisions_tests.Tag", "--database", "other")

    said = run("prune", "--keep", "1", "--database", "other", "--batch-size", "1")

    assert said == (
        "revisions_tests.Tag (other): 0 versions of 0 objects removed, 1 kept.\n"
        "0 revisions removed, left without versions.\n"
    )


@pytest.mark.parametrize("bounds", [(), ("--keep", "0"), ("--dry-run",)])
def test_a_bound_is_needed(tag, bounds):
    assert refused("prune", *bounds) == (
        "There is no bound: give --older-than DAYS, --keep N (at least 1), or both."
    )
    assert history(tag).count() == 3


@pytest.mark.parametrize(
    ("option", "text", "limits"),
    [
        ("--keep", "-1", "0 to 1,000,000"),
        ("--older-than", "a week", "0 to 36,524"),
        ("--batch-size", "0", "1 to 5,000"),
        ("--batch-size", "5001", "1 to 5,000"),
    ],
)
def test_numbers_have_limits(option, text, limits):
    assert refused("prune", f"{option}={text}") == (
        f"Error: argument {option}: {text!r} is no number from {limits}."
    )


def test_an_unknown_model_is_refused():
    assert refused("prune", "--keep=1", "--model=Village") == (
        "There is no model 'Village': write app_label.Model."
    )
