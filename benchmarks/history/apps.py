"""The app of the child process: says which rows django-reversion alone keeps."""

from django.apps import AppConfig, apps


class HistoryConfig(AppConfig):
    """Registers the rows of those who do not do so themselves."""

    name = "benchmarks.history"
    label = "history"

    def ready(self) -> None:
        """Register the rows."""
        import reversion

        for label in ("plain.Place", "plain.TwinPlace", "handleref2.Place"):
            app, name = label.split(".")
            if name.lower() in apps.all_models[app]:
                reversion.register(apps.get_model(label))
