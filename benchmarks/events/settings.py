"""Settings of one child process that measures events: whatever records is installed here."""

from importlib.util import find_spec

from benchmarks.settings import (  # noqa: F401
    DATABASES,
    DEFAULT_AUTO_FIELD,
    SECRET_KEY,
    USE_TZ,
)
from tests.settings import MIDDLEWARE, TEMPLATES  # noqa: F401

# Whom a database is measured with, and what each needs: MariaDB is measured beside plain
# Django and triggers written by hand alone.
RIVALS = {
    "postgresql": {
        "pghistory": ["pgtrigger", "pghistory"],
        "simple_history": ["simple_history"],
        "auditlog": ["auditlog"],
        "easyaudit": ["easyaudit"],
    },
    "sqlite3": {
        "simple_history": ["simple_history"],
        "auditlog": ["auditlog"],
        "easyaudit": ["easyaudit"],
    },
}
_engine = DATABASES["default"]["ENGINE"].rpartition(".")[2]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "handleref",
    "handleref.events",
    *(
        app
        for rival, needed in RIVALS.get(_engine, {}).items()
        if find_spec(rival)
        for app in needed
    ),
    "benchmarks.rows.plain",
    "benchmarks.events",
]
# The tables of the rows come without migrations; so must what they refer to.
MIGRATION_MODULES = dict.fromkeys(
    [
        *("auth", "contenttypes", "sessions", "handleref_events"),
        *("pghistory", "simple_history", "auditlog", "easyaudit"),
    ]
)
# What the migrations of django-pghistory would do.
PGTRIGGER_INSTALL_ON_MIGRATE = True
PGHISTORY_INSTALL_CONTEXT_FUNC_ON_MIGRATE = True
DJANGO_EASY_AUDIT_WATCH_AUTH_EVENTS = False
DJANGO_EASY_AUDIT_WATCH_REQUEST_EVENTS = False
