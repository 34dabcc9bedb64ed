#!/usr/bin/python3
"""What one `get` costs: user instructions (callgrind, exact and repeatable) and system calls."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import List, Sequence

from agent_run import environment, get_command, start_emulator
from budget import over, shrink
from gate import Plant, Project, Skip, main, need

COLLECTED = re.compile(r"Collected : (\d+)")


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(list(command), env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0 or not re.fullmatch(r"[\w.-]{100,}\n", done.stdout):
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}, "
                           f"{len(done.stdout)} bytes of output\n{done.stderr}")
    return done


def instructions(command: List[str]) -> int:
    done = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command])
    match = COLLECTED.search(done.stderr)
    if not match:
        raise RuntimeError(f"callgrind counted nothing:\n{done.stderr}")
    return int(match.group(1))


def system_calls(command: List[str]) -> List[str]:
    """One line for each, the start (execve) included."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        run(["strace", "-f", "-o", str(trace), *command])
        lines = trace.read_text(errors="replace").splitlines()
    calls = [line for line in lines if not re.match(r"\d+ +(?:\+\+\+|---)", line)]
    if not calls:
        raise Skip("strace may not trace here")
    return calls


def violations(project: Project) -> List[str]:
    need("valgrind", "strace")
    with start_emulator() as emulator:
        command = get_command(project, emulator)
        counted = instructions(command)
        calls = len(system_calls(command))
    print(f"get: {counted} user instructions, {calls} system calls")
    return (over(project, "get_instructions", counted, "user instructions of get") +
            over(project, "get_system_calls", calls, "system calls of get"))


PLANTS = [Plant("instructions over the budget", shrink("get_instructions", 100), "instructions"),
          Plant("system calls over the budget", shrink("get_system_calls", 5), "system calls")]

if __name__ == "__main__":
    main(violations, PLANTS)
