"""Name the app of the documents."""

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    """An app without models of its own: each document brings some and takes them along."""

    name = "tests.documents"
    label = "documents"
