"""Where the checks of package recipes work, and how they tell what they saw."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
TIMEOUT_S = 1800.0  # of one command: a build on a busy machine takes minutes


class Skip(Exception):
    """This machine can't do the check; the text says why."""


class Failure(Exception):
    """The recipe is wrong; the text says how."""


class Place:
    """The build folder, with a folder for each family in it."""

    def __init__(self, build: Path) -> None:
        self.build = build

    def folder(self, family: str) -> Path:
        """Where a family's checks may write; what lies there is kept for the next run."""
        path = self.build / "packaging" / family
        path.mkdir(parents=True, exist_ok=True)
        return path

    def fresh(self, family: str, name: str) -> Path:
        """An empty folder in it."""
        path = self.folder(family) / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def part(self, name: str, *architecture: str) -> Path:
        """The folder of a pinned third-party part."""
        return Path(self.output(str(ROOT / "toolchains" / "fetch.sh"), name, *architecture,
                                stderr=None).strip())

    def output(self, *command: str, **more: Any) -> str:
        """What a command says, both ways. Failure where it ends with another status than 0."""
        done = subprocess.run(command, **{
            "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
            "text": True, "timeout": TIMEOUT_S, **more}, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}")
        return str(done.stdout)


def need(*programs: str) -> None:
    """Skip where one of them isn't here."""
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} isn't installed")


def version() -> str:
    """The program's, which stands once, in the code."""
    text = (ROOT / "agent" / "cli" / "version.h").read_text(encoding="utf-8")
    found = re.search(r'kVersion = "?([0-9.]+)', text)
    assert found, text
    return found[1]
