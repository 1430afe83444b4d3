"""Every text of the package is translated, in every language that it ships."""

import re
import subprocess
import sys
from pathlib import Path

import django
import polib
import pytest

from tests.catalogues import (
    LANGUAGES,
    Text,
    catalogue,
    in_code,
    in_template,
    path_of,
    text_of,
    texts,
    translations,
)

WAY_OUT = "python -m tests.catalogues brings them up to date; then translate what it lists."
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sd]|{\w*}")


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


def words(entries):
    """Return what a catalogue says, without what only translators see."""
    return {text_of(entry): translations(entry) for entry in entries}


def placeholders(text):
    return sorted(PLACEHOLDER.findall(text))


def test_german_and_a_language_from_right_to_left_are_shipped():
    assert LANGUAGES == ["ar", "de"]


def test_nothing_is_missing_and_nothing_left_over(language):
    listed = {text_of(entry) for entry in catalogue(language)}

    there_is = set(texts())

    assert (sorted(there_is - listed), sorted(listed - there_is)) == ([], []), WAY_OUT


def test_nothing_waits_for_a_translation(language):
    waiting = [
        entry.msgid
        for entry in catalogue(language)
        if entry.fuzzy or entry.obsolete or not all(translations(entry))
    ]

    assert waiting == []


def test_a_text_has_as_many_plurals_as_the_language(language):
    [plurals] = {len(translations(entry)) for entry in catalogue(language) if entry.msgid_plural}

    assert plurals == {"ar": 6, "de": 2}[language]


def test_what_is_put_in_is_put_into_the_translation(language):
    wrong = [
        (entry.msgid, translated)
        for entry in catalogue(language)
        for translated in translations(entry)
        if placeholders(translated) != placeholders(entry.msgid_plural or entry.msgid)
    ]

    assert wrong == []


def test_what_is_read_at_run_time_is_what_the_translators_wrote(language):
    compiled = polib.mofile(str(path_of(language).with_suffix(".mo")))

    assert words(compiled) == words(catalogue(language)), WAY_OUT
    assert compiled.metadata == catalogue(language).metadata, WAY_OUT


@pytest.mark.parametrize("app", ["conf", "contrib/admin"])
def test_a_text_that_is_also_djangos_is_translated_as_there(language, app):
    # Else the order of INSTALLED_APPS would choose, for the whole site.
    path = Path(django.__path__[0], app, "locale", language, "LC_MESSAGES", "django.po")
    theirs, ours = words(polib.pofile(str(path))), words(catalogue(language))

    differing = {
        text: (ours[text], there)
        for text, there in theirs.items()
        if ours.get(text, there) != there
    }

    assert differing == {}


# Which apps are needed


def test_the_apps_of_the_package_share_its_catalogues():
    # Django looks into the folder of each installed app; what stands in a folder of an app
    # below is translated all the same, because all catalogues of a language become one.
    script = """if True:
        import django
        from django.conf import settings
        settings.configure(
            INSTALLED_APPS=["handleref", "handleref.revisions"], LANGUAGE_CODE="de"
        )
        django.setup()
        from django.apps import apps
        print(apps.get_app_config("handleref_revisions").verbose_name)
    """

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, encoding="utf-8"
    )

    assert done.stdout == "Revisionen\n"


# How texts are found


def test_the_functions_of_gettext_are_known_by_what_they_are_imported_as(tmp_path):
    code = tmp_path / "code.py"
    code.write_text(
        "from django.utils.translation import gettext as _, gettext_lazy, pgettext as _p\n"
        "from django.utils.translation import ngettext_lazy, npgettext\n"
        '_("a" "b"); gettext_lazy("c"); _p("of d", "d"); other("x")\n'
        'ngettext_lazy("one e", "%s es"); npgettext("of f", "one f", "fs", n)\n'
        'translation.gettext("g")\n'
    )

    found = [*in_code(code)]

    assert found == [
        Text("", "ab", ""),
        Text("", "c", ""),
        Text("of d", "d", ""),
        Text("", "one e", "%s es"),
        Text("of f", "one f", "fs"),
        Text("", "g", ""),
    ]


def test_a_text_that_is_not_written_down_cannot_be_translated(tmp_path):
    code = tmp_path / "code.py"
    code.write_text("from django.utils.translation import gettext\ngettext(text)\n")

    with pytest.raises(ValueError) as error:
        [*in_code(code)]

    assert str(error.value) == (
        "Only a text that is written down can be translated, not gettext(text)."
    )


def test_templates_say_it_in_tags_filters_and_blocks(tmp_path):
    template = tmp_path / "page.html"
    template.write_text(
        """{% translate "a (b)" %} {% translate "It's c" context "of c" %}
        {{ value|default:_("d") }} {% include "x" with title=_("e") %}
        {% blocktranslate with name=value trimmed %}
            f {{ name }}
        {% endblocktranslate %}
        {% blocktranslate count n=number %}{{ n }} g{% plural %}{{ n }} gs{% endblocktranslate %}"""
    )

    found = [*in_template(template)]

    assert found == [
        Text("", "a (b)", ""),
        Text("of c", "It's c", ""),
        Text("", "d", ""),
        Text("", "e", ""),
        Text("", "f %(name)s", ""),
        Text("", "%(n)s g", "%(n)s gs"),
    ]
