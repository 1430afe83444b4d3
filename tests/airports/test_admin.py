"""The admin of the airports."""

import pytest
from django.urls import reverse

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
