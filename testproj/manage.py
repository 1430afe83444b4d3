#!/usr/bin/env python
"""Run a command of the project, from whatever folder."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Find the packages in the repository's root, then leave the word to Django."""
    # In place of this folder, from which "airports" could be imported a second time.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testproj.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
