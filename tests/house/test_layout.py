"""The same furniture in every room."""

import configparser
from pathlib import Path

import handleref

PACKAGE = Path(handleref.__file__).parent
# Folders of the package that are no rooms.
FITTINGS = {"locale", "management", "static", "templates"}


def furniture(root):
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(root / "setup.cfg", encoding="utf-8")
    return settings["handleref:furniture"]["names"].split()


def pieces():
    """Yield each Python file of a room with the name it goes by: its own, or its folder's."""
    for path in sorted(PACKAGE.rglob("*.py")):
        room, *rest = path.relative_to(PACKAGE).with_suffix("").parts
        if rest and room not in FITTINGS and rest != ["__init__"]:
            yield path, rest[0]


def test_rooms_hold_only_furniture_that_setup_cfg_lists(pytestconfig):
    listed = furniture(pytestconfig.rootpath)

    strangers = [str(path.relative_to(PACKAGE)) for path, name in pieces() if name not in listed]

    assert strangers == []


def test_the_list_of_furniture_is_sorted_and_free_of_doubles(pytestconfig):
    listed = furniture(pytestconfig.rootpath)

    assert listed == sorted(set(listed))
