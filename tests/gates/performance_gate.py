#!/usr/bin/python3
"""What one `get` costs: user instructions (callgrind, exact and repeatable) and system calls. And
what one refresh costs in `run`, on a kept connection, with one file: those, and page faults.

A refresh is forced by SIGUSR1, which costs two system calls of its own; and it is quiet, as a line
of the log takes two.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

from agent_run import RESOURCE, environment, get_command, start_emulator
from budget import over, shrink
from gate import Plant, Project, Skip, main, need

COLLECTED = re.compile(r"Collected : (\d+)")
CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
MEMORY = Path("/dev/shm")  # tmpfs, as a token's file is on
PATIENCE_S = 20.0
EXCHANGE = "sendmsg("  # a request's first system call on a kept connection


def collected(stderr: str) -> int:
    match = COLLECTED.search(stderr)
    if not match:
        raise RuntimeError(f"callgrind counted nothing:\n{stderr}")
    return int(match.group(1))


def calls_of(trace: Path) -> List[str]:
    """One line for each system call."""
    calls = [line for line in trace.read_text(errors="replace").splitlines()
             if not re.match(r"(?:\d+ +)?(?:\+\+\+|---)", line)]
    if not calls:
        raise Skip("strace may not trace here")
    return calls


# ---- get ----------------------------------------------------------------------------------------

def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(list(command), env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0 or not re.fullmatch(r"[\w.-]{100,}\n", done.stdout):
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}, "
                           f"{len(done.stdout)} bytes of output\n{done.stderr}")
    return done


def get_instructions(command: List[str]) -> int:
    return collected(run([*CALLGRIND, *command]).stderr)


def get_system_calls(command: List[str]) -> int:
    """The start (execve) included."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        run(["strace", "-f", "-o", str(trace), *command])
        return len(calls_of(trace))


# ---- a refresh ----------------------------------------------------------------------------------

def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the agent did not get to {what}")
        time.sleep(0.01)


class Refreshing:
    """`run` with one token in one file, as process.pid under any tool that traces it."""

    def __init__(self, process: "subprocess.Popen[str]", file: Path) -> None:
        self.process = process
        self.file = file
        self.stderr = ""
        wait_for(file.exists, "its first token")

    def refresh(self, count: int = 1) -> None:
        for _ in range(count):
            before = self.file.stat().st_ino
            self.process.send_signal(signal.SIGUSR1)
            wait_for(lambda: self.file.stat().st_ino != before, "a refresh")

    def faults(self) -> int:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        minor, _, major = stat.rpartition(")")[2].split()[7:10]
        return int(minor) + int(major)

    def stop(self) -> None:
        self.process.terminate()
        _, self.stderr = self.process.communicate(timeout=PATIENCE_S)
        if self.process.returncode != 0:
            raise RuntimeError(f"run: exit {self.process.returncode}\n{self.stderr}")


@contextmanager
def refreshing(project: Project, url: str, tool: Sequence[str] = ()) -> Iterator[Refreshing]:
    if not os.path.ismount(MEMORY):
        raise Skip(f"there is no {MEMORY} here")
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        file = Path(name) / "token"
        conf = Path(name) / "conf"
        conf.write_text(f"[agent]\nlog_level = warning\n[token storage]\nresource = {RESOURCE}\n"
                        f"endpoint = {url}\n[file {file}]\ntoken = storage\n")
        process = subprocess.Popen([*tool, str(project.stripped), "run", "-c", str(conf)],
                                   env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            yield Refreshing(process, file)
        finally:
            process.kill()
            process.wait()


def refresh_instructions(project: Project, url: str) -> int:
    """By two sessions that differ in their count of refreshes only."""
    counted = []
    for count in (1, 3):
        with refreshing(project, url, CALLGRIND) as agent:
            agent.refresh(count)
            agent.stop()
            counted.append(collected(agent.stderr))
    return (counted[1] - counted[0]) // 2


def refresh_system_calls(project: Project, url: str) -> int:
    """From one request to the next; the signal's two are among them."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        # The tracer is a grandchild, so that the agent is the child.
        with refreshing(project, url, ("strace", "-D", "-o", str(trace))) as agent:
            agent.refresh(2)
            agent.stop()
        wait_for(lambda: "+++ exited" in trace.read_text(errors="replace"), "its end")
        calls = calls_of(trace)
    begins = [index for index, line in enumerate(calls) if line.startswith(EXCHANGE)]
    if len(begins) < 3:
        raise RuntimeError(f"{len(begins)} requests are not one to begin with and two refreshes")
    return begins[-1] - begins[-2]


def refresh_faults(project: Project, url: str) -> int:
    with refreshing(project, url) as agent:
        agent.refresh(2)  # every slot has been used by then
        before = agent.faults()
        agent.refresh()
        after = agent.faults()
        agent.stop()
    return after - before


def violations(project: Project) -> List[str]:
    need("valgrind", "strace")
    with start_emulator() as emulator:
        command = get_command(project, emulator)
        get = get_instructions(command), get_system_calls(command)
        refresh = (refresh_instructions(project, emulator.url),
                   refresh_system_calls(project, emulator.url),
                   refresh_faults(project, emulator.url))
    print(f"get: {get[0]} user instructions, {get[1]} system calls\n"
          f"a refresh: {refresh[0]} user instructions, {refresh[1]} system calls, "
          f"{refresh[2]} page faults")
    return (over(project, "get_instructions", get[0], "user instructions of get") +
            over(project, "get_system_calls", get[1], "system calls of get") +
            over(project, "refresh_instructions", refresh[0], "user instructions of a refresh") +
            over(project, "refresh_system_calls", refresh[1], "system calls of a refresh") +
            over(project, "refresh_page_faults", refresh[2], "page faults of a refresh"))


PLANTS = [Plant("instructions over the budget", shrink("get_instructions", 100), "instructions"),
          Plant("system calls over the budget", shrink("get_system_calls", 5), "system calls"),
          Plant("a refresh over the budget", shrink("refresh_system_calls", 5), "of a refresh")]

if __name__ == "__main__":
    main(violations, PLANTS)
