from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import pre_migrate


class PointInTimeTestsConfig(AppConfig):
    name = "tests.pointintime"
    label = "pointintime_tests"

    def ready(self):
        # A project has BtreeGistExtension() in a migration; these tables come without any.
        pre_migrate.connect(add_operators, sender=self)


def add_operators(using, **_):
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
