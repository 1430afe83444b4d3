from django.apps import AppConfig


class VersionsTestsConfig(AppConfig):
    name = "tests.versions"
    label = "versions_tests"

    def ready(self):
        from handleref.versions import register
        from tests.versions.ledger import Ledger

        register(Ledger())
