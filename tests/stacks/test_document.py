"""Each example of the document of django-stackstore-model, as it shows it.

The document counts primary keys from 1 in each example: so do these, by their place.
"""

import re

import pytest

from tests.stacks.models import MySampleModel

pytestmark = pytest.mark.django_db


def shown(value):
    """Return what the shell shows, the lowest key of the table being 1."""
    first = MySampleModel.objects.earliest("pk").pk
    return re.sub(r"\((\d+)\)", lambda key: f"({int(key[1]) - first + 1})", repr(value))


@pytest.fixture
def instance_breakfast():
    return MySampleModel.objects.create(title="Today's breakfast", body="Spam with Egg")


@pytest.fixture
def instance_lunch(instance_breakfast):
    return MySampleModel.objects.create(title="Today's lunch", body="Spam with Beacon")


def test_python_shell():
    instance = MySampleModel.objects.create(title="Test", body="This is test text")
    assert shown(instance) == "<MySampleModel: MySampleModel object (1)>"

    instance.title = "Test (version2)"
    instance.save()
    assert shown(instance) == "<MySampleModel: MySampleModel object (2)>"

    previous_instance = instance.previous_instance()
    assert shown(previous_instance) == "<MySampleModel: MySampleModel object (1)>"
    assert previous_instance.title == "Test"

    assert previous_instance.next_instance().pk == instance.pk


def test_latest_from_stack_group(instance_breakfast, instance_lunch):
    instance_breakfast.body = "Fried Egg with bread"
    instance_breakfast.save()

    instance_lunch.body = "Meat Pasta"
    instance_lunch.save()

    assert shown(MySampleModel.objects.latest_from_stack_group()) == (
        "<StackStoreQuerySet [<MySampleModel: MySampleModel object (3)>,"
        " <MySampleModel: MySampleModel object (4)>]>"
    )


def test_get_latest_from_stack_group(instance_breakfast, instance_lunch):
    instance_breakfast.body = "Fried Egg with bread"
    instance_breakfast.save()

    found = MySampleModel.objects.get_latest_from_stack_group(body="Fried Egg with bread")

    assert shown(found) == "<MySampleModel: MySampleModel object (3)>"


def test_save(instance_breakfast):
    instance_breakfast.body = "Fried Egg with bread"
    instance_breakfast.save()

    assert shown(instance_breakfast) == "<MySampleModel: MySampleModel object (2)>"
    assert shown(MySampleModel.objects.all()) == (
        "<StackStoreQuerySet [<MySampleModel: MySampleModel object (1)>,"
        " <MySampleModel: MySampleModel object (2)>]>"
    )


def test_save_create_new_version(instance_breakfast):
    pk = instance_breakfast.pk

    instance_breakfast.save(__create_new_version=False)

    assert instance_breakfast.pk == pk
    assert MySampleModel.objects.count() == 1


def test_force_delete(instance_breakfast):
    assert shown(MySampleModel.objects.all()) == (
        "<StackStoreQuerySet [<MySampleModel: MySampleModel object (1)>]>"
    )

    instance_breakfast.force_delete()

    assert repr(MySampleModel.objects.all()) == "<StackStoreQuerySet []>"


def test_delete(instance_breakfast):
    with pytest.raises(NotImplementedError):
        instance_breakfast.delete()


def test_same_group_items(instance_breakfast):
    [instance_breakfast.save() for i in range(2)]

    assert shown(instance_breakfast.same_group_items()) == (
        "<StackStoreQuerySet [<MySampleModel: MySampleModel object (3)>,"
        " <MySampleModel: MySampleModel object (2)>, <MySampleModel: MySampleModel object (1)>]>"
    )


def test_previous_instance(instance_breakfast):
    [instance_breakfast.save() for i in range(2)]

    second_gen_instance = instance_breakfast.same_group_items().order_by("pk")[1]
    previous = second_gen_instance.previous_instance()

    assert shown(previous) == "<MySampleModel: MySampleModel object (1)>"
    with pytest.raises(MySampleModel.DoesNotExist):
        previous.previous_instance()


def test_next_instance(instance_breakfast):
    [instance_breakfast.save() for i in range(2)]

    second_gen_instance = instance_breakfast.same_group_items()[1]
    following = second_gen_instance.next_instance()

    assert shown(following) == "<MySampleModel: MySampleModel object (3)>"
    with pytest.raises(MySampleModel.DoesNotExist):
        following.next_instance()


def test_latest_instance(instance_breakfast):
    [instance_breakfast.save() for i in range(2)]

    first_gen_instance = instance_breakfast.same_group_items().order_by("pk")[0]

    latest = first_gen_instance.latest_instance()
    assert shown(latest) == "<MySampleModel: MySampleModel object (3)>"
    with pytest.raises(MySampleModel.DoesNotExist):
        MySampleModel().latest_instance()


def test_earliest_instance(instance_breakfast):
    [instance_breakfast.save() for i in range(2)]

    third_gen_instance = instance_breakfast.same_group_items().order_by("pk")[2]

    earliest = third_gen_instance.earliest_instance()
    assert shown(earliest) == "<MySampleModel: MySampleModel object (1)>"
    with pytest.raises(MySampleModel.DoesNotExist):
        MySampleModel().earliest_instance()
