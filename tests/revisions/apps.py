from django.apps import AppConfig


class RevisionsTests(AppConfig):
    name = "tests.revisions"
    label = "revisions_tests"
