from django.apps import AppConfig


class ReferencesTests(AppConfig):
    name = "tests.references"
    label = "references_tests"
