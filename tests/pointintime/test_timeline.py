"""The timeline of an object: a picture, and the same in words."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import override

import handleref
from handleref.pointintime.admin.timeline import Picture, Scale
from handleref.pointintime.history import span
from handleref.pointintime.recording import recording
from tests.pointintime.library import change, moment
from tests.pointintime.models import Article, Note
from tests.versions.browser import text_of

pytestmark = pytest.mark.urls("tests.pointintime.admin")

SVG = "{http://www.w3.org/2000/svg}"
DAY = timedelta(days=1)
START = datetime(2030, 1, 1, tzinfo=UTC)


def at(days):
    return None if days is None else START + days * DAY


def row(number, known, valid, *, place=None):
    """Return what a row tells: from when to when it was known, and true, in days."""
    return SimpleNamespace(
        pk=place or number + 10,
        row_id=1,
        row_version=number,
        created_at=at(known[0]),
        replaced_at=at(known[1]),
        start_at=at(valid[0]),
        end_at=at(valid[1]),
    )


def picture(*rows, present=10):
    return Picture([span(each) for each in rows], at(present))


def url(page, key, **query):
    name = f"admin:pointintime_tests_article_{page}"
    return reverse(name, args=[key], query=query or None, current_app="points")


def drawn(response):
    """Return the picture of a page, as a browser reads it."""
    [svg] = re.findall(r'<svg[^>]*role="img".*?</svg>', response.content.decode(), re.DOTALL)
    return ET.fromstring(svg)  # noqa: S314 - our own


# The layout


def test_rows_stand_beside_each_other_and_as_high_as_they_are_true():
    first, second, third = picture(
        row(1, (0, 2), (0, None)),
        row(2, (2, 6), (0, 4)),
        row(3, (6, None), (2, 4), place=1),
    ).boxes

    assert [box.kind for box in (first, second, third)] == ["replaced", "replaced", "current"]
    assert first.x + first.width == pytest.approx(second.x)
    assert second.x + second.width == pytest.approx(third.x)
    # Later is to the right, and further up.
    assert first.x < second.x < third.x
    assert (first.is_open, second.is_open) == (True, False)
    assert first.y < second.y == third.y
    assert first.y + first.height == second.y + second.height > third.y + third.height


def test_twice_the_time_is_longer_and_the_shortest_can_be_seen():
    scale = Scale([at(0), at(0) + timedelta(microseconds=1), at(1), at(3)], 640, 26)

    short, one, two = (b - a for a, b in pairwise(scale.places))
    assert short >= 26
    assert (two - 26) == pytest.approx(2 * (one - 26), rel=1e-6)
    assert scale.places[-1] == pytest.approx(640)


def test_many_rows_make_it_wider_instead_of_narrow():
    boxes = picture(*(row(n, (n, n + 1), (0, None)) for n in range(1, 101)), present=101).boxes

    assert min(box.width for box in boxes) >= 26
    assert len({box.x for box in boxes}) == 100


def test_nothing_is_written_over_something_else():
    view = picture(*(row(n, (n * n, (n + 1) ** 2), (n, None)) for n in range(1, 30)), present=900)
    across, up = view.across(), view.up()

    edges = []
    for tick in across:
        if tick.text:
            left = tick.place - {"start": 0, "middle": 68, "end": 136}[tick.anchor]
            edges.append((left, left + 136))
    assert len(edges) >= 3
    assert all(a[1] <= b[0] for a, b in pairwise(edges))
    assert all(across[place].text for place in (0, -1))
    written = [tick.place for tick in up if tick.text]
    assert all(abs(a - b) >= 14 for a, b in pairwise(written))


def test_one_row_alone_is_drawn():
    view = picture(row(1, (0, None), (0, None), place=1))

    [box] = view.boxes
    assert (box.kind, box.is_open, box.width, box.x) == ("current", True, 640, view.left)
    assert box.height > 0
    assert [tick.text for tick in view.across()][-1] == "now"
    assert [tick.text for tick in view.up()][-1] == "no end"


def test_the_last_row_of_a_deleted_object_is_one_of_its_own_kind():
    boxes = picture(row(1, (0, 1), (0, None)), row(2, (1, 2), (0, None), place=1)).boxes

    assert [box.kind for box in boxes] == ["replaced", "deleted"]


# The page


@pytest.fixture
def article(db):
    ann = get_user_model().objects.create_user("ann")
    with recording(ann, "first"):
        article = Article.objects.create(header="one")
    article.early = moment()
    with recording(comment="<script>alert(1)</script>"):
        change(article, header="two", end_at=now() + DAY)
    return article


def test_picture_and_table_tell_the_same(admin_client, article):
    response = admin_client.get(url("timeline", article.pk))

    svg = drawn(response)
    titles = [each.findtext(f"{SVG}title") for each in svg.iter(f"{SVG}g")]
    lines = response.context["lines"]
    assert [line.number for line in lines] == [2, 1]
    assert [line.kind for line in lines] == ["current", "replaced"]
    assert [line.user for line in lines] == ["", "ann"]
    assert titles == [box.text for box in response.context["picture"].boxes]
    for title, line in zip(titles, lines, strict=True):
        told = [text for _label, _moment, text in line.times if text]
        assert title.startswith(f"Version {line.number}: known ")
        assert [text for text in told if text not in title] == []
    assert [rect.get("width") is not None for rect in svg.iter(f"{SVG}rect")] == [True, True]
    assert svg.get("role") == "img"
    assert svg.findtext(f"{SVG}title").endswith("The table below says the same.")


def test_each_row_leads_to_what_the_object_was(admin_client, article):
    newest, oldest = admin_client.get(url("timeline", article.pk)).context["lines"]

    assert admin_client.get(oldest.url).context["original"].header == "one"
    assert admin_client.get(newest.url).context["original"].header == "two"
    assert (newest.back_url, admin_client.get(oldest.back_url).context["plan"].kind) == ("", "back")


def test_what_is_told_is_escaped(admin_client, article):
    change(article, header="</title><script>x</script>")

    for page in ("timeline", "rollback_to", "purge"):
        content = admin_client.get(url(page, article.pk)).content.decode()
        assert "<script>alert" not in content
        assert "</title><script>x" not in content


@pytest.mark.parametrize("page", ["timeline", "rollback_to", "purge", "change", "changelist"])
def test_no_page_has_script_or_style_of_its_own(admin_client, article, page):
    query = {"version_at": article.early.isoformat()}
    name = f"admin:pointintime_tests_article_{page}"
    args = [] if page == "changelist" else [article.pk]
    content = admin_client.get(
        reverse(name, args=args, query=query, current_app="points")
    ).content.decode()

    assert re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", content) == []
    assert re.findall(r"\sstyle=|<style|\son[a-z]+=|javascript:", content) == []
    assert "handleref/admin/pointintime.css" in content


def test_templates_have_no_script_or_style_either():
    root = Path(handleref.__file__).parent / "templates/handleref/admin/pointintime"
    texts = [path.read_text(encoding="utf-8") for path in root.rglob("*.html")]

    assert len(texts) >= 9
    assert [text for text in texts if re.search(r"\sstyle=|<style|<script|\son[a-z]+=", text)] == []


def test_numbers_are_read_in_any_language(admin_client, article, settings):
    settings.USE_THOUSAND_SEPARATOR = True
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]

    with override("de"):
        response = admin_client.get(url("timeline", article.pk), headers={"accept-language": "de"})

    places = [rect.attrib for rect in drawn(response).iter(f"{SVG}rect")]
    assert response.headers["content-language"] == "de"
    assert all(float(value) >= 0 for each in places for value in each.values())


def test_a_long_timeline_comes_in_pages_in_as_many_queries(admin_client, article):
    def asked(**query):
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(url("timeline", article.pk, **query))
        return len(queries), [line.number for line in response.context["lines"]]

    few, _numbers = asked()
    for number in range(60):
        with recording(get_user_model().objects.create_user(f"user {number}")):
            change(article, body=str(number))

    assert asked() == (few, [*range(62, 12, -1)])
    assert asked(p=2) == (few, [*range(12, 0, -1)])


def test_a_deleted_object_has_its_timeline(admin_client, article):
    article.delete()

    response = admin_client.get(url("timeline", article.pk))

    assert [line.kind for line in response.context["lines"]] == ["deleted", "replaced"]
    assert "This article is deleted." in text_of(response)


def test_the_form_leads_to_it(admin_client, article):
    response = admin_client.get(url("change", article.pk))

    assert url("timeline", article.pk) in response.content.decode()


def test_a_key_of_any_kind_will_do(admin_client, db):
    note = Note.objects.create(text="one")
    name = "admin:pointintime_tests_note_timeline"

    response = admin_client.get(reverse(name, args=[note.pk], current_app="points"))

    assert [line.number for line in response.context["lines"]] == [1]
