"""The recipes of Buildroot, Yocto and OpenWrt, by recipe_test.py: a row a system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

from place import Place

PYTHON = "/usr/bin/python3"


def judged(case: str, *variables: str) -> Callable[[Place], str]:
    """Runs the cases of one system; its own tools judge where the variables name its checkout."""

    def run(place: Place) -> str:
        place.output(PYTHON, str(Path(__file__).with_name("recipe_test.py")), case)
        missing = [each for each in variables if each not in os.environ]
        if missing:
            return f"what needs no checkout; for its own tools give {' and '.join(missing)}=/path"
        return "its own tools find no fault"

    return run
