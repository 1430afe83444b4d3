"""Settings of one child process that measures history: the bridge is installed here alone."""

from importlib.util import find_spec

from benchmarks.settings import (  # noqa: F401
    DATABASES,
    DEFAULT_AUTO_FIELD,
    SECRET_KEY,
    USE_TZ,
)
from tests.settings import MIDDLEWARE, MIGRATION_MODULES, TEMPLATES  # noqa: F401

ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "reversion",
    "handleref",
    "handleref.revisions",
    "benchmarks.rows.plain",
    "benchmarks.rows.ours",
    *(["simple_history", "benchmarks.rows.simplehistory"] if find_spec("simple_history") else []),
    *(["django_handleref", "benchmarks.rows.handleref2"] if find_spec("django_handleref") else []),
    "benchmarks.history",
    # Behind the one that registers models with reversion: its admin classes would do so, too.
    "django.contrib.admin",
]
ROOT_URLCONF = "benchmarks.history.urls"
STATIC_URL = "static/"
