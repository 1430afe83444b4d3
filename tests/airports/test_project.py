"""The project around the airports."""

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_the_migrations_are_up_to_date():
    call_command("makemigrations", "airports", check=True, dry_run=True, verbosity=0)


def test_the_way_leads_to_the_admin(client, settings):
    settings.ROOT_URLCONF = "testproj.urls"

    response = client.get("/")

    assert (response.status_code, response.url) == (302, "/admin/")
