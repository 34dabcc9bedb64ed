#!/usr/bin/python3
"""Builds and packs everything twice, in two folders, and compares: same_bytes.py PROCESSOR…

The second time differs in all that must not matter: the folder's name and depth, the time (a build
of code that asks for it fails: -Werror=date-time) and the files' dates, where the third-party parts
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

from builds import ROOT

SKIPPED = ("build", ".git", "__pycache__", "node_modules")
CACHE = Path(os.environ.get("MIAGENT_CACHE") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "miagent")
EPOCH = "1795000000"


def copy(target: Path) -> Path:
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*SKIPPED))
    return target


def build(root: Path, processors: List[str], environment: Dict[str, str], umask: int,
          jobs: int) -> Dict[str, str]:
    """Builds in `root`, and gives the SHA-256 of each program and each package."""
    kept = {name: value for name, value in os.environ.items()
            if "CCACHE" not in name and not name.startswith(("CMAKE_", "MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "dist", f"TARGET={' '.join(processors)}", f"JOBS={jobs}"],
                          cwd=root, env={**kept, "SOURCE_DATE_EPOCH": EPOCH, **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          preexec_fn=lambda: os.umask(umask) and None)
    if done.returncode != 0:
        sys.exit(f"the build in {root} failed\n{done.stdout}")
    made = [*root.glob("build/cross/*/miagent"), *root.glob("build/cross/*/miagent-sim"),
            *root.glob("build/dist/*")]
    return {path.relative_to(root / "build").as_posix():
            hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(made)}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="miagent-") as folder:
        first = build(copy(Path(folder) / "a"), sys.argv[1:], {}, 0o022, 2)
        deep = copy(Path(folder) / "another" / "name" / "for-the-same")
        for path in deep.rglob("*"):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        cache = Path(folder) / "parts"
        shutil.copytree(CACHE, cache, ignore=shutil.ignore_patterns("work.*", "apt"))
        second = build(deep, sys.argv[1:], {
            "MIAGENT_CACHE": str(cache), "TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8",
            "TMPDIR": "/var/tmp"}, 0o077, 1)
    for name in sorted({*first, *second}):
        same = first.get(name) == second.get(name)
        print(f"{first.get(name, '-'):64}  {name}" + ("" if same else "   DIFFERS"))
    if first != second:
        sys.exit("two builds of one source are not the same")
    print(f"{len(first)} files, twice the same")


if __name__ == "__main__":
    main()
