"""Tables that were there before they were stacks."""

import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import models, transaction

from handleref.exceptions import StackNotAdoptedError
from handleref.stacks.fields import StackNumberField
from handleref.stacks.lifecycle.adopt import adopt
from tests.stacks.models import Counter, Note, ProxyCounter
from tests.versions.models import Tag

pytestmark = pytest.mark.django_db(databases="__all__")


def before(rows, model=Counter, using="default"):
    """Write rows as they were before: with a group, and neither number nor mark."""
    field = "text" if model is Note else "name"
    made = [model(**{field: name}, stack_group_uuid=group) for name, group in rows]
    return models.QuerySet(model, using=using).bulk_create(made) and forget(model, using)


def forget(model, using):
    models.QuerySet(model, using=using).update(stack_number=None, stack_latest=None)


def stacks(model=Counter, using="default"):
    """Return the names of each stack's versions in their order, the latest one in capitals."""
    field = "text" if model is Note else "name"
    found = {}
    rows = model._base_manager.using(using).order_by("stack_group_uuid", "stack_number")
    for group, number, latest, name in rows.values_list(
        "stack_group_uuid", "stack_number", "stack_latest", field
    ):
        names = found.setdefault(group, [])
        assert number == len(names) + 1
        names.append(name.upper() if latest else name)
    return sorted(found.values())


@pytest.fixture
def groups():
    return [uuid.uuid4() for _ in range(3)]


@pytest.fixture(autouse=True)
def _numbered_by_nobody(monkeypatch):
    """Let plain querysets write rows as old code does."""
    monkeypatch.setattr(StackNumberField, "pre_save", models.Field.pre_save)


class TestRowsOfDjangoStackstoreModel:
    def test_they_are_numbered_in_the_order_of_their_keys(self, groups):
        a, b, c = groups
        before([("a", a), ("b", b), ("c", a), ("d", c), ("e", a), ("f", b)])

        assert adopt(Counter) == 6

        assert stacks() == [["D"], ["a", "c", "E"], ["b", "F"]]

    def test_once_is_enough(self, groups, statements):
        before([("a", groups[0]), ("b", groups[0]), ("c", groups[1])])
        adopt(Counter)

        with statements() as found:
            assert adopt(Counter) == 0

        assert found == ["SELECT"] * 2
        assert stacks() == [["C"], ["a", "B"]]

    def test_it_goes_on_where_it_was_stopped(self, groups):
        before([(name, groups[n % 3]) for n, name in enumerate("abcdef")])
        ticks = []

        def stop(rows):
            ticks.append(rows)
            if len(ticks) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            adopt(Counter, batch_size=1, tick=stop)
        assert Counter.objects.filter(stack_latest=True).count() == 2
        assert adopt(Counter, batch_size=1) == 2
        assert stacks() == [["a", "D"], ["b", "E"], ["c", "F"]]

    def test_what_old_code_adds_afterwards_comes_last(self, groups):
        before([("a", groups[0]), ("b", groups[0])])
        adopt(Counter, separate=False)
        late = [Counter(name=name, stack_group_uuid=groups[0]) for name in "xy"]
        models.QuerySet(Counter).bulk_create(late)

        assert adopt(Counter) == 2
        assert stacks() == [["a", "b", "x", "Y"]]

    def test_what_begins_meanwhile_is_left_alone(self, groups):
        before([("a", groups[0]), ("b", groups[0]), ("c", groups[1])])
        new = Counter.objects.create(name="n")
        with pytest.raises(StackNotAdoptedError), transaction.atomic():
            Counter.objects.filter(name="b").first().save()

        adopt(Counter)

        assert stacks() == [["C"], ["N"], ["a", "B"]]
        new.save()
        Counter.objects.get(name="a").save()
        assert stacks() == [["C"], ["a", "b", "A"], ["n", "N"]]

    def test_keys_of_every_kind_will_do(self, groups):
        before([("a", groups[0]), ("b", groups[0]), ("c", groups[1])], model=Note)

        assert adopt(Note) == 3
        assert sorted(map(len, stacks(Note))) == [1, 2]

    def test_its_statements_do_not_grow_with_the_versions(self, groups, statements):
        before([("a", group) for group in groups])
        with statements() as few:
            adopt(Counter)
        forget(Counter, "default")
        before([("a", group) for group in groups * 50])
        with statements() as many:
            assert adopt(Counter) == 153

        assert few == many and len(many) <= 12

    def test_one_stack_alone_is_asked_about(self, groups):
        before([("a", groups[0]), ("b", groups[0])])

        with pytest.raises(ValueError) as error:
            adopt(Counter)

        assert str(error.value) == (
            "All 2 rows of stacks_tests.Counter without a number have one stack_group_uuid, as a"
            " migration leaves them: say whether each is a stack of its own (--separate), or all"
            " are versions of one (--together)."
        )
        assert adopt(Counter, separate=False) == 2
        assert stacks() == [["a", "B"]]

    def test_one_row_alone_is_not(self, groups):
        before([("a", groups[0])])

        assert adopt(Counter) == 1


class TestRowsOfAPlainModel:
    def test_each_becomes_a_stack(self, groups):
        before([(name, groups[0]) for name in "abc"])

        assert adopt(Counter, separate=True, batch_size=2) == 3

        assert stacks() == [["A"], ["B"], ["C"]]
        found = {*Counter.objects.values_list("stack_group_uuid", flat=True)}
        assert len(found) == 3 and all(group.version is not None for group in found)
        assert adopt(Counter, separate=True) == 0

    def test_they_go_on_as_stacks_do(self, groups):
        before([(name, groups[0]) for name in "ab"])
        adopt(Counter, separate=True)

        counter = Counter.objects.get(name="a")
        counter.name = "c"
        counter.save()

        assert stacks() == [["B"], ["a", "C"]]

    def test_the_last_one_left_is_one_of_many(self, groups):
        before([(name, groups[0]) for name in "ab"])
        Counter.objects.filter(name="a").update(
            new_version=False, stack_number=1, stack_group_uuid=groups[1], stack_latest=True
        )

        assert adopt(Counter, separate=True) == 1
        assert stacks() == [["A"], ["B"]]


class TestTheFunction:
    def test_it_works_on_the_database_that_is_named(self, groups):
        before([("a", groups[0])], using="other")

        assert adopt(Counter) == 0
        assert adopt(Counter, using="other") == 1
        assert stacks(using="other") == [["A"]]

    def test_a_proxy_is_its_model(self, groups):
        before([("a", groups[0])])

        assert adopt(ProxyCounter) == 1

    def test_what_is_no_stack_is_refused(self):
        with pytest.raises(ValueError) as error:
            adopt(Tag)
        assert str(error.value) == "versions_tests.Tag is no AbstractStackModel."
        with pytest.raises(ValueError) as error:
            adopt(Counter, batch_size=0)
        assert str(error.value) == "A batch of 0 stacks; choose at least 1."


class TestTheCommand:
    def run(self, *args):
        out = StringIO()
        call_command("handleref_stacks", "adopt", *args, stdout=out)
        return out.getvalue()

    def test_it_says_what_it_did(self, groups):
        before([("a", groups[0]), ("b", groups[0]), ("c", groups[1])])

        assert self.run("stacks_tests.Counter", "stacks_tests.Note") == (
            "stacks_tests.Counter: 3 rows numbered.\nstacks_tests.Note: 0 rows numbered.\n"
        )
        assert stacks() == [["C"], ["a", "B"]]

    def test_its_options(self, groups):
        before([("a", groups[0]), ("b", groups[0])], using="other")

        assert self.run(
            "stacks_tests.Counter", "--separate", "--database", "other", "--batch-size", "1"
        ) == ("stacks_tests.Counter: 2 rows numbered.\n")
        assert stacks(using="other") == [["A"], ["B"]]

    def test_all_versions_of_one_stack(self, groups):
        before([("a", groups[0]), ("b", groups[0])])

        with pytest.raises(CommandError) as error:
            self.run("stacks_tests.Counter")
        assert "--separate" in str(error.value)
        assert self.run("stacks_tests.Counter", "--together") == (
            "stacks_tests.Counter: 2 rows numbered.\n"
        )

    def test_what_is_no_stack_is_refused_before_anything_is_done(self, groups):
        before([("a", groups[0])])

        with pytest.raises(CommandError) as error:
            self.run("stacks_tests.Counter", "versions_tests.Tag")

        assert str(error.value) == "versions_tests.Tag is no AbstractStackModel."
        assert Counter.objects.get().stack_number is None
        with pytest.raises(CommandError):
            self.run("stacks_tests.Nonsense")
