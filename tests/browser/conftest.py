"""A real browser, and a site whose policy lets no inline script run."""

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.http import HttpResponse
from django.test import Client, override_settings
from pytest_django.live_server_helper import LiveServer

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

CHROMIUM = Path("/usr/bin/chromium")
# How long, in milliseconds, a page is waited for.
PATIENCE = 15_000
# More than there are between two that these tests go to.
STOPS = 30
NAME_OF_FOCUS = """() => {
    const {activeElement: one} = document;
    const words = one.labels?.length ? one.labels[0].textContent : one.textContent || one.value;
    return words.replace(/\\s+/g, " ").trim();
}"""

Answer = TypeVar("Answer")


def strict_policy(get_response):
    """Let pages load what the site itself serves, and run no script that stands in a page."""

    def respond(request):
        # Chromium asks for it without being told to, and no site of Django's has one. (To answer
        # in the browser, by context.route(), would keep it from caching what the site serves.)
        if request.path == "/favicon.ico":
            return HttpResponse(status=204)
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
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    return visit


@pytest.fixture
def enter(visit, live_server):
    """Open the browser as somebody who has logged in already."""

    def enter(user, **look):
        page = visit(**look)
        key = asked(lambda: session(user))
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": live_server.url}]
        )
        return page

    return enter


def session(user):
    """Return the key of a session of a user."""
    client = Client()
    client.force_login(user)
    return client.session.session_key


@pytest.fixture
def page(enter):
    """Open the browser as somebody who may do everything."""
    return enter(asked(lambda: User.objects.create_superuser("ann")))


@pytest.fixture
def staff(enter):
    """Open the browser as a new member of the staff with just these permissions."""

    def staff(*codenames, **look):
        return enter(asked(lambda: member(*codenames)), **look)

    return staff


def member(*codenames):
    """Make a member of the staff with just these permissions."""
    bob = User.objects.create_user(f"bob {User.objects.count()}", is_staff=True)
    permissions = Permission.objects.filter(codename__in=codenames)
    assert len(permissions) == len(codenames)
    bob.user_permissions.set(permissions)
    return bob


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


# By keyboard


def tab_to(page, label):
    """Press Tab until what is called like that has the focus."""
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        if page.evaluate(NAME_OF_FOCUS) == label:
            return
    pytest.fail(f"Tab does not lead to {label!r}.")


def leave_by(page, key):
    """Press a key that leads to another page, and pass over what all pages begin with."""
    with page.expect_navigation():
        page.keyboard.press(key)
    tab_to(page, "Skip to main content")
    page.keyboard.press("Enter")


# What a page looks like

NARROW = {"viewport": {"width": 400, "height": 800}}
DARK = {"color_scheme": "dark"}
# How much lighter than what is around them texts and lines have to be (WCAG 1.4.3 and 1.4.11).
UNREADABLE = """(roots) => {
    const one = {width: 1, height: 1};
    const sheet = Object.assign(document.createElement("canvas"), one).getContext("2d");
    const light = (colours) => {
        for (const colour of colours) {
            sheet.fillStyle = colour;
            sheet.fillRect(0, 0, 1, 1);
        }
        const linear = [...sheet.getImageData(0, 0, 1, 1).data].map((each) => each / 255)
            .map((each) => (each > 0.04045 ? ((each + 0.055) / 1.055) ** 2.4 : each / 12.92));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const below = (element) => {
        const colours = [];
        for (let each = element; each; each = each.parentElement)
            colours.unshift(getComputedStyle(each).backgroundColor);
        return ["white", ...colours];
    };
    const contrast = (colour, ground) => {
        const [dark, bright] = [light(ground), light([...ground, colour])].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const seen = (element) => element.checkVisibility()
        && element.getBoundingClientRect().width > 1;
    const found = [];
    const look = (words, colour, ground, least) => {
        const ratio = contrast(colour, ground);
        if (ratio < least) found.push(`${words.trim()}: ${ratio.toFixed(1)}`);
    };
    const elements = document.querySelectorAll(`:is(${roots}), :is(${roots}) *`);
    for (const element of [...elements].filter(seen)) {
        const {color, fill, stroke} = getComputedStyle(element);
        const texts = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
        const words = element.value || texts.map((node) => node.data).join("");
        if (element.localName === "rect") {
            look("outline", stroke, below(element), 3);
        } else if (words.trim()) {
            const box = element.previousElementSibling;
            const ground = box?.localName === "rect" ? [getComputedStyle(box).fill] : [];
            const ink = element.localName === "text" ? fill : color;
            look(words, ink, [...below(element), ...ground], 4.5);
        }
    }
    return found;
}"""
BEYOND = "({scrollWidth, clientWidth} = document.documentElement) => scrollWidth - clientWidth"


def flaws(page, roots=".versions-page"):
    """Return what is hard to read in parts of a page, and how far the page can be moved sideways.

    :param roots: a selector of the parts.
    """
    assert page.locator(roots).count(), roots
    return page.evaluate(UNREADABLE, roots), page.evaluate(f"() => ({BEYOND})()")
