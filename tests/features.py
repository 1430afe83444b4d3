"""What is recorded on which database, as docs/reference/events.md shows it.

``python -m tests.features`` writes the table there, from the dialects' own flags.
"""

from pathlib import Path

from benchmarks.documents import put
from handleref.triggers.dialects.mysql import MariaDB
from handleref.triggers.dialects.postgresql import PostgreSQL
from handleref.triggers.dialects.sqlite import SQLite

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "events.md"
NAME = "features"
DIALECTS = (PostgreSQL, MariaDB, SQLite)

ALWAYS = [
    "save(), create(), update_or_create()",
    "bulk_create(), also with ignore_conflicts and update_conflicts",
    "update(), bulk_update(), F() expressions",
    "delete(), one by one and of querysets, with what Django deletes and changes in turn",
    "add(), remove(), set() and clear() of a tracked many-to-many field",
    "raw SQL, and other programs",
    "data migrations (`RunPython`)",
]


def table():
    """Return the table: a line per question, a column per database."""
    titles = [dialect.title for dialect in DIALECTS]
    lines = [f"| | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
    lines += [line(text, ["yes"] * len(titles)) for text in ALWAYS]
    features = [dialect.features for dialect in DIALECTS]
    lines += [
        line(
            "what the database itself does to rows whose foreign key cascades",
            [yes(each.cascades) for each in features],
        ),
        line(
            "rows that `REPLACE` deletes",
            [
                "-" if each.replace is None else yes(each.replace, "with `recursive_triggers`")
                for each in features
            ],
        ),
        line(
            "`TRUNCATE`: recorded / refused where `append_only`",
            [f"no / {yes(each.truncate)}" if each.truncates else "-" for each in features],
        ),
        line(
            "one trigger call for all rows of a statement",
            [yes(each.statement_level) for each in features],
        ),
        line("a transaction number in `hr_txid`", [yes(each.transaction_ids) for each in features]),
        line(
            "what tells a session lasts for a",
            [each.memory for each in features],
        ),
    ]
    return "\n".join(lines)


def line(text, cells):
    return f"| {text} | {' | '.join(cells)} |"


def yes(value, otherwise="no"):
    return "yes" if value else otherwise


if __name__ == "__main__":
    PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), NAME, table()), encoding="utf-8")
