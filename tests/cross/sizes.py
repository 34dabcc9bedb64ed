#!/usr/bin/python3
"""A table of what was built for each processor: sizes.py FOLDER PROCESSOR…"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Dict

from builds import Build, builds

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "gates"))

import elf

SHF_WRITE, SHF_ALLOC = 1, 2
WISH_KIB = {False: 64, True: 256}  # without TLS, with it


def sizes(path: Path) -> Dict[str, int]:
    """As `size` counts: what is only read, what is loaded and written, what begins as zeroes."""
    found = {"text": 0, "data": 0, "bss": 0, "file": path.stat().st_size}
    for section in elf.Elf(path).sections():
        if section.flags & SHF_ALLOC:
            kind = ("text" if not section.flags & SHF_WRITE else
                    "bss" if section.type == elf.SHT_NOBITS else "data")
            found[kind] += section.size
    return found


def line(build: Build) -> str:
    count = sizes(build.program)
    return (f"{build.name:16}{'yes' if build.has_tls else 'no':>4}"
            + "".join(f"{count[name]:10,}" for name in ("text", "data", "bss", "file"))
            + f"{WISH_KIB[build.has_tls] * 1024:10,}")


def main() -> None:
    print(f"{'':16}{'TLS':>4}{'text':>10}{'data':>10}{'bss':>10}{'file':>10}{'wish':>10}")
    for build in builds(Path(sys.argv[1]), sys.argv[2:]):
        print(line(build))


if __name__ == "__main__":
    main()
