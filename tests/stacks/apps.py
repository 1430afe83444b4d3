from django.apps import AppConfig


class StacksTestsConfig(AppConfig):
    name = "tests.stacks"
    label = "stacks_tests"
