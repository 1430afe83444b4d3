"""Point-in-time objects as somebody in front of a screen sees them."""

from datetime import UTC, datetime, timedelta

import pytest

from handleref.pointintime.base import all_rows
from tests.browser.conftest import DARK, NARROW, asked, flaws, leave_by, press, tab_to, text_of
from tests.pointintime.library import change
from tests.pointintime.models import Article

pytestmark = pytest.mark.urls("tests.pointintime.admin")

ADMIN = "/points/pointintime_tests/article/"
MAY_CHANGE = ["view_article", "change_article"]
MAY_FORGET = ["rollback_article", "purge_article"]
FILTER = ".timeline-filter"
PICTURE = "When each version was known, and when it was true. The table below says the same."
ROLLING_BACK = "It will be what it was in version 3. 1 row vanishes. This cannot be undone."

START = datetime(2026, 1, 10, 9, tzinfo=UTC)
# When each version was written, and from when to when it says that it is true, in days. The second
# and the third one are of the same second.
VERSIONS = [(0, -100, None), (3, -40, 160), (3 + 0.5 / 86_400, -40, None), (200, -20, 400)]

# What is drawn outside of the picture, or over a label.
COLLISIONS = """(svg) => {
    const place = (element) => [element, element.getBoundingClientRect()];
    const labels = [...svg.querySelectorAll(".timeline-text")].map(place);
    const boxes = [...svg.querySelectorAll("rect")].map(place);
    const view = svg.getBoundingClientRect();
    const apart = (a, b) => a.right <= b.left || b.right <= a.left
        || a.bottom <= b.top || b.bottom <= a.top;
    const within = (a) => a.left >= view.left && a.right <= view.right
        && a.top >= view.top && a.bottom <= view.bottom;
    const name = (element) => element.textContent || element.parentElement.textContent;
    return [
        ...[...labels, ...boxes].filter(([, a]) => !within(a)).map(([one]) => name(one)),
        ...labels.flatMap(([one, a], at) => [...labels.slice(at + 1), ...boxes]
            .filter(([, b]) => !apart(a, b)).map(([other]) => `${name(one)} / ${name(other)}`)),
    ];
}"""


@pytest.fixture
def article(live_server, transactional_db):
    """Make an article of four versions, beside another one."""
    return asked(written)


def written():
    article = Article.objects.create(header="Title 1", body="All about lamps.")
    for number in range(2, len(VERSIONS) + 1):
        change(article, header=f"Title {number}")
    Article.objects.create(header="Other")
    ends = [made for made, _start, _end in VERSIONS[1:]]
    rows = all_rows(Article).filter(row_id=article.pk).order_by("row_version")
    for row, (made, start, end), replaced in zip(rows, VERSIONS, [*ends, None], strict=True):
        times = {"created_at": made, "replaced_at": replaced, "start_at": start, "end_at": end}
        all_rows(Article).filter(pk=row.pk).update(
            **{name: days if days is None else at(days) for name, days in times.items()}
        )
    return article.pk


def at(days):
    return START + timedelta(days=days)


def listed(page):
    """Return what the list has, each with its version."""
    return [text_of(row.locator("th, td:not(.action-checkbox)")) for row in rows_of(page)]


def rows_of(page):
    return page.locator("#result_list tbody tr").all()


def versions():
    """Return the titles of the article that the database has, the oldest first."""
    rows = all_rows(Article).exclude(header="Other").order_by("row_version")
    return asked(lambda: [*rows.values_list("header", flat=True)])


def pictured(page):
    """Return whether the picture is seen, what it tells, its boxes and what collides in it."""
    picture = page.get_by_role("img", name=PICTURE)
    numbers = picture.locator("rect + text").all_text_contents()
    return picture.is_visible(), numbers, picture.evaluate(COLLISIONS)


def warned(page):
    """Return what would be forgotten."""
    return text_of(page.locator(".versions-warning"))


def test_the_list_of_a_moment_that_somebody_types(staff, article, complaints):
    page = staff(*MAY_CHANGE)
    page.goto(ADMIN)
    present = listed(page)
    results = page.locator("#result_list")

    page.get_by_label("As known at").fill("2026-01-12T09:00:00")
    press(page.get_by_role("button", name="Show"))
    past = listed(page)
    found = flaws(page, FILTER)
    press(results.get_by_role("link", name="Title 1"))
    shown = text_of(page.locator("#content"))
    page.go_back()
    press(page.get_by_role("button", name="Now"))

    assert sorted(present) == ["Other 1", "Title 4 4"]
    assert past == ["Title 1 1"]
    assert found == ([], 0)
    assert "As it was known: Jan. 12, 2026, 9 a.m. What was is only read." in shown
    assert "Save" not in shown
    assert listed(page) == present
    assert complaints == []


def test_what_a_field_cuts_off_is_kept_until_somebody_types(staff, article, complaints):
    page = staff(*MAY_CHANGE)
    page.goto(f"{ADMIN}?version_at={at(3).isoformat()[:19]}.250000Z")
    linked = listed(page)

    press(page.get_by_role("button", name="Show"))
    submitted = listed(page)
    press(page.locator("#result_list").get_by_role("link", name="Title 2"))
    opened = text_of(page.locator("#content h2"))
    page.go_back()
    page.get_by_label("As known at").fill("2026-01-13T09:59:59")
    press(page.get_by_role("button", name="Show"))

    assert linked == submitted == ["Title 2 2"]
    assert opened == "Title 2"
    assert listed(page) == ["Title 1 1"]
    assert complaints == []


def test_what_is_forgotten_is_shown_before(staff, article, complaints):
    page = staff(*MAY_CHANGE, *MAY_FORGET)
    page.goto(f"{ADMIN}{article}/change/")
    before = versions()

    press(page.get_by_role("link", name="Timeline"))
    picture, timeline = pictured(page), flaws(page)
    press(page.get_by_role("link", name="roll back… 3"))
    asked_for = warned(page)
    press(page.get_by_role("button", name="Preview"))
    previewed, rollback = warned(page), flaws(page)
    press(page.get_by_role("link", name="No, take me back"))
    cancelled = versions()
    press(page.get_by_role("link", name="roll back… 3"))
    line = text_of(page.locator(".versions-values tbody tr").last)
    page.get_by_label("Reason").fill("Too late.")
    press(page.get_by_role("button", name="Roll back", exact=True))
    back = versions()
    told = text_of(page.locator(".messagelist"))
    press(page.get_by_role("link", name="Purge…"))
    purging, purge = warned(page), flaws(page)
    press(page.get_by_role("link", name="No, take me back"))
    kept = versions()
    press(page.get_by_role("link", name="Purge…"))
    press(page.get_by_role("button", name="Purge", exact=True))

    assert picture == (True, ["4", "3", "2", "1"], [])
    assert (timeline, rollback, purge) == (([], 0),) * 3
    # The field has no half seconds, and the version before is of the same second.
    assert asked_for == previewed == ROLLING_BACK
    assert line == "Header Title before: 4 after: 3"
    assert before == cancelled == ["Title 1", "Title 2", "Title 3", "Title 4"]
    assert told == "Rolled back to Jan. 13, 2026, 10 a.m.; what came after is forgotten."
    assert back == kept == ["Title 1", "Title 2", "Title 3"]
    assert purging == "This article vanishes, with the 3 rows that it has. This cannot be undone."
    assert (versions(), listed(page)) == ([], ["Other 1"])
    assert complaints == []


def test_narrow_and_dark_and_by_keyboard(staff, article, complaints):
    page = staff(*MAY_CHANGE, *MAY_FORGET, **NARROW, **DARK)
    page.goto(f"{ADMIN}?version_at=2026-02-01")
    found = {"list": flaws(page, FILTER)}

    tab_to(page, "As known at")
    tab_to(page, "Show")
    page.locator("#result_list").get_by_role("link", name="Title 3").focus()
    leave_by(page, "Enter")
    found["form"] = flaws(page, ".messagelist")
    tab_to(page, "Timeline")
    leave_by(page, "Enter")
    picture, found["timeline"] = pictured(page), flaws(page)
    tab_to(page, "Purge…")
    leave_by(page, "Enter")
    found["purge"] = flaws(page)
    tab_to(page, "No, take me back")
    leave_by(page, "Enter")
    tab_to(page, "Roll back…")
    leave_by(page, "Enter")
    found["rollback"] = flaws(page)
    tab_to(page, "Reason")
    page.keyboard.type("Too late.")
    tab_to(page, "Roll back")
    leave_by(page, "Enter")

    assert picture == (True, ["4", "3", "2", "1"], [])
    assert found == dict.fromkeys(found, ([], 0))
    assert versions() == ["Title 1", "Title 2", "Title 3"]
    assert complaints == []


def test_nobody_is_offered_what_he_may_not_do(staff, article, complaints):
    page = staff("view_article")
    page.goto(f"{ADMIN}{article}/timeline/")

    offered = page.locator("#content-main").get_by_role("link").all()

    assert [text_of(link) for link in offered] == ["show 4", "show 3", "show 2", "show 1"]
    assert page.locator("#content-main").get_by_role("button").count() == 0
    assert complaints == []
