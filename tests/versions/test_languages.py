"""The pages of versions in the languages that are shipped."""

import re

import pytest
from django.test import override_settings

from tests.versions.admin import PageAdmin
from tests.versions.browser import text_of, url

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shown_keeper(keeper, monkeypatch):
    monkeypatch.setattr(PageAdmin, "keeper", keeper.name)


@pytest.fixture
def changed(page, save):
    return save(page, title="two", comment="second")


def page_of(client, address, language):
    with override_settings(LANGUAGE_CODE=language):
        return client.get(address)


def html_tag(response):
    return re.search(r"<html[^>]*>", response.content.decode())[0]


def headings(response):
    [table] = re.findall(
        r'<table class="versions-table.*?<thead>(.*?)</thead>', response.content.decode(), re.DOTALL
    )
    return " ".join(re.sub(r"<[^>]+>", " ", table).split())


def test_the_history_speaks_german(admin_client, changed):
    response = page_of(admin_client, url("page_history", changed.pk), "de")

    assert response.status_code == 200
    assert html_tag(response) == '<html lang="de" dir="ltr">'
    assert headings(response) == "Vergleichen Datum/Zeit Benutzer Kommentar Änderungen Aktionen"
    assert text_of(response, "h1") == "Änderungsgeschichte: two"


def test_the_history_speaks_arabic_from_right_to_left(admin_client, changed):
    response = page_of(admin_client, url("page_history", changed.pk), "ar")

    assert response.status_code == 200
    assert html_tag(response) == '<html lang="ar" dir="rtl">'
    assert headings(response) == "مقارنة التاريخ/الوقت المستخدم التعليق التغييرات إجراءات"
    assert text_of(response, "h1") == "تاريخ التغيير: two"
