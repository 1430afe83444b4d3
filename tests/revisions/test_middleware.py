"""reversion's middleware: user and comment come through, whoever says who it is."""

import json

import pytest
import reversion
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from reversion.models import Revision

from tests.revisions.models import City
from tests.revisions.stories import count, kept

pytestmark = pytest.mark.django_db


class TokenAuthentication(BaseAuthentication):
    """As rest_framework.authtoken's, with user names for tokens."""

    def authenticate(self, request):
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return (User.objects.get(username=token), token) if kind == "Token" else None


def rename(request):
    City.objects.filter(pk=request.GET["pk"]).update(name="by a view")
    reversion.set_comment("why")
    return HttpResponse()


def fail(request):
    City.objects.all().delete()
    raise ValueError


@api_view(["GET", "POST"])
@authentication_classes([TokenAuthentication])
@permission_classes([IsAuthenticated])
def rest(request):
    City.objects.all().delete()
    return Response({"user": request.user.username})


urlpatterns = [path("rename/", rename), path("fail/", fail), path("rest/", rest)]


@pytest.fixture
def city():
    return City.objects.create(name="Aa")


@pytest.fixture
def client(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "reversion.middleware.RevisionMiddleware"]
    with override_settings(ROOT_URLCONF=__name__):
        yield Client(raise_request_exception=False)


@pytest.fixture
def user():
    return User.objects.create(username="u")


def test_user_and_comment_of_a_session(client, user, city):
    client.force_login(user)

    client.post(f"/rename/?pk={city.pk}")

    revision = Revision.objects.get()
    assert (revision.user, revision.comment) == (user, "why")
    assert kept("name") == [("city", str(city.pk), "by a view")]


def test_a_request_that_only_reads_makes_no_block(client, user, city):
    client.force_login(user)

    client.get("/rest/", headers={"Authorization": "Token u"})

    assert count() == (0, 0)
    assert City.objects.get().status == "deleted"


def test_the_user_of_a_token(client, user, city):
    response = client.post("/rest/", headers={"Authorization": "Token u"})

    assert json.loads(response.content) == {"user": "u"}
    assert Revision.objects.get().user == user
    assert kept("status") == [("city", str(city.pk), "deleted")]


def test_without_a_user_nothing_is_written(client, city):
    assert client.post("/rest/").status_code == 403

    assert count() == (0, 0)


def test_what_a_failing_view_wrote_is_recorded_as_far_as_it_is_kept(client, user, city):
    """Django makes a response of the error before the middleware sees it."""
    assert client.post("/fail/").status_code == 500

    assert City.objects.get().status == "deleted"
    assert kept("status") == [("city", str(city.pk), "deleted")]
