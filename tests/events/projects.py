"""Little Django projects with a database of their own, rewritten and migrated step by step.

Each request runs in a process of its own, as ``manage.py`` would: models cannot be loaded
twice. They are forked from one that has imported Django, which takes a third of the time.
"""

import ast
import contextlib
import importlib
import io
import json
import os
import shlex
import subprocess
import sys
import traceback
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.databases import (
    Server,
    connect_mariadb,
    connect_postgresql,
    databases,
    drop_mariadb,
    drop_postgresql,
    free_name,
    test_names,
)

APPS = ["handleref", "handleref.events"]
AUTH = ["django.contrib.contenttypes", "django.contrib.auth"]
MODELS = """\
from django.conf import settings
from django.db import models
from handleref.events.tracking import *
"""
MIGRATION = """\
from django.db import migrations, models

def forwards(apps, schema_editor):
    {code}

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = {dependencies}
    operations = [{operations}]
"""
RUN_PYTHON = "migrations.RunPython(forwards, migrations.RunPython.noop)"

# What there is, by the word of the database and not by ours.
LEFT = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "mysql": "SELECT trigger_name FROM information_schema.triggers"
    " WHERE trigger_schema = DATABASE()",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION ALL"
    " SELECT proname || '()' FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
}


class FailedError(Exception):
    """A request that failed; the message is what its process said last."""


class Runner:
    """Runs requests, each in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            # No bytecode: what is rewritten within a second, in as many letters, would pass for it.
            [sys.executable, "-B", "-W", "error", "-m", "tests.events.projects"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )

    def run(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if error := answer.get("error"):
            raise FailedError(error)
        return answer["values"]

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@contextmanager
def own_databases(url, folder):
    """Yield the DATABASES of two databases on the server, which are dropped afterwards."""
    name = free_name()
    entries = databases(f"sqlite:{folder}" if url.startswith("sqlite") else url, name)
    for entry, own in zip(entries.values(), test_names(name), strict=True):
        if vendor_of(url) != "sqlite":
            entry["NAME"] = own
        if vendor_of(url) == "postgresql":
            with closing(connect_postgresql(url)) as connection:
                connection.execute(f"CREATE DATABASE {own}")
        entry["TEST"]["NAME"] = entry["NAME"] + "_test"
    try:
        yield entries
    finally:
        for each in (name, f"{name}_test"):
            if vendor_of(url) == "postgresql":
                drop_postgresql(Server("", url, each))
            elif vendor_of(url) == "mysql":
                drop_mariadb(Server("", url, each))


def empty(url, entries):
    """Empty databases: to drop them takes PostgreSQL seconds."""
    for entry in entries.values():
        if vendor_of(url) == "sqlite":
            for path in Path(entry["NAME"]).parent.glob(Path(entry["NAME"]).name + "*"):
                path.unlink()
        elif vendor_of(url) == "postgresql":
            with closing(
                connect_postgresql(urlsplit(url)._replace(path=entry["NAME"]).geturl())
            ) as it:
                it.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        else:
            with closing(connect_mariadb(url)) as it:
                it.query(f"DROP DATABASE IF EXISTS {entry['NAME']}")
                it.query(f"CREATE DATABASE {entry['NAME']} CHARACTER SET utf8mb4")


def vendor_of(url):
    """Return what Django calls the database at a URL."""
    return {"postgres": "postgresql", "mariadb": "mysql"}.get(kind := url.partition(":")[0], kind)


class Project:
    """A folder with settings, apps and migrations."""

    def __init__(self, runner, folder, entries, *, apps=()):
        self.runner = runner
        self.folder = folder
        self.settings = {
            "DATABASES": entries,
            "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
            "INSTALLED_APPS": [*apps, *APPS],
            "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
            "SECRET_KEY": "only for tests",
            "USE_TZ": True,
        }
        self.configure()
        if "django.contrib.auth" not in self.settings["INSTALLED_APPS"]:
            # Contexts refer to whatever is a user.
            self.configure(AUTH_USER_MODEL="people.Person")
            self.write("class Person(models.Model):\n    pass\n", app="people")

    def configure(self, **settings):
        """Change settings."""
        self.settings |= settings
        lines = [f"{name} = {value!r}" for name, value in self.settings.items()]
        self.file("settings.py", "\n".join(lines))

    def file(self, path, text):
        """Write a file, and the packages that it is in."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in target.relative_to(self.folder).parents:
            if str(folder) != ".":
                (self.folder / folder / "__init__.py").touch()
        target.write_text(text)

    def write(self, models, app="shop"):
        """Write an app's models; the app begins with them."""
        self.file(f"{app}/models.py", MODELS + models)
        self.file(f"{app}/migrations/__init__.py", "")
        if app not in self.settings["INSTALLED_APPS"]:
            self.configure(INSTALLED_APPS=[*self.settings["INSTALLED_APPS"], app])

    def change(self, models, app="shop"):
        """Rewrite an app's models, make the migrations and run them."""
        self.write(models, app)
        return self.run("makemigrations", "migrate", "makemigrations --check")

    def migration(self, *, code="pass", operations=RUN_PYTHON, app="shop", atomic=True, after=()):
        """Write a migration by hand, after the latest, and return its name."""
        names = self.migrations(app)
        name = f"{len(names) + 1:04}_by_hand"
        dependencies = [*after, *((app, latest) for latest in names[-1:])]
        text = MIGRATION.format(
            code=code, atomic=atomic, dependencies=dependencies, operations=operations
        )
        self.file(f"{app}/migrations/{name}.py", text)
        return name

    def migrations(self, app="shop"):
        """Return the names of an app's migrations."""
        return sorted(path.stem for path in (self.folder / app / "migrations").glob("0*.py"))

    def remove(self, name, app="shop"):
        """Remove a migration."""
        (self.folder / app / "migrations" / f"{name}.py").unlink()

    def run(self, *commands):
        """Run commands of ``manage.py`` in one process, and return what they print."""
        return "".join(self._run(commands))

    def ask(self, code):
        """Run Python with the project's models at hand, and return its last line's value."""
        return self._run([], code=code)[-1]

    def _run(self, commands, code=""):
        request = {
            "folder": str(self.folder),
            "commands": list(commands),
            "code": code,
        }
        return self.runner.run(request)


# In the processes ---------------------------------------------------------------------------


def serve():
    """Answer requests, one a line, from processes of their own."""
    for name in ("migrate", "makemigrations", "squashmigrations", "sqlmigrate", "flush"):
        importlib.import_module(f"django.core.management.commands.{name}")
    for name in ("sqlite3", "postgresql", "mysql"):
        # The drivers of other databases may be missing.
        with contextlib.suppress(Exception):
            importlib.import_module(f"django.db.backends.{name}.base")
    importlib.import_module("handleref.triggers")
    for line in sys.stdin:
        reading, writing = os.pipe()
        if child := os.fork():
            os.close(writing)
            with open(reading) as answer:  # noqa: PTH123 - a pipe has no path
                print(answer.read(), flush=True)
            os.waitpid(child, 0)
        else:
            with open(writing, "w") as answer:  # noqa: PTH123
                answer.write(json.dumps(answered(json.loads(line)), default=str))
            os._exit(0)


def answered(request):
    """Return the answer to a request."""
    os.chdir(request["folder"])
    sys.path.insert(0, request["folder"])
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    said = io.StringIO()
    # Whatever looks renamed was.
    sys.stdin = io.StringIO("y\n" * 20)
    values = []
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            import django

            django.setup()
            values += [managed(command) for command in request["commands"]]
            if request["code"]:
                values.append(evaluated(request["code"]))
    except BaseException:  # noqa: BLE001 - whatever it is, the other process wants to know
        return {"error": said.getvalue() + traceback.format_exc()}
    return {"values": values}


def managed(command):
    """Run a command as ``manage.py`` does, and return what it prints."""
    from django.core.management import execute_from_command_line

    importlib.invalidate_caches()
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            execute_from_command_line(["manage.py", *shlex.split(command)])
    finally:
        print(said.getvalue())
    return said.getvalue()


def evaluated(code):
    """Run Python, and return the value of its last line."""
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection, connections, transaction

    from handleref.triggers import installation

    def left(using="default"):
        """Return the names of all triggers and functions that there are."""
        with connections[using].cursor() as cursor:
            cursor.execute(LEFT[connections[using].vendor])
            return sorted(name for (name,) in cursor.fetchall())

    def states(using="default"):
        """Return the states of the triggers, each once."""
        return sorted({row.state for row in installation.status(using)})

    def told(model, *fields, using="default"):
        """Return the operations of events, with the values of fields."""
        rows = model.objects.using(using).order_by("hr_id").values_list("hr_operation", *fields)
        return [list(row) for row in rows]

    names = {model.__name__: model for model in apps.get_models()}
    names |= {"connection": connection, "connections": connections, "transaction": transaction}
    names |= {"left": left, "states": states, "told": told, "call_command": call_command}
    names |= {"installation": installation}
    *body, last = ast.parse(code).body
    exec(compile(ast.Module(body, []), "<asked>", "exec"), names)  # noqa: S102 - the tests' own
    return eval(compile(ast.Expression(last.value), "<asked>", "eval"), names)  # noqa: S307


if __name__ == "__main__":
    serve()
