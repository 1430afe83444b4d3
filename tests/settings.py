"""Settings of the suite; HANDLEREF_DATABASE_URL chooses the database (default: SQLite)."""

import os

from tests.databases import databases, free_name

DATABASES = databases(
    os.environ.get("HANDLEREF_DATABASE_URL") or "sqlite:",
    os.environ.get("HANDLEREF_DATABASE_NAME") or free_name(),
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "reversion",
    "handleref",
    "handleref.revisions",
    "handleref.events",
    "tests.references",
    "tests.events",
    "tests.revisions",
    "tests.versions",
    "tests.stacks",
    "tests.pointintime",
    "tests.documents",
    "testproj.airports",
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The tables of the tests come without migrations, and with foreign keys to these; the last two
# depend on them.
MIGRATION_MODULES = dict.fromkeys(
    ["admin", "auth", "contenttypes", "sessions", "reversion", "handleref_revisions"]
)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
ROOT_URLCONF = "tests.urls"
SECRET_KEY = "only for tests"
STATIC_URL = "static/"
TIME_ZONE = "Europe/Berlin"
USE_TZ = True
