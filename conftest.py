"""Collect README and docs as tests: every Python block is run, every shell block is checked."""

from collections.abc import Iterator
from typing import Any

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

from tests.docs_shell import LANGUAGES, evaluate_shell
from tests.documents.story import MODULE, Story


def set_up(namespace: dict[str, Any]) -> None:
    """Prepare the names that a document's blocks share."""
    # Models find their app by the module they say they come from.
    namespace["__name__"] = MODULE
    namespace["__story__"] = Story()


def tear_down(namespace: dict[str, Any]) -> None:
    """End the document's story, if a block was run at all."""
    if "__blocker__" in namespace:
        with namespace["__blocker__"].unblock():
            namespace["__story__"].end()


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        *(CodeBlockParser(language, evaluate_shell) for language in LANGUAGES),
        SkipParser(),
    ],
    patterns=["README.md", "CONTRIBUTING.md", "docs/*.md", "docs/*/*.md"],
    setup=set_up,
    teardown=tear_down,
    fixtures=["story"],
).pytest()


@pytest.fixture
def story(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any
) -> Iterator[None]:
    """Open the database to a block, within the transaction of its document."""
    namespace = request.node.example.namespace
    namespace["__blocker__"] = django_db_blocker
    with django_db_blocker.unblock():
        namespace["__story__"].begin()
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the documents to SQLite; tests/documents/story.py says why."""
    from django.db import connection

    documents = [item for item in items if isinstance(item, SybilItem)]
    if documents and connection.vendor != "sqlite":
        config.hook.pytest_deselected(items=documents)
        items[:] = [item for item in items if not isinstance(item, SybilItem)]
    for document in documents:
        # So that the databases are made when only documents are run.
        document.add_marker(pytest.mark.django_db(databases="__all__"))
