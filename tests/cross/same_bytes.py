#!/usr/bin/python3
"""Builds and packs once more, in another folder, and compares: same_bytes.py BUILD PROCESSOR…

BUILD is where `make dist` has built and packed this checkout. The other folder differs in all that
must not matter: its name and depth, the time (a build of code that asks for it fails:
-Werror=date-time) and the files' dates, whether there is a repository, where the third-party parts
lie, the time zone, the locale, the umask, the number of jobs. No compiler cache is used.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List

from builds import ROOT, builds

SKIPPED = ("build", ".git", "__pycache__", "node_modules")
CACHE = Path(os.environ.get("MIAGENT_CACHE") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "miagent")


def made(folder: Path, processors: List[str]) -> Dict[str, str]:
    """The SHA-256 of each program and each package in a build folder."""
    paths = [path for each in builds(folder / "cross", processors)
             for path in (each.program, each.simulator)]
    paths += (folder / "dist").iterdir()
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths}


def build(root: Path, processors: List[str], environment: Dict[str, str]) -> None:
    """`make dist` in `root`."""
    kept = {name: value for name, value in os.environ.items()
            if "CCACHE" not in name and not name.startswith(("CMAKE_", "MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "dist", f"TARGET={' '.join(processors)}",
                           f"JOBS={(os.cpu_count() or 1) + 1}"],
                          cwd=root, env={**kept, **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          preexec_fn=lambda: os.umask(0o077) and None)
    if done.returncode != 0:
        sys.exit(f"the build in {root} failed\n{done.stdout}")


def main() -> None:
    folder, processors = Path(sys.argv[1]).resolve(), sys.argv[2:]
    first = made(folder, processors)
    date = (builds(folder / "cross", processors)[0].folder / "build-time").read_text("utf-8")
    with tempfile.TemporaryDirectory(prefix="miagent-") as place:
        deep = Path(place) / "another" / "name" / "for-the-same"
        shutil.copytree(ROOT, deep, ignore=shutil.ignore_patterns(*SKIPPED))
        for path in deep.rglob("*"):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        cache = Path(place) / "parts"
        shutil.copytree(CACHE, cache, ignore=shutil.ignore_patterns("work.*", "apt"))
        build(deep, processors, {
            "SOURCE_DATE_EPOCH": date.strip(), "MIAGENT_CACHE": str(cache),
            "TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", "TMPDIR": "/var/tmp"})
        second = made(deep / "build", processors)
    for name in sorted({*first, *second}):
        same = first.get(name) == second.get(name)
        print(f"{first.get(name, '-'):64}  {name}" + ("" if same else "   DIFFERS"))
    if first != second:
        sys.exit("two builds of one source are not the same")
    print(f"{len(first)} files, twice the same")


if __name__ == "__main__":
    main()
