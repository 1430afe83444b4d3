"""The admin of the airports."""

import re

import pytest
from django.urls import reverse

from handleref.versions import history
from testproj.airports.models import Airport, Country, Note
from tests.airports.conftest import line

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def airports(load):
    load(line("BIAR"), line("BIKF"), line("BIRK"), line("EKVG", country="FO"))
    Airport.objects.get(icao="BIKF").delete()


def test_countries_show_the_number_of_their_live_airports(admin_client):
    page = admin_client.get(reverse("admin:airports_country_changelist"))

    numbers = {country.name: country.number for country in page.context["cl"].result_list}
    assert numbers == {"Faroe Islands": 1, "Iceland": 2}


def test_airports_are_found_by_their_code(admin_client):
    page = admin_client.get(reverse("admin:airports_airport_changelist"), {"q": "birk"})

    assert [airport.icao for airport in page.context["cl"].result_list] == ["BIRK"]


def test_a_note_is_its_writers(admin_client, admin_user):
    form = {"airport": Airport.objects.get(icao="BIRK").pk, "text": "Windy.", "status": "ok"}

    admin_client.post(reverse("admin:airports_note_add"), form)

    note = Note.objects.get()
    assert (note.text, note.author, note.version) == ("Windy.", admin_user, 1)


def test_a_note_stays_its_writers_when_another_changes_it(admin_client, django_user_model):
    author = django_user_model.objects.create_user("ann")
    note = Note.objects.create(
        airport=Airport.objects.get(icao="BIRK"), author=author, text="Windy."
    )
    form = {"airport": note.airport_id, "text": "Very windy.", "status": "ok"}

    admin_client.post(reverse("admin:airports_note_change", args=[note.pk]), form)

    note.refresh_from_db()
    assert (note.text, note.author, note.version) == ("Very windy.", author, 2)


def test_a_country_deleted_in_the_admin_takes_its_airports(admin_client):
    admin_client.post(reverse("admin:airports_country_delete", args=["IS"]), {"post": "yes"})

    assert set(Airport.objects.undeleted().values_list("icao", flat=True)) == {"EKVG"}
    assert Country.objects.get(pk="IS").status == "deleted"


# Versions ---------------------------------------------------------------------------------------


def test_the_history_of_an_airport_is_seen(admin_client, load):
    load(line("BIAR", name="Akureyri"), line("BIRK"))
    airport = Airport.objects.get(icao="BIAR")

    page = admin_client.get(reverse("admin:airports_airport_history", args=[airport.pk]))

    text = page.content.decode()
    assert page.status_code == 200
    assert all(said in text for said in ("Release small", "Akureyri", "BIAR Airport"))


def test_what_a_release_deleted_is_recovered(admin_client, load):
    load(line("BIAR"))
    (last,) = history(Airport).deleted().search("BIRK")
    page = reverse("admin:airports_airport_recover", args=[last.id])

    confirmation = admin_client.get(page)
    admin_client.post(page, {"post": "yes", **hidden(confirmation)})

    assert Airport.objects.get(icao="BIRK").status == "ok"


def hidden(page):
    """Return the hidden fields of a form."""
    inputs = re.findall(r"<input type=\"hidden\"[^>]*>", page.content.decode())
    pairs = [re.findall(r"(name|value)=\"([^\"]*)\"", text) for text in inputs]
    return {dict(pair)["name"]: dict(pair)["value"] for pair in pairs}


def test_a_change_in_the_admin_is_a_version_by_its_user(admin_client, admin_user):
    country = Country.objects.get(pk="IS")
    form = {"code": "IS", "name": "Ísland", "status": "ok"}

    admin_client.post(reverse("admin:airports_country_change", args=["IS"]), form)

    last = history(country).first()
    assert (last.user, last.comment, last.changed_fields()) == (
        admin_user,
        "Changed Name.",
        ["name"],
    )
