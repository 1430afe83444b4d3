"""A real browser, and a site whose policy lets no inline script run."""

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import override_settings
from pytest_django.live_server_helper import LiveServer

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

CHROMIUM = Path("/usr/bin/chromium")
# How long, in milliseconds, a page is waited for.
PATIENCE = 15_000
PASSWORD = "correct horse"

Answer = TypeVar("Answer")


def strict_policy(get_response):
    """Let pages load what the site itself serves, and run no script that stands in a page."""

    def respond(request):
        response = get_response(request)
        response["Content-Security-Policy"] = "default-src 'self'; img-src 'self' data:"
        return response

    return respond


@pytest.fixture(scope="package")
def installed():
    """See to it that there is a browser, before anything is made ready for it."""
    if sync_playwright is None:
        give_up("Playwright is missing: pip install 'handleref[browser]'.")
    if not CHROMIUM.exists():
        give_up(f"{CHROMIUM} is missing: apt-get install chromium.")


def give_up(reason: str) -> NoReturn:
    """Skip the tests, or fail them where HANDLEREF_BROWSER says that they are required."""
    if os.environ.get("HANDLEREF_BROWSER") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def live_server(installed, django_db_setup):
    middleware = [
        "tests.browser.conftest.strict_policy",
        *settings.MIDDLEWARE,
        # The browser chooses the language.
        "django.middleware.locale.LocaleMiddleware",
    ]
    # The server reads it when it starts.
    with override_settings(MIDDLEWARE=middleware):
        server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture
def chromium(live_server):
    """Start the browser; it is closed before the database is emptied."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def complaints():
    """What the browser had to complain of: errors, and what the site's policy forbids."""
    return []


@pytest.fixture
def visit(chromium, live_server, complaints):
    """Open the browser in a language, a width or a colour scheme of one's choice."""

    def visit(**look):
        context = chromium.new_context(base_url=live_server.url, **look)
        context.set_default_timeout(PATIENCE)
        # Chromium asks for it without being told to, and no site of Django's has one.
        context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    return visit


@pytest.fixture
def user():
    """Make somebody who may do everything."""
    return asked(lambda: User.objects.create_superuser("ann", password=PASSWORD))


@pytest.fixture
def page(visit, user):
    """Open the browser on the admin's first page."""
    page = visit()
    log_in(page)
    return page


def log_in(page):
    page.goto("/admin/")
    page.fill("[name=username]", "ann")
    page.fill("[name=password]", PASSWORD)
    press(page.locator("[type=submit]"))


def asked(question: Callable[[], Answer]) -> Answer:
    """Return what the database answers.

    Beside the browser runs an event loop, in whose thread Django refuses to ask.
    """

    def ask() -> Answer:
        try:
            return question()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def press(locator):
    """Press what leads to another page, and wait until it is there."""
    with locator.page.expect_navigation():
        locator.click()


def text_of(locator):
    """Return what an element says to people, in one line."""
    return " ".join(re.sub(r"\s+", " ", text) for text in locator.all_inner_texts()).strip()
