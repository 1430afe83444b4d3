import pytest

from handleref.exceptions import KeeperError
from handleref.versions import History, history, register
from handleref.versions.registry import keeper_of, keepers
from tests.versions.ledger import Ledger
from tests.versions.models import Page, Tag


class Empty(Ledger):
    name = "empty"

    def keeps(self, model):
        return model is Tag


def reason(call):
    with pytest.raises(KeeperError) as error:
        call()
    return str(error.value)


def test_one_of_several_keepers_is_named():
    assert keeper_of(Page, "ledger").name == "ledger"
    assert repr(history(Page, 5, keeper="ledger")) == "<History of versions_tests.Page 5 by ledger>"


def test_a_model_may_name_its_keeper(monkeypatch):
    monkeypatch.setattr(
        Page, "HandleRef", type("HandleRef", (), {"keeper": "ledger"}), raising=False
    )

    assert history(Page).keeper.name == "ledger"
    assert history(Page, keeper="revisions").keeper.name == "revisions"


def test_the_only_keeper_needs_no_name():
    unregister = register(Empty())
    try:
        assert isinstance(history(Tag), History)
    finally:
        unregister()


def test_several_keepers_and_no_name_is_an_error_that_lists_them():
    assert reason(lambda: history(Page)) == (
        "versions_tests.Page has several keepers, so name one:"
        " keeper= takes 'events', 'ledger', 'revisions'."
    )


def test_an_unknown_name_is_an_error_that_lists_them():
    assert reason(lambda: history(Page, keeper="diary")) == (
        "versions_tests.Page has no keeper 'diary': keeper= takes 'events', 'ledger', 'revisions'."
    )


def test_no_keeper_at_all_is_an_error_that_lists_those_installed():
    assert reason(lambda: history(Tag)) == (
        "Nobody keeps versions of versions_tests.Tag."
        " Keepers installed: 'events', 'ledger', 'pointintime', 'revisions', 'stacks'."
    )


def test_a_name_is_taken_once():
    with pytest.raises(ValueError) as error:
        register(Ledger())

    assert str(error.value) == "There is a keeper called 'ledger' already."


def test_registering_returns_the_undoing():
    unregister = register(Empty())
    assert [*keepers(Tag)] == ["empty"]

    unregister()

    assert keepers(Tag) == {}
