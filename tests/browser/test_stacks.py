"""The admin of stacks as somebody in front of a screen uses it."""

import pytest
from django.contrib.admin import AdminSite
from django.urls import path

from handleref.admin import AbstractStackStoreAdmin
from tests.browser.conftest import DARK, NARROW, asked, flaws, leave_by, press, tab_to, text_of
from tests.stacks.models import StackPage

pytestmark = pytest.mark.urls(__name__)


class PageAdmin(AbstractStackStoreAdmin):
    list_display = ("title", "stack_number", *AbstractStackStoreAdmin.list_display[1:])
    list_display_links = ("title",)
    ordering = ("pk",)
    fields = ("title", "body")


site = AdminSite(name="browsed-stacks")
site.register(StackPage, PageAdmin)
urlpatterns = [path("stacks/", site.urls)]

ADMIN = "/stacks/stacks_tests/stackpage/"
MAY_CHANGE = ["view_stackpage", "change_stackpage", "delete_stackpage"]


@pytest.fixture
def lamps(live_server, transactional_db):
    """Make a page of two versions, beside another one; return the second version's key."""
    return asked(written)


def written():
    page = StackPage.objects.create(title="Lamps")
    page.title = "Lights"
    page.save()
    StackPage.objects.create(title="Other")
    return page.pk


def listed(page):
    """Return what the list has, each with its number."""
    rows = page.locator("#result_list tbody tr").all()
    return [text_of(row.locator(".field-title, .field-stack_number")) for row in rows]


def stored():
    """Return what the database has: the title, the number and whether it is the latest one."""
    rows = StackPage.objects.order_by("pk").values_list("title", "stack_number", "stack_latest")
    return asked(lambda: [*rows])


def test_the_whole_way(staff, lamps, complaints):
    page = staff(*MAY_CHANGE)
    page.goto(ADMIN)
    everything = listed(page)

    press(page.get_by_role("link", name="YES (Latests Only)"))
    latest = listed(page)
    press(page.get_by_role("link", name="only same item").first)
    same = listed(page)
    actions = page.get_by_label("Action").count()
    press(page.get_by_role("link", name="Lamps"))
    buttons = page.locator(".submit-row").get_by_role("button").all()
    offered = [each.get_attribute("value") for each in buttons]
    deletion = page.get_by_text("Delete").count()
    page.get_by_label("Title").fill("Lanterns")
    press(page.get_by_role("button", name="Save and continue editing"))
    heading = text_of(page.locator("#content h2").first)
    press(page.get_by_role("link", name="History"))
    changes = [
        text_of(row.locator("td").nth(3))
        for row in page.locator(".versions-history tbody tr").all()
    ]

    assert everything == ["Lamps 1", "Lights 2", "Other 1"]
    assert latest == ["Lights 2", "Other 1"]
    assert same == ["Lamps 1", "Lights 2"]
    assert (actions, deletion) == (0, 0)
    assert offered == ["Save", "Save and continue editing"]
    assert heading == "Lanterns"
    assert stored() == [
        ("Lamps", 1, None),
        ("Lights", 2, None),
        ("Other", 1, True),
        ("Lanterns", 3, True),
    ]
    assert changes == [
        "Title before: Lights after: Lanterns take back Title",
        "Title before: Lamps after: Lights take back Title",
        "First version",
    ]
    assert complaints == []


def test_narrow_and_dark_and_by_keyboard(staff, lamps, complaints):
    page = staff(*MAY_CHANGE, **NARROW, **DARK)
    page.goto(f"{ADMIN}?only_latests=YES")
    found = {"list": flaws(page, "#result_list")}

    tab_to(page, "only same item")
    leave_by(page, "Enter")
    tab_to(page, "Lamps")
    leave_by(page, "Enter")
    found["form"] = flaws(page, "#content form")
    tab_to(page, "History")
    leave_by(page, "Enter")
    found["history"] = flaws(page)
    press(page.get_by_role("link", name="Roll back").last)
    found["rollback"] = flaws(page)
    tab_to(page, "Roll back")
    leave_by(page, "Enter")

    assert found == dict.fromkeys(found, ([], 0))
    assert stored() == [
        ("Lamps", 1, None),
        ("Lights", 2, None),
        ("Other", 1, True),
        ("Lamps", 3, True),
    ]
    assert complaints == []
