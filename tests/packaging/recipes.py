#!/usr/bin/python3
"""Checks the package recipes with their families' own tools: recipes.py --build FOLDER [FAMILY…]

A row of CHECKS a check: its family, what it shows, and a function that is given a Place. The
function returns a line of what was seen; it raises Skip where this machine can't do it, with why,
and Failure, or what a command of `Place.output` raises, where the recipe is wrong. All rows run,
whatever the others do; the list of what ran, what didn't and why comes at the end.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Tuple

from place import Failure, Place, Skip

import alpine
import debian
import embedded

SUITES = ("bookworm", "trixie")


@dataclass(frozen=True)
class Check:
    """One row."""

    family: str
    what: str
    run: Callable[[Place], str]


CHECKS: Tuple[Check, ...] = (
    *(Check("debian", f"debian/ on {suite}: built, installed, run, purged", debian.package_of(suite))
      for suite in SUITES),
    *(Check("debian", f"`make dist` on {suite}: installed, run, purged", debian.dist_of(suite))
      for suite in SUITES),
    Check("alpine", "APKBUILD: shellcheck, versions and hashes", alpine.lint),
    Check("alpine", "APKBUILD's functions, with a stand-in for Alpine's compiler", alpine.functions),
    Check("buildroot", "the external tree", embedded.judged("Buildroot", "BUILDROOT")),
    Check("yocto", "the layer", embedded.judged("Yocto", "BITBAKE", "OECORE")),
    Check("openwrt", "the feed's package", embedded.judged("OpenWrt", "OPENWRT")),
)


def result(check: Check, place: Place) -> Tuple[str, str]:
    """A word for how it went, and the line that says more."""
    try:
        return "ok", check.run(place)
    except Skip as reason:
        return "skipped", str(reason)
    except Failure as failure:
        return "FAILED", str(failure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, required=True, help="the build folder")
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    arguments = parser.parse_args()
    known = sorted({each.family for each in CHECKS})
    for family in arguments.families:
        if family not in known:
            parser.error(f"no such family: {family}; there are {' '.join(known)}")
    place = Place(arguments.build.resolve())
    lines: List[str] = []
    failed = False
    for check in CHECKS:
        if arguments.families and check.family not in arguments.families:
            continue
        print(f"{check.family}: {check.what} ...", flush=True)
        begin = time.monotonic()
        word, more = result(check, place)
        failed = failed or word == "FAILED"
        lines.append(f"{check.family:10}{word:9}{check.what}: {more}"
                     + (f" ({time.monotonic() - begin:.0f} s)" if word == "ok" else ""))
        print(lines[-1], flush=True)
    print("\n" + "\n".join(lines))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
