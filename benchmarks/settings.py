"""Settings of one child process: the database it was given, and the packages that are there."""

import os
from importlib.util import find_spec

from tests.databases import databases, free_name

_databases = databases(
    os.environ.get("HANDLEREF_DATABASE_URL") or "sqlite:",
    os.environ.get("HANDLEREF_DATABASE_NAME") or free_name(),
)

DATABASES = {"default": _databases["default"]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "handleref",
    "benchmarks.rows.plain",
    "benchmarks.rows.ours",
    *(["benchmarks.rows.handleref2"] if find_spec("django_handleref") else []),
    *(["benchmarks.rows.softdelete"] if find_spec("safedelete") else []),
]
SECRET_KEY = "only for benchmarks"
USE_TZ = True
