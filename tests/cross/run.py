#!/usr/bin/python3
"""Runs what was built for other processors, in qemu's user emulation: run.py FOLDER PROCESSOR…

Of each build: the gates of imports and of linking; the simulator's hash of four seeds, one on all
processors; the end-to-end tests of `check`, `get` and `once`, unchanged, against the emulated
endpoint on loopback. Those of `run`, `status` and the rest stay with `make test`: they look at
/proc and count system calls, which would be qemu's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Sequence

from builds import ROOT, Build, builds

PYTHON = "/usr/bin/python3"
SEEDS = (1, 2, 3, 4)
E2E_TESTS = ("check", "get", "once")
GATES = ("import", "link")


def output(command: Sequence[str], **more: object) -> str:
    """What a command says, both ways; ends this program where it fails."""
    done = subprocess.run(list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}")
    return str(done.stdout)


def wrapper(build: Build, emulator: str) -> Path:
    """A script that is run as the program is."""
    path = build.folder / "miagent.qemu"
    path.write_text(f"#!/bin/sh\nexec {emulator} {build.program} \"$@\"\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def year(build: Build, emulator: str, seed: int) -> str:
    return output([emulator, str(build.simulator), str(seed), "1"]).strip()


def e2e(build: Build, emulator: str, test: str) -> str:
    said = output([PYTHON, "-m", "unittest", "discover", "-s", str(ROOT / "tests" / "e2e"),
                   "-p", f"{test}_test.py"],
                  env={**os.environ, "MIAGENT": str(wrapper(build, emulator)),
                       "PYTHONDONTWRITEBYTECODE": "1"})
    match = re.search(r"^Ran (\d+) tests", said, re.MULTILINE)
    skipped = re.search(r"skipped=(\d+)", said)
    if match is None or match.group(1) == "0":
        sys.exit(f"{build.name}: no test of {test} was run\n{said}")
    return (f"{test} {match.group(1)} tests"
            + (f" ({skipped.group(1)} skipped)" if skipped else ""))


def run(build: Build, years: Dict[int, str]) -> None:
    emulator = build.emulator()
    if emulator is None:
        sys.exit(f"no qemu for {build.processor}: install qemu-user-static")
    for gate in GATES:
        output([PYTHON, str(ROOT / "tests" / "gates" / f"{gate}_gate.py"),
                "--product", str(build.folder)])
    done: List[str] = [output([emulator, str(build.program), "--version"]).splitlines()[0]]
    for seed in SEEDS:
        lived = year(build, emulator, seed)
        if years.setdefault(seed, lived) != lived:
            sys.exit(f"{build.name}: another life than before it:\n{lived}\n{years[seed]}")
    done.append(f"{len(SEEDS)} years simulated")
    done += [e2e(build, emulator, test) for test in E2E_TESTS]
    print(f"{build.name:16}{', '.join(done)}", flush=True)


def main() -> None:
    years: Dict[int, str] = {}
    for build in builds(Path(sys.argv[1]), sys.argv[2:]):
        run(build, years)
    print("\n".join(years.values()))


if __name__ == "__main__":
    main()
