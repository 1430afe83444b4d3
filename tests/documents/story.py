"""Let a document be a story: what one block saves or declares, the next ones find.

One transaction spans the document, and is rolled back at its end together with
the tables of the models that the document declared. Therefore documents run on
SQLite only: MariaDB cannot take a table back.
"""

import sys
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models
from django.db.models.signals import class_prepared
from django.test import TestCase

from handleref.events import registry
from handleref.events.base import Event
from handleref.events.copying import concrete
from handleref.models import HandleRefModel
from handleref.revisions.installation import register
from handleref.triggers.installation import install

LABEL = "documents"
MODULE = "tests.documents.models"

unregister: dict[type[models.Model], Callable[[], None]] = {}


class Story:
    """The stage of one document; ``begin()`` and ``end()`` may each be called more than once."""

    def __init__(self) -> None:
        self.transaction: type[TestCase] | None = None

    def begin(self) -> None:
        """Open the transaction and listen for models."""
        if self.transaction is not None:
            return
        # SQLite makes no table within a transaction while it checks foreign keys.
        for connection in connections.all():
            connection.disable_constraint_checking()
        self.transaction = type("Document", (TestCase,), {"databases": "__all__"})
        self.transaction.setUpClass()
        class_prepared.connect(self.declare)

    def end(self) -> None:
        """Take back the rows, the tables and the models."""
        if self.transaction is None:
            return
        class_prepared.disconnect(self.declare)
        for model in list(apps.all_models[LABEL].values()):
            forget(model)
        self.transaction.tearDownClass()
        self.transaction.doClassCleanups()
        self.transaction = None
        # The next document would refer to types that were taken back.
        ContentType.objects.clear_cache()
        for connection in connections.all():
            connection.enable_constraint_checking()

    def declare(self, sender: type[models.Model], **_: Any) -> None:
        """Give a model declared in the document its table, in place of an earlier one's."""
        options = sender._meta
        if options.app_label != LABEL or options.auto_created:
            return
        if earlier := apps.all_models[LABEL].get(options.model_name):
            for model in (*registry.event_models(earlier), earlier):
                edit_schema("delete_model", model)
                forget(model)
        # The class is not registered yet, and its foreign keys are not resolved.
        apps.lazy_model_operation(create_table, (LABEL, options.model_name))


def create_table(model: type[models.Model]) -> None:
    """Create the model's table, where it wants one, with triggers, and keep its revisions."""
    if model._meta.can_migrate(connections["default"]):
        edit_schema("create_model", model)
    if issubclass(model, Event):
        # As at the end of ``migrate``.
        for alias in connections:
            install(alias)
    if issubclass(model, HandleRefModel) and not model._meta.proxy:
        # As for the models of installed apps when Django starts.
        unregister[model] = register(model)


def edit_schema(operation: str, model: type[models.Model]) -> None:
    """Carry out the schema operation on every database."""
    for connection in connections.all():
        with connection.schema_editor() as editor:
            getattr(editor, operation)(model)


def forget(model: type[models.Model]) -> None:
    """Remove the model from Django's registry and from the admin."""
    if admin.site.is_registered(model):
        admin.site.unregister(model)
    if model in unregister:
        unregister.pop(model)()
    if issubclass(model, Event):
        registry._event_models[concrete(model.hr_tracking.model)].remove(model)
        vars(sys.modules[MODULE]).pop(model.__name__, None)
    del apps.all_models[LABEL][model._meta.model_name]
    apps.clear_cache()
