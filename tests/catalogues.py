"""The translations of the package: what there is to translate, and what the catalogues have.

``python -m tests.catalogues`` brings every catalogue up to date, without GNU gettext:
what is new comes in empty, what is left over goes, and each ``.mo`` is compiled anew.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import polib
from django.utils.translation.template import templatize

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "handleref"
LANGUAGES = sorted(path.name for path in (PACKAGE / "locale").glob("*"))
# For each function of gettext's, which of its arguments are the context, the text, its plural.
ARGUMENTS = {
    "gettext": (None, 0, None),
    "pgettext": (0, 1, None),
    "ngettext": (None, 0, 1),
    "npgettext": (0, 1, 2),
}
SPELLINGS = {name + tail: name for name in ARGUMENTS for tail in ("", "_lazy", "_noop")}
# A call as templatize() writes it, among what it leaves of the rest of the template.
CALL = re.compile(
    r"""\b(?:n?p?gettext|_)\((?:u?'(?:[^'\\]|\\.)*'|u?"(?:[^"\\]|\\.)*"|, |count)+\)"""
)


class Text(NamedTuple):
    """A text to translate, as catalogues tell it from others; "" is none."""

    context: str
    singular: str
    plural: str


def texts() -> dict[Text, list[str]]:
    """Return what the package's code and templates translate, each with its files."""
    found: dict[Text, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*")):
        name = str(path.relative_to(ROOT))
        for text in READERS.get(path.suffix, nothing)(path):
            files = found.setdefault(text, [])
            files += [name] if name not in files else []
    return found


def nothing(path: Path) -> Iterable[Text]:
    return ()


def in_code(path: Path) -> Iterator[Text]:
    """Yield what a module translates by the functions of gettext that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from calls(tree, dict(imported(tree)))


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the names of gettext's functions in a module, and what each is short for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
            for alias in node.names:
                if alias.name in SPELLINGS:
                    yield alias.asname or alias.name, SPELLINGS[alias.name]


def in_template(path: Path) -> Iterator[Text]:
    """Yield what a template translates."""
    names = {name: name for name in ARGUMENTS} | {"_": "gettext"}
    for call in CALL.findall(templatize(path.read_text(encoding="utf-8"))):
        yield from calls(ast.parse(call), names)


READERS = {".py": in_code, ".html": in_template, ".txt": in_template}


def calls(tree: ast.AST, names: dict[str, str]) -> Iterator[Text]:
    """Yield the texts of the calls to functions of these names, or of a module that has them."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=spelled)) if spelled in names:
                yield Text(*arguments(node, ARGUMENTS[names[spelled]]))
            case ast.Call(func=ast.Attribute(attr=spelled)) if spelled in SPELLINGS:
                yield Text(*arguments(node, ARGUMENTS[SPELLINGS[spelled]]))


def arguments(call: ast.Call, places: Iterable[int | None]) -> list[str]:
    """Return the arguments at these places, "" for none; what is not written down is refused."""
    found = [ast.Constant("") if place is None else call.args[place] for place in places]
    if any(not isinstance(node, ast.Constant) for node in found):
        message = f"Only a text that is written down can be translated, not {ast.unparse(call)}."
        raise ValueError(message)
    return [node.value for node in found]


# Catalogues


def catalogue(language: str) -> polib.POFile:
    """Return what the translators have written."""
    return polib.pofile(str(path_of(language)), wrapwidth=98)


def path_of(language: str) -> Path:
    return PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po"


def text_of(entry: polib.POEntry) -> Text:
    return Text(entry.msgctxt or "", entry.msgid, entry.msgid_plural)


def translations(entry: polib.POEntry) -> list[str]:
    """Return the translations of an entry: one, or as many as the language has plurals."""
    plurals = sorted(entry.msgstr_plural.items(), key=itemgetter(0))
    return [text for _, text in plurals] or [entry.msgstr]


def number_of_plurals(known: polib.POFile) -> int:
    [number] = re.findall(r"nplurals=(\d)", known.metadata["Plural-Forms"])
    return int(number)


def refresh(language: str) -> polib.POFile:
    """Return the catalogue with all there is to translate, and nothing else."""
    known, found = catalogue(language), texts()
    entries = {text_of(entry): entry for entry in known if not entry.obsolete}
    plurals = number_of_plurals(known)
    known[:] = [entries.get(text) or empty(text, plurals) for text in found]
    for entry in known:
        entry.occurrences = [(name, "") for name in found[text_of(entry)]]
    return known


def empty(text: Text, plurals: int) -> polib.POEntry:
    entry = polib.POEntry(msgid=text.singular, msgctxt=text.context or None)
    if text.plural:
        entry.msgid_plural = text.plural
        entry.msgstr_plural = dict.fromkeys(range(plurals), "")
    return entry


def main() -> None:
    """Write every catalogue anew, and tell what is to be translated."""
    for language in LANGUAGES:
        known = refresh(language)
        known.save(str(path_of(language)))
        known.save_as_mofile(str(path_of(language).with_suffix(".mo")))
        waiting = [entry.msgid for entry in known if not entry.translated()]
        print(f"{language}: {len(known)} texts, {len(waiting)} to translate.")
        for text in waiting:
            print(f"  {text}")


if __name__ == "__main__":
    main()
