"""Runs the real binary against an emulator on loopback, for the gates that measure it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "emulator"))

from harness import Emulator, clean_environment  # noqa: E402

from gate import Project, Skip  # noqa: E402

RESOURCE = "https://storage.azure.com/"


def start_emulator() -> Emulator:
    try:
        return Emulator("--lifetime", "1h")
    except RuntimeError as error:
        raise Skip(f"the emulator doesn't start here: {error}") from error


def get_command(project: Project, emulator: Emulator) -> List[str]:
    return [str(project.stripped), "get", "--endpoint", emulator.url, "--resource", RESOURCE]


def environment() -> Dict[str, str]:
    """Small and always the same, as it is part of what is measured."""
    return {"PATH": clean_environment().get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent"}
