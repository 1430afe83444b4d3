"""What is known of a database and of the triggers that it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

# What our triggers carry in their text: a hash of it, the table that they write, and whether
# they were switched off.
MARK: Final = re.compile(r"(?:/\* |`|-- )handleref:([0-9a-f]+):([^:\s]*):(on|off)")

# What takes away a table or a column, as schema editors and most people write it.
LOSS: Final = tuple(
    re.compile(
        words.replace("{", "(?P<")
        .replace("}", r""">"[^"]+"(?:\."[^"]+")?|`[^`]+`|[\w.$]+)""")
        .replace(" ", r"\s+"),
        re.IGNORECASE,
    )
    for words in (
        r"(?:DROP|(?P<renamed>RENAME)) TABLE (?:IF EXISTS )?{table}",
        r"ALTER TABLE {table} (?P<renamed>RENAME) (?:TO|AS) ",
        r"ALTER TABLE {table} (?:DROP|(?P<renamed>RENAME)) COLUMN (?:IF EXISTS )?{column}",
        r"ALTER TABLE {table} (?P<renamed>CHANGE) (?:COLUMN )?{column}",
    )
)

# What triggers are told of the session.
SUSPENDED: Final = "suspended"
CONTEXT: Final = "context"


@dataclass(frozen=True)
class Features:
    """What a database can do.

    :ivar statement_level: triggers for statements, with all rows they touched.
    :ivar truncates: TRUNCATE empties a table.
    :ivar truncate: triggers for it.
    :ivar cascades: foreign keys that cascade in the database run the triggers.
    :ivar replace: REPLACE runs the trigger for the row that it deletes; None: there is none.
    :ivar survives_rebuild: schema changes leave triggers as they are.
    :ivar transaction_ids: transactions have numbers.
    :ivar excludes: constraints keep periods from overlapping.
    :ivar memory: how long what a session was told lasts: ``"statement"``,
        ``"transaction"`` or ``"session"``.
    """

    statement_level: bool
    truncates: bool
    truncate: bool
    cascades: bool
    replace: bool | None
    survives_rebuild: bool
    transaction_ids: bool
    excludes: bool
    memory: str


@dataclass(frozen=True)
class Installed:
    """A trigger of ours that a database has.

    :ivar name: what it is called.
    :ivar table: the table that it watches; empty for what a trigger left behind.
    :ivar fingerprint: the hash of the text that it was made of.
    :ivar into: the table that it writes.
    :ivar enabled: whether it runs.
    :ivar text: its body; on SQLite the whole statement.
    """

    name: str
    table: str
    fingerprint: str
    into: str
    enabled: bool
    text: str


@dataclass(frozen=True)
class Loss:
    """What a statement takes away.

    :ivar table: the table.
    :ivar column: its column, or empty for all of it.
    :ivar renamed: whether it is there afterwards, by another name.
    """

    table: str
    column: str
    renamed: bool


def read_mark(text: str) -> tuple[str, str, bool] | None:
    """Return the hash, the table and the state that a trigger carries, or None: not ours."""
    found = MARK.search(text)
    return (found[1], unquote(found[2]), found[3] == "on") if found else None
