"""The whole way through the admin of versions, as somebody in front of a screen goes it."""

import pytest

from handleref.versions import history
from tests.browser.conftest import asked, leave_by, press, tab_to, text_of
from tests.versions.admin import PageAdmin
from tests.versions.models import Page

ADMIN = "/admin/versions_tests/page/"

RENAMED = "Title before: Lamps after: Lights"
REWRITTEN = "Body All about lamps and before: light after: darkness."
ADDED = ["ann", "Added.", "First version"]
CHANGED = [
    "ann",
    "Changed Title and Body.",
    f"{RENAMED} take back Title {REWRITTEN} take back Body",
]
TAKEN_BACK = ["ann", "It was right.", "Title before: Lights after: Lamps take back Title"]
ROLLED_BACK = [
    "ann",
    "All of it.",
    "Body All about lamps and before: darkness after: light. take back Body",
]
DELETED = ["ann", "Deleted.", "Status before: ok after: deleted take back Status"]
RECOVERED = ["ann", "Missed.", "Status before: deleted after: ok take back Status"]


@pytest.fixture(autouse=True)
def kept_by_reversion(monkeypatch):
    monkeypatch.setattr(PageAdmin, "keeper", "revisions")


@pytest.fixture
def lamps(page):
    """Open the history of an object that was added and changed."""
    page.goto(f"{ADMIN}add/")
    write(page, title="Lamps", body="All about lamps and light.")
    write(page, title="Lights", body="All about lamps and darkness.")
    press(page.get_by_role("link", name="History"))


def write(page, **values):
    """Fill in the form that is open, and save it."""
    for name, value in values.items():
        page.fill(f"[name={name}]", value)
    press(page.get_by_role("button", name="Save and continue editing"))


def confirm(page, button, comment):
    """Say why, and press the button under what will change."""
    page.get_by_label("Comment").fill(comment)
    press(page.get_by_role("button", name=button, exact=True))


def versions(page):
    """Return of each version in a history: by whom, why, and what it changed."""
    rows = page.locator(".versions-history tbody tr").all()
    return [[text_of(cell) for cell in row.locator("td").all()[1:4]] for row in rows]


def lines(page):
    """Return of each line what becomes of which field, as a screen reader says it."""
    rows = page.locator(".versions-values tbody tr").all()
    return [(text_of(row.locator("th")), text_of(row.locator(".versions-change"))) for row in rows]


def stored():
    """Return what the database has."""
    return asked(lambda: Page.objects.values_list("title", "body", "status").get())


def kept():
    """Return of each version, the newest first: by whom, why, and the title."""
    return asked(
        lambda: [
            (str(version.user), version.comment, version.data["title"])
            for version in history(Page, keeper="revisions")
        ]
    )


def test_the_whole_way(page, lamps, complaints):
    assert versions(page) == [CHANGED, ADDED]
    assert stored() == ("Lights", "All about lamps and darkness.", "ok")

    press(page.get_by_role("button", name="Compare the chosen versions").first)
    assert text_of(page.locator(".versions-title")) == "Compare: Lights"
    assert lines(page) == [
        ("Title", "before: Lamps after: Lights"),
        ("Body", "All about lamps and before: light after: darkness."),
    ]

    page.get_by_label("before Title").check()
    press(page.get_by_role("button", name="Take back the chosen values…"))
    assert lines(page) == [("Title", "before: Lights after: Lamps")]
    assert stored() == ("Lights", "All about lamps and darkness.", "ok")
    confirm(page, "Take back", "It was right.")
    assert versions(page) == [TAKEN_BACK, CHANGED, ADDED]
    assert stored() == ("Lamps", "All about lamps and darkness.", "ok")

    press(page.get_by_role("link", name="Roll back").last)
    assert lines(page) == [("Body", "All about lamps and before: darkness after: light.")]
    confirm(page, "Roll back", "All of it.")
    assert versions(page) == [ROLLED_BACK, TAKEN_BACK, CHANGED, ADDED]
    assert stored() == ("Lamps", "All about lamps and light.", "ok")

    press(page.get_by_role("link", name="Lamps"))
    press(page.get_by_text("Delete", exact=True))
    press(page.get_by_role("button", name="Yes"))
    assert stored() == ("Lamps", "All about lamps and light.", "deleted")

    press(page.get_by_role("link", name="Recover deleted pages"))
    page.get_by_label("Name").fill("lam")
    press(page.get_by_role("button", name="Search"))
    press(page.get_by_role("link", name="Recover Lamps"))
    assert lines(page) == [("Status", "before: deleted after: ok")]
    confirm(page, "Recover", "Missed.")
    assert versions(page) == [RECOVERED, DELETED, ROLLED_BACK, TAKEN_BACK, CHANGED, ADDED]
    assert stored() == ("Lamps", "All about lamps and light.", "ok")
    assert kept() == [
        ("ann", "Missed.", "Lamps"),
        ("ann", "Deleted.", "Lamps"),
        ("ann", "All of it.", "Lamps"),
        ("ann", "It was right.", "Lamps"),
        ("ann", "Changed Title and Body.", "Lights"),
        ("ann", "Added.", "Lamps"),
    ]
    assert complaints == []


# By keyboard


def test_by_keyboard_from_the_history_to_a_value_taken_back(page, lamps):
    page.get_by_role("link", name="Lights").focus()

    leave_by(page, "Enter")
    tab_to(page, "History")
    leave_by(page, "Enter")
    tab_to(page, "from")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    tab_to(page, "Compare the chosen versions")
    leave_by(page, "Enter")
    compared = lines(page)
    tab_to(page, "before Body")
    page.keyboard.press("Space")
    tab_to(page, "Take back the chosen values…")
    leave_by(page, "Space")
    previewed = lines(page)
    tab_to(page, "Take back")
    leave_by(page, "Enter")

    assert [name for name, _ in compared] == ["Title", "Body"]
    assert previewed == [("Body", "All about lamps and before: darkness after: light.")]
    assert stored() == ("Lights", "All about lamps and light.", "ok")


# What browsers and policies forbid


def test_no_page_beside_the_way_complains_either(page, lamps, complaints):
    press(page.get_by_role("link", name="Roll back").last)
    press(page.get_by_role("link", name="No, take me back"))
    press(page.locator(".versions-history th a").last)
    press(page.get_by_role("link", name="Next version"))
    page.get_by_label("Body").check()
    press(page.get_by_role("button", name="Take back the chosen values…"))
    nothing_differs = text_of(page.locator(".versions-form > p").first)
    page.goto(f"{ADMIN}deleted/?q=nobody")

    assert nothing_differs == "Nothing differs, so nothing would change."
    assert complaints == []


def test_a_script_in_a_page_would_be_noticed(page, complaints):
    add = "document.body.append(Object.assign(document.createElement('script'), {text: 'x'}))"
    page.goto(ADMIN)

    with page.expect_console_message():
        page.evaluate(add)

    assert [text[: text.index("violates")] for text in complaints] == ["Executing inline script "]
