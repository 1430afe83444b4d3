"""What triggers are told of whoever writes, by a statement of its own.

A context variable says what holds here and now; a wrapper on each connection tells the
database before the next write, once per transaction and per change. SQLite has no
sessions: there, a row lasts as long as the statement that it is for.
"""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from contextvars import ContextVar
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from django.db import connections, transaction
from django.dispatch import Signal

from handleref.triggers.dialects import dialect_of
from handleref.triggers.dialects.values import CONTEXT, SUSPENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.db.backends.base.base import BaseDatabaseWrapper

    from handleref.triggers.dialects.base import Dialect

    Told = Mapping[str, str]

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
KEYS: Final = (SUSPENDED, CONTEXT)
# Sent before a write of whoever told the triggers something, with ``using``.
writing = Signal()

# Immutable and linked, innermost first; what one connection is told stays with its alias.
_Blocks = tuple["Mapping[str, Told]", "_Blocks | None"]
_blocks: ContextVar[_Blocks | None] = ContextVar("handleref_session", default=None)

WRITES: Final = frozenset(
    {"insert", "update", "delete", "merge", "replace", "with", "truncate", "copy", "load"}
    | {"call", "do", "execute", "explain", "analyze", "begin"}
)
# These write if there is a word for it in them, as in MariaDB's blocks; else they are like others.
PERHAPS: Final = MappingProxyType(
    {"with": "select", "explain": "select", "analyze": "select", "begin": "start"}
)
MAY_WRITE: Final = re.compile(r"\b(?:insert|update|delete|merge|replace)\b", re.IGNORECASE)
# These neither write nor call what does, and most end what was told.
CONTROLS: Final = frozenset(
    {"start", "commit", "end", "abort", "savepoint", "release", "set", "reset", "show"}
    | {"pragma", "create", "alter", "drop", "vacuum"}
)
# These may end transactions themselves.
UNWRAPPED: Final = frozenset({"call", "do", "execute", "begin"})

FIRST_WORD: Final = re.compile(
    r"(?:[\s(;]|--[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z))*([a-zA-Z]*)", re.DOTALL
)


def told(using: str) -> Told:
    """Return what the triggers of a database are told here and now."""
    blocks = _blocks.get()
    return blocks[0].get(using, NOTHING) if blocks else NOTHING


def begin(using: str, **values: str) -> None:
    """Tell the triggers of a database something, until :func:`end`.

    :param using: the alias of the database.
    :param values: texts by key; what is told under other keys goes on.
    """
    blocks = _blocks.get()
    before = blocks[0] if blocks else {}
    changed = MappingProxyType({**before.get(using, NOTHING), **values})
    _blocks.set((MappingProxyType({**before, using: changed}), blocks))


def end() -> None:
    """Go back to what triggers were told before the last :func:`begin`."""
    blocks = _blocks.get()
    _blocks.set(blocks[1] if blocks else None)


def tell_at_once(using: str) -> None:
    """Tell the triggers before the next statement, where a transaction is open here."""
    connection = connections[using]
    if connection.connection is not None and connection.in_atomic_block:
        for wrapper in connection.execute_wrappers:
            if isinstance(wrapper, Courier):
                wrapper.tell_at_once()


class Courier:
    """Tells one connection, before a write, what has changed since the last.

    An execute wrapper, the outermost: no other sees its statements.
    """

    def __init__(self, connection: BaseDatabaseWrapper, dialect: Dialect) -> None:
        self.connection = connection
        self.dialect = dialect
        self.delivered: Told | None = NOTHING
        self.to: Any = None

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Any
    ) -> Any:
        wanted = told(self.connection.alias)
        if not wanted and self.delivered is NOTHING:
            return execute(sql, params, many, context)
        self._forget_what_is_gone()
        word = first_word(sql)
        if word in PERHAPS and not MAY_WRITE.search(text_of(sql)):
            word = PERHAPS[word]
        if word == "rollback":
            # What was told since the savepoint is forgotten, or not: nobody says.
            self.delivered = None
        elif word in WRITES:
            with self._in_transaction(wanted, word, context):
                return self._write(wanted, partial(execute, sql, params, many, context))
        elif word not in CONTROLS and self._differs_in_suspension(wanted):
            # It may call a function that writes.
            self._tell(wanted)
        return execute(sql, params, many, context)

    def tell_at_once(self) -> None:
        """Tell what holds from now on, if it lasts as long as the transaction."""
        if self.dialect.features.memory != "statement" and not self.connection.needs_rollback:
            self._forget_what_is_gone()
            self._tell(told(self.connection.alias))

    def _differs_in_suspension(self, wanted: Told) -> bool:
        """Tell whether what lasts, on this connection, says of suspension what does not hold."""
        memory = self.dialect.features.memory
        if memory == "statement" or (memory == "transaction" and self.connection.get_autocommit()):
            return False
        return (self.delivered or NOTHING).get(SUSPENDED) != wanted.get(SUSPENDED)

    @contextmanager
    def _in_transaction(self, wanted: Told, word: str, context: Any) -> Iterator[None]:
        """Give a statement a transaction, where it has none and what it is told needs one."""
        memory = self.dialect.features.memory
        autocommit = self.connection.get_autocommit()
        if memory == "session" or not (wanted and autocommit) or word in UNWRAPPED:
            yield
            return
        with transaction.atomic(self.connection.alias):
            yield
            if memory == "statement":
                fetch_all(context["cursor"])

    def _write(self, wanted: Told, execute: Callable[[], Any]) -> Any:
        writing.send(Courier, using=self.connection.alias)
        self._tell(wanted)
        try:
            return execute()
        finally:
            if self.dialect.features.memory == "statement":
                self._deliver(dict.fromkeys(wanted))
                self.delivered = NOTHING

    def _tell(self, wanted: Told) -> None:
        """Tell what has changed since the last time."""
        known = KEYS if self.delivered is None else self.delivered
        if self.delivered is None or self.delivered != wanted:
            self._deliver({**dict.fromkeys(known), **wanted})
            # A copy: what was taken back within a savepoint holds again once that is rolled
            # back, so "nothing any more" is not yet NOTHING.
            self.delivered = {**wanted}

    def _forget_what_is_gone(self) -> None:
        """Note that a new connection or a new transaction knows nothing yet."""
        if self.to is not self.connection.connection or self.dialect.is_new_transaction():
            self.to = self.connection.connection
            self.delivered = NOTHING

    def _deliver(self, values: Mapping[str, str | None]) -> None:
        # Straight to the driver: a cursor of Django's would come back here.
        with self.connection.wrap_database_errors, closing(self.connection.create_cursor()) as it:
            for sql, params in self.dialect.tell(values):
                it.execute(sql, params)


class Fetched:
    """Stands for a cursor whose rows were fetched before its transaction ended."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor
        self.rows: list[Any] = cursor.fetchall()

    def fetchone(self) -> Any:
        return self.rows.pop(0) if self.rows else None

    def fetchmany(self, size: int = 1) -> list[Any]:
        taken, self.rows = self.rows[:size], self.rows[size:]
        return taken

    def fetchall(self) -> list[Any]:
        taken, self.rows = self.rows, []
        return taken

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)


def fetch_all(wrapper: Any) -> None:
    """Fetch what a statement returns: SQLite does not commit before that."""
    if wrapper.cursor.description:
        wrapper.cursor = Fetched(wrapper.cursor)


def text_of(sql: Any) -> str:
    """Return a statement as text, also one that psycopg composes."""
    if hasattr(sql, "as_string"):
        sql = sql.as_string(None)
    return sql.decode(errors="replace") if isinstance(sql, bytes) else str(sql)


def first_word(sql: Any) -> str:
    """Return the first word of a statement, in lower case, after comments."""
    found = FIRST_WORD.match(text_of(sql))
    return found[1].lower() if found else ""


def attach(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Put a courier on a connection that has none; a receiver of ``connection_created``."""
    dialect = dialect_of(connection)
    if dialect is None:
        return
    if not any(isinstance(wrapper, Courier) for wrapper in connection.execute_wrappers):
        # In front: whoever adds one for a while takes the last one away again.
        connection.execute_wrappers.insert(0, Courier(connection, dialect))


def attach_to_all() -> None:
    """Put a courier on each connection that is open already."""
    for connection in connections.all(initialized_only=True):
        attach(connection)
