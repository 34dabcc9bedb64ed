"""Alpine: the APKBUILD, without Alpine's tools, which Debian doesn't have.

shellcheck reads it as abuild's shell does; its facts are compared with the project's own; and its
functions are run in the order in which abuild calls them, by a compiler that stands in for Alpine's:
this machine's GCC with musl, which it finds by itself.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from pathlib import Path

from place import PACKAGING, ROOT, Failure, Place, need, version

sys.path[:0] = [str(ROOT / "tests" / "cross")]

from gcc import stand_in

FOLDER = PACKAGING / "alpine"
PARTS = ("inih", "jsmn", "llhttp", "mbedtls")
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
# SC2034, SC2154: variables that abuild reads and sets. SC3043: its shell knows `local`.
SHELLCHECK = ("shellcheck", "-s", "dash", "-e", "SC2034,SC2154,SC3043")
FUNCTIONS = """set -e
default_prepare() { :; }
. "$startdir/APKBUILD"
builddir=$(cd "$builddir" && pwd)
cd "$builddir"
prepare; build; check; package
"""
FILES = {"etc/init.d/miagent": 0o755, "usr/bin/miagent": 0o755,
         "usr/share/man/man8/miagent.8": 0o644, "usr/share/man/man5/miagent.conf.5": 0o644,
         **{f"usr/share/doc/miagent/{name}": 0o644
            for name in ("LICENSE", "NOTICE", "miagent.conf", "miagent.spdx.json")}}


def pinned(part: str) -> str:
    """A part's archive: its SHA-256 and where it comes from."""
    text = (ROOT / "toolchains" / "parts" / f"{part}.pin").read_text(encoding="utf-8")
    found = re.search(r"^archive (\S+) (\S+)$", text, re.MULTILINE)
    assert found, part
    return f"{found[1]} {found[2]}"


def lint(place: Place) -> str:
    """Its syntax, and that it says of versions and hashes what the project does."""
    need("shellcheck")
    place.output(*SHELLCHECK, str(FOLDER / "APKBUILD"), str(FOLDER / "miagent.pre-install"))
    said = place.output("sh", "-c", '. "$0"; echo "$pkgver"; echo $source; echo $sha256sums',
                        str(FOLDER / "APKBUILD"), env={**os.environ, "startdir": str(FOLDER)})
    number, sources, sums = said.splitlines()
    if number != version():
        raise Failure(f"pkgver is {number}; the program says {version()}")
    hashes = dict(zip(sums.split()[1::2], sums.split()[::2]))
    found = sorted(f"{hashes.get(name, 'no hash')} {url}" for name, url in
                   (each.split("::") for each in sources.split()))
    wanted = sorted(pinned(part) for part in PARTS)
    if found != wanted:
        raise Failure("sources aren't as pinned:\n" + "\n".join(found) + "\nbut\n" + "\n".join(wanted))
    return f"{len(found)} sources as pinned"


def functions(place: Place) -> str:
    """Its functions, run; what they put where."""
    need("g++", "cmake", "ninja")
    folder = place.fresh("alpine", "run")
    source, package = folder / "src", folder / "pkg"
    for part in PARTS:
        shutil.copytree(place.part(part), source / f"{part}-unpacked", symlinks=True)
    processor = platform.machine()
    prefix = stand_in(folder / "bin", "", processor, DEBIAN[processor])
    place.output("sh", "-c", FUNCTIONS, env={
        **os.environ, "CC": f"{prefix}gcc", "CXX": f"{prefix}g++", "startdir": str(FOLDER),
        "srcdir": str(source), "pkgdir": str(package)})
    found = {path.relative_to(package).as_posix(): path.stat().st_mode & 0o777
             for path in package.rglob("*") if path.is_file()}
    if found != FILES:
        raise Failure("\n".join(["installed:", *(f"{mode:o} {name}" for name, mode
                                                 in sorted(found.items()))]))
    return place.output(str(package / "usr/bin/miagent"), "--version").splitlines()[0]
