"""Serializer and filter for Django REST framework."""

import warnings
from datetime import UTC, datetime

import pytest
from django.db import models
from django.db.models.signals import pre_save
from django.test.utils import isolate_apps
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import CharField, DateTimeField
from rest_framework.test import APIRequestFactory
from rest_framework.viewsets import ModelViewSet

from handleref.models import HandleRefModel
from handleref.rest import HandleRefSerializer, SinceFilter
from tests.references.models import Item, Seat

pytestmark = pytest.mark.django_db


class ItemSerializer(HandleRefSerializer):
    class Meta:
        model = Item
        fields = ["id", "handle", "name", "status", "created", "updated", "version"]


class ItemViewSet(ModelViewSet):
    queryset = Item.objects.order_by("pk")
    serializer_class = ItemSerializer
    filter_backends = [SinceFilter]


class SeatSerializer(HandleRefSerializer):
    class Meta:
        model = Seat
        fields = ["id", "code", "row", "status"]


class SeatViewSet(ModelViewSet):
    queryset = Seat.objects.all()
    serializer_class = SeatSerializer
    filter_backends = [SinceFilter]


def call(method, action, address="/", data=None, views=ItemViewSet, **kwargs):
    """Return status code and data of a request to the view set."""
    request = getattr(APIRequestFactory(), method)(address, data, format="json")
    response = views.as_view({method: action})(request, **kwargs)
    return response.status_code, response.data


def names(address):
    status, data = call("get", "list", address)
    assert status == 200, data
    return [row["name"] for row in data]


def refusal(address):
    status, data = call("get", "list", address)
    assert status == 400
    return data


# The serializer


def test_serializer_shows_stamps_and_handle():
    item = Item.objects.create(name="anvil")

    status, data = call("get", "retrieve", pk=item.pk)

    assert (status, data["handle"], data["version"]) == (200, f"item{item.pk}", 1)
    assert datetime.fromisoformat(data["updated"]) == item.updated


def test_serializer_takes_no_stamps_whatever_meta_says():
    class Eager(HandleRefSerializer):
        changed = DateTimeField(source="updated", default=datetime(2000, 1, 1, tzinfo=UTC))
        former_status = CharField()

        class Meta:
            model = Item
            fields = ["name", "created", "changed", "version", "deletion", "former_status"]
            extra_kwargs = {
                "created": {"read_only": False, "required": True},
                "version": {"read_only": False, "default": 7},
                "deletion": {"read_only": False},
            }

    data = dict.fromkeys(Eager.Meta.fields, "2000-01-01T00:00:00Z")
    serializer = Eager(data=data)

    assert serializer.is_valid(), serializer.errors
    assert serializer.validated_data == {"name": "2000-01-01T00:00:00Z"}
    assert [name for name, field in serializer.fields.items() if not field.read_only] == ["name"]


def test_a_status_does_not_become_deleted():
    item = Item.objects.create(name="anvil")

    created = call("post", "create", data={"name": "bell", "status": "deleted"})
    changed = call("patch", "partial_update", data={"status": "deleted"}, pk=item.pk)

    reason = {"status": ["A status cannot be set to “deleted”; delete the row instead."]}
    assert [created, changed] == [(400, reason), (400, reason)]
    assert list(Item.objects.values_list("name", "status")) == [("anvil", "ok")]


def test_another_status_is_taken():
    item = Item.objects.create(name="anvil")

    status, data = call("patch", "partial_update", data={"status": "pending"}, pk=item.pk)

    assert (status, data["status"], data["version"]) == (200, "pending", 2)


@pytest.mark.parametrize("status", ["ok", ""])
def test_the_status_of_a_deleted_row_does_not_change(status):
    item = Item.objects.create(name="anvil")
    item.delete()

    response = call("patch", "partial_update", "/?deleted=1", {"status": status}, pk=item.pk)

    reason = {"status": ["The row is deleted; only restoring it changes its status."]}
    assert response == (400, reason)
    assert Item.objects.get(pk=item.pk).version == 2


def test_a_deleted_row_may_be_sent_back_as_it_is():
    item = Item.objects.create(name="anvil")
    item.delete()

    _status, data = call("get", "retrieve", "/?deleted=1", pk=item.pk)
    status, after = call("put", "update", "/?deleted=1", {**data, "name": "axe"}, pk=item.pk)

    assert (status, after["name"], after["status"]) == (200, "axe", "deleted")


def test_a_row_that_is_deleted_while_it_is_written_is_refused():
    item = Item.objects.create(name="anvil")

    def intrude(**kwargs):
        Item.objects.filter(pk=item.pk).delete()

    pre_save.connect(intrude, sender=Item)
    try:
        status, data = call("patch", "partial_update", data={"name": "axe"}, pk=item.pk)
    finally:
        pre_save.disconnect(intrude, sender=Item)

    reason = f"references_tests.Item {item.pk} is deleted, which this instance does not know."
    assert status == 400
    assert data["status"][0].startswith(reason)


def test_uniqueness_among_live_rows_is_validated():
    first = Seat.objects.create(code="a", row=1)

    taken = call("post", "create", data={"code": "a", "row": 1}, views=SeatViewSet)
    first.delete()
    free = call("post", "create", data={"code": "a", "row": 1}, views=SeatViewSet)

    reason = {"non_field_errors": ["Seat with this Code and Row already exists."]}
    assert taken == (400, reason)
    assert (free[0], free[1]["status"]) == (201, "ok")


def test_uniqueness_among_live_rows_looks_at_what_a_request_leaves_out():
    Seat.objects.create(code="a", row=1)
    seat = Seat.objects.create(code="b", row=1, status="pending")

    taken = call("patch", "partial_update", data={"code": "a"}, views=SeatViewSet, pk=seat.pk)
    same = call("patch", "partial_update", data={"code": "b"}, views=SeatViewSet, pk=seat.pk)
    put = call("put", "update", data={"code": "c"}, views=SeatViewSet, pk=seat.pk)

    assert [taken[0], same[0]] == [400, 200]
    assert put == (200, {"id": seat.pk, "code": "c", "row": 1, "status": "pending"})


@isolate_apps("tests.references")
def test_uniqueness_among_all_rows_is_left_to_the_framework():
    class Cell(HandleRefModel):
        row = models.IntegerField()
        column = models.IntegerField()

        class Meta:
            unique_together = [("row", "column")]

    class CellSerializer(HandleRefSerializer):
        class Meta:
            model = Cell
            fields = ["row", "column", "status"]

    first, second = CellSerializer().validators

    assert (first.fields, type(second).__name__) == (("row", "column"), "LiveUniqueValidator")


def test_uniqueness_is_not_validated_where_meta_says_so():
    class Trusting(SeatSerializer):
        class Meta(SeatSerializer.Meta):
            validators = []

    Seat.objects.create(code="a", row=1)

    assert Trusting(data={"code": "a", "row": 1}).is_valid()


def test_delete_is_soft_and_the_row_is_gone():
    item = Item.objects.create(name="anvil")

    statuses = [call("delete", "destroy", pk=item.pk)[0] for _ in range(2)]

    assert statuses == [204, 404]
    assert Item.objects.get().status == "deleted"


# The filter


@pytest.fixture
def written():
    """Make three items, changed in three months; the last one is deleted."""
    for month, name in enumerate(("anvil", "bell", "clock"), start=1):
        item = Item.objects.create(name=name)
        moment = datetime(2025, month, 1, 12, tzinfo=UTC)
        Item.objects.filter(pk=item.pk).update(created=moment, updated=moment)
    Item.objects.filter(name="clock").delete()
    Item.objects.filter(name="clock").update(updated=datetime(2025, 3, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["anvil", "bell"]),
        ("deleted=1", ["anvil", "bell", "clock"]),
        ("deleted=True", ["anvil", "bell", "clock"]),
        ("deleted=0", ["anvil", "bell"]),
        ("deleted=false", ["anvil", "bell"]),
        ("since=2025-01-01", ["anvil", "bell"]),
        ("since=2025-01-02", ["bell"]),
        ("since=2025-01-02&deleted=1", ["bell", "clock"]),
        ("since=0001-01-03&deleted=1", ["anvil", "bell", "clock"]),
        ("since=9999-12-30&deleted=1", []),
        ("since=-1&deleted=1", ["anvil", "bell", "clock"]),
        # 2025-02-01 12:00:00 UTC, written in many ways; strictly later leaves the bell out.
        ("since=1738411200&deleted=1", ["clock"]),
        ("since=1738411199.999999&deleted=1", ["bell", "clock"]),
        ("since=1738411200.0&deleted=1", ["clock"]),
        ("since=2025-02-01T12:00:00Z&deleted=1", ["clock"]),
        ("since=20250201T120000Z&deleted=1", ["clock"]),
        ("since=2025-02-01T14:00:00%2B02:00&deleted=1", ["clock"]),
        ("since=2025-02-01T14:00:00+02:00&deleted=1", ["clock"]),
        ("since=2025-02-01+14:00:00.0+0200&deleted=1", ["clock"]),
        ("since=2025-02-01T14:00:00.000001+02&deleted=1", ["clock"]),
        ("since=2025-02-01T11:59:59.999999+00:00&deleted=1", ["bell", "clock"]),
        # Without an offset, the settings say Berlin.
        ("since=2025-02-01T13:00&deleted=1", ["clock"]),
        ("since=2025-02-01%2012:59&deleted=1", ["bell", "clock"]),
        ("since=%20%202025-02-01T13:00%20&deleted=1", ["clock"]),
    ],
)
def test_filter_takes_what_was_changed_strictly_later(written, query, expected):
    assert names(f"/?{query}") == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nan",
        "inf",
        "-inf",
        "1e9",
        "1_000",
        "yesterday",
        "2025-02-30",
        "2025-02-30T10:00",
        "12:00",
        "٣",
    ],
)
def test_filter_refuses_what_is_no_moment(value):
    reason = "since takes unix seconds, or a date or datetime in ISO 8601, not “{}”."
    assert refusal(f"/?since={value}") == {"since": [reason.format(value)]}


@pytest.mark.parametrize(
    "value", ["9" * 15, "9" * 500, "-99999999999999", "0001-01-01", "9999-12-31T23:59:59-10:00"]
)
def test_filter_refuses_what_is_out_of_range(value):
    assert refusal(f"/?since={value}") == {"since": [f"since is out of range: “{value}”."]}


@pytest.mark.parametrize("value", ["", "2", "yes", "deleted"])
def test_filter_refuses_another_flag(value):
    reason = f"deleted takes 1, 0, true or false, not “{value}”."
    assert refusal(f"/?deleted={value}") == {"deleted": [reason]}


def test_filter_hides_a_deleted_row_unless_it_is_asked_for():
    item = Item.objects.create(name="anvil")
    item.delete()

    statuses = [call("get", "retrieve", address, pk=item.pk)[0] for address in ("/", "/?deleted=1")]

    assert statuses == [404, 200]


# The schema


def test_schema_lists_both_parameters_without_warnings(capsys):
    router = DefaultRouter()
    router.register("items", ItemViewSet)
    GENERATOR_STATS.reset()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schema = SchemaGenerator(patterns=router.urls).get_schema(public=True)

    assert not GENERATOR_STATS, capsys.readouterr().err
    assert schema["paths"]["/items/"]["get"]["parameters"] == [
        {
            "in": "query",
            "name": "deleted",
            "required": False,
            "schema": {"type": "boolean", "default": False},
            "description": "Whether to include soft-deleted rows.",
        },
        {
            "in": "query",
            "name": "since",
            "required": False,
            "schema": {"type": "string"},
            "description": "Only rows changed strictly later: unix seconds,"
            " or a date or datetime in ISO 8601.",
        },
    ]


def test_schema_says_what_is_read_only():
    router = DefaultRouter()
    router.register("items", ItemViewSet)

    schema = SchemaGenerator(patterns=router.urls).get_schema(public=True)

    fields = schema["components"]["schemas"]["Item"]["properties"]
    read_only = {name for name, field in fields.items() if field.get("readOnly")}
    assert read_only == {"id", "handle", "created", "updated", "version"}
    assert fields["handle"]["type"] == "string"
