"""Settings of one child process that measures rows that are history."""

from importlib.util import find_spec

from benchmarks.settings import (  # noqa: F401
    DATABASES,
    DEFAULT_AUTO_FIELD,
    SECRET_KEY,
    USE_TZ,
)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "handleref",
    *(["stackstore"] if find_spec("stackstore") else []),
    *(["pita"] if find_spec("pita") else []),
    "benchmarks.inplace",
]
# The tables of the rows come without migrations; so must what they refer to.
MIGRATION_MODULES = dict.fromkeys(["auth", "contenttypes"])
