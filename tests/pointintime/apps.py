from django.apps import AppConfig


class PointInTimeTestsConfig(AppConfig):
    name = "tests.pointintime"
    label = "pointintime_tests"
