"""The table of what is recorded where says what the dialects say."""

from benchmarks.documents import put
from tests.features import NAME, PAGE, table


def test_the_documents_show_the_features_as_they_are():
    page = PAGE.read_text(encoding="utf-8")

    assert page == put(page, NAME, table()), "python -m tests.features brings it up to date."


def test_a_feature_that_is_missing_is_told_apart():
    lines = dict(line.strip("| ").split(" | ", 1) for line in table().splitlines()[2:])

    assert lines["`TRUNCATE`: recorded / refused where `append_only`"] == "no / yes | no / no | -"
    assert lines["what the database itself does to rows whose foreign key cascades"] == (
        "yes | no | yes"
    )
