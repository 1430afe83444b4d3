"""Versions are made as a model's options say, and with all that comes along."""

import pytest
import reversion
from django.db import connection
from django.test.utils import CaptureQueriesContext
from reversion.models import Version

from handleref.revisions.diff import FEW
from tests.revisions.models import (
    Captain,
    Chosen,
    City,
    Leaflet,
    Memo,
    Parcel,
    Player,
    Province,
    Quiet,
    Realm,
    Tag,
    Team,
)
from tests.revisions.stories import count, kept, newest, values

pytestmark = pytest.mark.django_db


def labels():
    return sorted((v.content_type.model, v.object_id) for v in newest())


@pytest.fixture
def team():
    team = Team.objects.create(name="t", memo=Memo.objects.create(text="m"))
    Captain.objects.create(team=team)
    for name in "ab":
        Player.objects.create(team=team, name=name)
    return team


def with_all(team):
    return sorted(
        [
            ("team", str(team.pk)),
            ("memo", str(team.memo_id)),
            ("captain", str(team.captain.pk)),
            *(("player", str(player.pk)) for player in team.players.all()),
        ]
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda team: team.save(),
        lambda team: Team.objects.update(name="u"),
        lambda team: team.memo.save() or team.save(),
        reversion.add_to_revision,
        lambda team: team.players.get(name="a").save() or team.save(),
    ],
    ids=["save", "update", "with the followed", "by hand", "with one of the followed"],
)
def test_what_a_model_follows_comes_along(team, write):
    with reversion.create_revision():
        write(team)

    assert labels() == with_all(team)


def test_what_is_followed_may_not_be_there():
    with reversion.create_revision():
        team = Team.objects.create(name="alone")

    assert labels() == [("team", str(team.pk))]


def test_what_is_followed_has_the_values_of_the_database(team):
    player = team.players.get(name="a")

    with reversion.create_revision():
        Player.objects.filter(pk=player.pk).update(name="z")
        player.name = "never saved"
        team.save()

    assert ("player", str(player.pk), "z") in kept("name")


def test_following_costs_as_many_queries_for_many_rows(team):
    queries = []
    for number in (FEW + 1, 2 * FEW):
        for _ in range(number):
            other = Team.objects.create(memo=Memo.objects.create())
            Player.objects.create(team=other)
            Captain.objects.create(team=other)
        Team.objects.exclude(pk=team.pk).update(status="ok")
        with CaptureQueriesContext(connection) as captured, reversion.create_revision():
            Team.objects.exclude(pk=team.pk).update(name="u")
        # first_player is a method, and asks for each row.
        queries.append(
            len([q for q in captured if "LIMIT 1" not in q["sql"] or "o.value" in q["sql"]])
        )

    assert queries[1] <= queries[0]


def test_only_what_changed_has_a_version_with_ignore_duplicates():
    quiet = Quiet.objects.create(name="q", password="one")
    with reversion.create_revision():
        quiet.save()
    before = count()

    with reversion.create_revision():
        quiet.save()
        Quiet.objects.update(password="two")
    assert count() == before

    with reversion.create_revision():
        Quiet.objects.update(name="r")
    assert kept("name") == [("quiet", str(quiet.pk), "r")]


def test_excluded_fields_are_in_no_version():
    with reversion.create_revision():
        Quiet.objects.create(name="q", password="secret")

    (version,) = newest()
    assert "secret" not in version.serialized_data
    assert {*values(version)} == {
        "created",
        "updated",
        "status",
        "version",
        "deletion",
        "former_status",
        "name",
    }


def test_a_model_that_was_registered_by_hand_is_recorded_as_it_was_asked_for():
    with reversion.create_revision():
        chosen = Chosen.objects.create(name="c", number=1)
    with reversion.create_revision():
        Chosen.objects.update(number=2)

    assert [values(v) for v in newest()] == [{"name": "c"}]
    assert [v.record.changed_fields for v in newest()] == [()]
    assert Version.objects.get_for_object(chosen).count() == 2


def test_a_composite_key_with_a_field_to_name_it_by():
    one = Parcel.objects.create(left=1, right=2, code="A1")
    two = Parcel.objects.create(left=1, right=3, code="A2")

    with reversion.create_revision():
        Parcel.objects.update(name="n")
        one.save()
        reversion.add_to_revision(two)

    assert kept("name") == [("parcel", "A1", ""), ("parcel", "A2", "n")]
    assert Version.objects.get_for_object(two).get().field_dict["name"] == "n"


def test_another_format():
    tag = Tag.objects.create(name="t")
    with reversion.create_revision():
        leaflet = Leaflet.objects.create(name="s")
        leaflet.tags.add(tag)
    with reversion.create_revision():
        leaflet.save()
    with reversion.create_revision():
        Leaflet.objects.update(name="r")

    versions = Version.objects.get_for_object(leaflet).order_by("pk")
    assert [v.serialized_data[:6] for v in versions] == ["<?xml "] * 3
    assert [v.field_dict["name"] for v in versions] == ["s", "s", "r"]
    assert versions[0].field_dict["tags"] == [tag.pk]
    assert [v.record.changed_fields for v in versions] == [None, (), ("name",)]


def test_names_that_ask_for_related_rows_are_few_queries():
    realms = [Realm.objects.create(name=name) for name in "ab"]
    queries = []
    for number in (FEW + 2, 30):
        for _ in range(number):
            Province.objects.create(name="p", realm=realms[number % 2])
        with CaptureQueriesContext(connection) as captured, reversion.create_revision():
            Province.objects.update(name="q")
        queries.append(len(captured))

    assert {v.object_repr for v in newest()} == {"q, a"}
    assert queries[1] <= queries[0]


def test_a_block_of_saves_reads_and_writes_a_fixed_number_of_times():
    cities = [City.objects.create(name=str(number)) for number in range(30)]
    with reversion.create_revision():
        cities[0].save()
    queries = []
    for some in (cities[: FEW + 1], cities):
        with CaptureQueriesContext(connection) as captured, reversion.create_revision():
            for city in some:
                city.save()
        queries.append(len(captured) - len(some))

    assert queries[0] == queries[1]
