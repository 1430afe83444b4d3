"""Settings of the project; TESTPROJ_DATA names another folder for its database files."""

import os
from pathlib import Path

DATA_DIR = Path(os.environ.get("TESTPROJ_DATA") or Path(__file__).resolve().parent)
# The demo makes a file of its own anew each time, and leaves the project's alone.
DEMO_DATABASE = DATA_DIR / "demo.sqlite3"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "db.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode = wal; PRAGMA synchronous = normal;",
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# With DEBUG, Django keeps the text of every SQL statement in memory.
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "reversion",
    "handleref",
    "handleref.revisions",
    "handleref.events",
    "testproj.airports",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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

ROOT_URLCONF = "testproj.urls"
SECRET_KEY = "only for a demo on this machine"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
