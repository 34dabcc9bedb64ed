"""The build folders that `make cross` fills: PROCESSOR, or PROCESSOR-VARIANT."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

ROOT = Path(__file__).resolve().parents[2]
PROCESSORS = ("x86_64", "aarch64", "armv7hf", "riscv64")
QEMU = {"armv7hf": "arm"}  # where qemu has another word


@dataclass(frozen=True)
class Build:
    """One of them."""

    folder: Path
    processor: str

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def program(self) -> Path:
        return self.folder / "miagent"

    @property
    def simulator(self) -> Path:
        return self.folder / "miagent-sim"

    @property
    def has_tls(self) -> bool:
        cache = (self.folder / "CMakeCache.txt").read_text(encoding="utf-8")
        return re.search(r"^MIAGENT_TLS:BOOL=(ON|1|TRUE|YES)$", cache, re.MULTILINE) is not None

    def emulator(self) -> Optional[str]:
        """The program that runs it on any machine; None where it isn't installed."""
        return shutil.which(f"qemu-{QEMU.get(self.processor, self.processor)}-static")


def builds(folder: Path, processors: Sequence[str]) -> List[Build]:
    """Those of these processors. Ends the program where one of them wasn't built."""
    found = []
    for processor in processors:
        if processor not in PROCESSORS:
            sys.exit(f"no such processor: {processor}; there are {' '.join(PROCESSORS)}")
        folders = sorted(each for each in folder.resolve().glob(f"{processor}*")
                         if (each / "miagent").exists())
        if not folders:
            sys.exit(f"{folder}/{processor}: nothing was built there; `make cross` does")
        found += [Build(each, processor) for each in folders]
    return found
