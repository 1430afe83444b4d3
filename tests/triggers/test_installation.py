"""What a database has, and what it should have."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from handleref.triggers import Copy, Refuse, Trigger
from handleref.triggers.checks import check_declared, check_installed
from handleref.triggers.dialects import dialect_of
from handleref.triggers.installation import (
    declared,
    disable,
    enable,
    install,
    prune,
    run,
    script,
    status,
    uninstall,
)
from tests.events.models import Leaf, LeafEvent, Ledger, Place

NAMES = ["hr_snapshot_ins_", "hr_snapshot_upd_"]


def states(*targets):
    return [row.state for row in status("default", targets)]


@pytest.fixture(autouse=True)
def mended(django_db_setup, django_db_blocker):
    """Undo by hand what is done: MariaDB commits whatever changes a table."""
    with django_db_blocker.unblock():
        yield
        enable()
        install()
        prune()
        for model in (Leaf, LeafEvent):
            model.objects.all().delete()


@pytest.fixture
def dialect():
    return dialect_of(connection)


def trigger(**values):
    """Return a trigger that nothing declares."""
    return Trigger(
        **{
            "name": "hr_of_nobody",
            "table": Leaf._meta.db_table,
            "operation": "insert",
            "body": Copy(LeafEvent._meta.db_table, "new", "x", (("hr_obj_id", "id"),)),
            "keys": ("*",),
            **values,
        }
    )


# Marked, so that the databases are made when only this file is run.
@pytest.mark.django_db(databases="__all__")
def test_everything_declared_is_installed():
    rows = status()

    assert {row.state for row in rows} == {"installed"}
    assert {(row.name, row.table) for row in rows} == {
        (t.name, t.table) for t in declared("default")
    }


def test_what_is_missing_comes_back():
    removed = uninstall(targets=[Leaf])
    gone = states(Leaf)
    Leaf.objects.create(int_field=1, text_field="unseen")

    installed = install(targets=[Leaf])
    Leaf.objects.create(int_field=2, text_field="seen")

    assert [row.name[:16] for row in removed] == [row.name[:16] for row in installed] == NAMES
    assert (gone, states(Leaf)) == (["missing"] * 2, ["installed"] * 2)
    assert [event.text_field for event in LeafEvent.objects.all()] == ["seen"]


def test_uninstalling_leaves_no_function_behind(dialect):
    uninstall()

    assert dialect.installed() == []


def test_an_outdated_trigger_is_brought_up_to_date(dialect):
    [current, _] = declared("default", targets=[Leaf])
    old = trigger(name=current.name, table=current.table)
    run(dialect, dialect.create(old))
    before = states(Leaf)

    install()

    assert (before, states(Leaf)) == (["outdated", "installed"], ["installed"] * 2)


def test_a_disabled_trigger_writes_nothing_until_it_is_enabled():
    disabled = disable(targets=[Leaf])
    off = states(Leaf)
    Leaf.objects.create(int_field=1, text_field="unseen")
    install()
    still_off = states(Leaf)

    enabled = enable(targets=["events_tests.leaf"])
    Leaf.objects.create(int_field=2, text_field="seen")

    assert len(disabled) == len(enabled) == 2
    assert off == still_off == ["disabled"] * 2
    assert [event.text_field for event in LeafEvent.objects.all()] == ["seen"]


def test_what_nothing_declares_is_pruned(dialect):
    run(dialect, dialect.create(trigger()))

    found = [row for row in status() if row.state == "orphaned"]
    pruned = prune()

    assert found == pruned
    assert [(row.name, row.table, row.model, row.trigger) for row in found] == [
        ("hr_of_nobody", Leaf._meta.db_table, None, None)
    ]
    assert {row.state for row in status()} == {"installed"}


def test_targets_are_an_app_a_model_an_event_model_or_a_label():
    assert len(status("default", [Leaf])) == 2
    assert status("default", [Leaf]) == status("default", ["events_tests.LeafEvent"])
    assert [row.name[:16] for row in status("default", ["events_tests.Leaf:snapshot"])] == NAMES
    assert status("default", ["events_tests.Leaf:other"]) == []
    assert len(status("default", ["events_tests"])) > 20


def test_the_script_does_what_install_does(dialect):
    uninstall(targets=[Leaf])

    run(dialect, script("default", [Leaf]))

    assert states(Leaf) == ["installed"] * 2


def test_another_database_is_asked_about_itself():
    assert {row.state for row in status("other")} == {"installed"}


# The command ------------------------------------------------------------------------------------


def said(capsys, *arguments):
    call_command("handleref_triggers", *arguments)
    return capsys.readouterr().out.splitlines()


def test_ls_tells_what_has_become_of_each(capsys):
    disable(targets=["events_tests.Leaf"])

    lines = said(capsys, "ls", "events_tests.Leaf")

    names = [row.name for row in status("default", [Leaf])]
    assert lines == [
        f"disabled  {name} on events_tests_leaf (events_tests.LeafEvent)" for name in names
    ]


def test_install_says_what_it_did(capsys):
    uninstall(targets=[Leaf])
    names = [row.name for row in status("default", [Leaf])]

    lines = said(capsys, "install", "events_tests.Leaf")
    again = said(capsys, "install", "events_tests.Leaf")

    assert lines == [
        *(f"Installed {name} on events_tests_leaf." for name in names),
        "2 triggers changed.",
    ]
    assert again == ["0 triggers changed."]


@pytest.mark.parametrize(("command", "word"), [("uninstall", "Removed"), ("disable", "Disabled")])
def test_the_others_do_too(capsys, command, word):
    lines = said(capsys, command, "events_tests.Leaf")

    assert [line.split()[0] for line in lines] == [word, word, "2"]


def test_prune_takes_no_names(capsys, dialect):
    run(dialect, dialect.create(trigger()))

    lines = said(capsys, "prune")

    assert lines == ["Removed hr_of_nobody on events_tests_leaf.", "1 trigger changed."]


def test_sql_is_what_the_databases_own_client_reads(capsys):
    lines = said(capsys, "sql", "events_tests.Leaf")

    text = "\n".join(lines)
    assert text.count("CREATE") >= 2
    if connection.vendor == "mysql":
        assert (lines[0], lines[-1]) == ("DELIMITER //", "DELIMITER ;")
    else:
        assert lines[-1].endswith(";")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("events_tests.Shelf", "events_tests.Shelf has no triggers: is it tracked?"),
        (
            "a:b",
            '\'a:b\' names no trackers: give "app", "app.Model" or "app.Model:label".',
        ),
    ],
)
def test_a_name_that_means_nothing_is_refused(label, message):
    with pytest.raises(CommandError) as error:
        call_command("handleref_triggers", "install", label)

    assert str(error.value) == message


# The checks -------------------------------------------------------------------------------------


def problems():
    return [(each.id, each.msg, each.hint) for each in check_installed(databases=["default"])]


def without_replace(found):
    return [each for each in found if each[0] != "handleref.W009"]


def test_nothing_is_wrong_where_all_are_there():
    assert without_replace(problems()) == []
    assert check_installed() == []


def test_a_check_names_what_is_missing_outdated_disabled_and_orphaned(dialect):
    [first, second] = status("default", [Leaf])
    run(dialect, dialect.create(trigger(name=first.name)))
    uninstall(targets=[Place])
    disable(targets=["events_tests.Keyed:insert"])
    run(dialect, dialect.create(trigger()))

    found = {id_: (message, hint) for id_, message, hint in problems()}

    missing = ", ".join(f"{row.name} on {row.table}" for row in status("default", [Place]))
    [keyed] = status("default", ["events_tests.Keyed:insert"])
    assert found.pop("handleref.W009", None) is None or connection.vendor == "sqlite"
    assert found == {
        "handleref.W014": (
            f"Triggers are missing in 'default', so changes go unrecorded: {missing}.",
            "manage.py handleref_triggers install --database default",
        ),
        "handleref.W015": (
            (
                "Triggers in 'default' are not those that the code declares:"
                f" {first.name} on events_tests_leaf."
            ),
            (
                "manage.py migrate --database default,"
                " or manage.py handleref_triggers install --database default"
            ),
        ),
        "handleref.W007": (
            (
                "Triggers are disabled in 'default', so changes go unrecorded:"
                f" {keyed.name} on events_tests_keyed."
            ),
            "manage.py handleref_triggers enable --database default",
        ),
        "handleref.W008": (
            "Nothing declares these triggers in 'default': hr_of_nobody on events_tests_leaf.",
            "manage.py handleref_triggers prune --database default",
        ),
    }
    assert second.state == "installed"


def test_sqlite_is_told_of_replace():
    if connection.vendor != "sqlite":
        pytest.skip("Elsewhere REPLACE runs triggers, or does not exist.")
    found = [each for each in problems() if each[0] == "handleref.W009"]

    with connection.cursor() as cursor:
        cursor.execute("PRAGMA recursive_triggers = ON")
    silent = [each for each in problems() if each[0] == "handleref.W009"]
    connection.close()

    assert found == [
        (
            "handleref.W009",
            "In 'default', REPLACE deletes rows without running triggers.",
            (
                "Add PRAGMA recursive_triggers = ON to OPTIONS['init_command'], or silence"
                " this warning: Django itself never uses REPLACE."
            ),
        )
    ]
    assert silent == []


def test_append_only_is_no_shield_against_truncate_everywhere():
    found = [each for each in check_declared() if each.obj is Ledger.events.rel.related_model]

    flawed = [a for a in connections if connections[a].vendor == "mysql"]
    assert [each.id for each in found] == ["handleref.W010"] * len(flawed)
    assert {each.msg for each in found} <= {
        (
            "MariaDB has no triggers for TRUNCATE, which empties events_tests.LedgerEvent although"
            " it is append-only."
        )
    }


# A value ----------------------------------------------------------------------------------------


def test_a_trigger_is_a_value():
    one, same, other = trigger(), trigger(), trigger(level="statement")

    assert (one == same, one == other, len({one, same, other})) == (True, False, 2)
    assert str(one) == "hr_of_nobody on events_tests_leaf"
    assert eval(repr(one), {"Trigger": Trigger, "Copy": Copy}) == one  # noqa: S307
    path, args, kwargs = one.deconstruct()
    assert (path, args, Trigger(**kwargs)) == ("handleref.triggers.Trigger", (), one)
    assert "timing" not in kwargs and "level" not in kwargs


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"operation": "upsert"},
            (
                "operation of a trigger is one of ('insert', 'update',"
                " 'delete', 'truncate'), not 'upsert'."
            ),
        ),
        (
            {"timing": "instead"},
            "timing of a trigger is one of ('before', 'after'), not 'instead'.",
        ),
        ({"level": "table"}, "level of a trigger is one of ('row', 'statement'), not 'table'."),
        ({"name": "x" * 31}, f"A trigger's name has 1 to 30 characters: {'x' * 31!r} does not."),
        ({"name": ""}, "A trigger's name has 1 to 30 characters: '' does not."),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(ValueError) as error:
        trigger(**values)

    assert str(error.value) == message


def test_it_knows_the_columns_that_it_needs():
    one = trigger(body=Copy("events", "new", "x", (("a", "b"), ("c", "d", "parents"))))

    assert one.columns == {Leaf._meta.db_table: {"b"}, "events": {"a", "c"}, "parents": {"d"}}
    assert one.into == "events"
    assert trigger(body=Refuse("no")).into == Leaf._meta.db_table
