"""Build the documentation, warnings being errors (``make docs``)."""

import os
import sys
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

import handleref  # noqa: E402 - autodoc wants Django set up first

project = "handleref"
copyright = "2026, handleref contributors"  # noqa: A001 - Sphinx asks for this name
release = version = handleref.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = f"handleref {release}"
