import pytest

from handleref.versions import words
from handleref.versions.words import word_diff


def test_words_are_compared_and_not_letters():
    parts = word_diff("The cat sat.", "The dog sat!")

    assert parts == [
        ("equal", "The "),
        ("delete", "cat"),
        ("insert", "dog"),
        ("equal", " sat"),
        ("delete", "."),
        ("insert", "!"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [("", ""), ("", "a b"), ("a b", ""), ("a\n b", "a b\n\n c"), ("ä ö", "ö <ü>"), ("x" * 99, "y")],
)
def test_the_parts_give_both_texts(old, new):
    parts = word_diff(old, new)

    assert "".join(text for kind, text in parts if kind != "insert") == old
    assert "".join(text for kind, text in parts if kind != "delete") == new


def test_long_texts_are_compared_by_lines(monkeypatch):
    monkeypatch.setattr(words, "MOST", 8)

    parts = word_diff("one two\nthree four\n", "one two\nthree five\n")

    assert parts == [
        ("equal", "one two\n"),
        ("delete", "three four\n"),
        ("insert", "three five\n"),
    ]


def test_very_long_texts_are_compared_as_wholes(monkeypatch):
    monkeypatch.setattr(words, "MOST", 1)

    parts = word_diff("one\ntwo\n", "one\nthree\n")

    assert parts == [("delete", "one\ntwo\n"), ("insert", "one\nthree\n")]


def test_what_is_repeated_often_is_not_compared_with_every_other():
    old, new = "a " * 950, "a  b " * 500

    parts = word_diff(old, new)

    # Not matched one by one, which would take a minute.
    assert len(parts) < 10
