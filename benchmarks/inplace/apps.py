"""The app of the rows whose history is kept in their own table."""

from django.apps import AppConfig


class InplaceConfig(AppConfig):
    """Holds a model for each contender."""

    name = "benchmarks.inplace"
    label = "inplace"
