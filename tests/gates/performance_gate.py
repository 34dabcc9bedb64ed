#!/usr/bin/python3
"""What the program costs, by exact counts: user instructions (callgrind) and system calls (strace)
of `get`, of `once` (from nothing, and with nothing to do), and of one refresh in `run` on a kept
connection with one file; of that, page faults, too.

A refresh is forced by SIGUSR1, which costs two system calls of its own; and it is quiet, as a line
of the log takes two.

What exceeds its budget is told with what grew: the functions and the calls, compared with those of
profile.json. `--report` measures that file anew; it belongs into the commit that moves a budget.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Sequence

from agent_run import RESOURCE, environment, get_command, start_emulator
from budget import over, shrink
from gate import Plant, Project, Skip, main, need, output

COLLECTED = re.compile(r"Collected : (\d+)")
FUNCTION = re.compile(r"^\s*([\d,]+) \([\d. ]+%\)\s+\S*?:(?=\D)(.+?)(?: \[/\S*\])?$")
MEMORY = Path("/dev/shm")  # tmpfs, as a token's file is on
PATIENCE_S = 20.0
EXCHANGE = "sendmsg("  # a request's first system call on a kept connection
PROFILE = "tests/gates/profile.json"
PROFILE_COUNT = 40     # functions of each that are remembered
GREW_COUNT = 8         # and told


@dataclass(frozen=True)
class Cost:
    """Of one act: where its instructions go, and its system calls in their order."""

    instructions: int
    functions: Dict[str, int]
    calls: List[str]


def callgrind(profile: Path) -> Sequence[str]:
    return ("valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}")


def collected(stderr: str) -> int:
    match = COLLECTED.search(stderr)
    if not match:
        raise RuntimeError(f"callgrind counted nothing:\n{stderr}")
    return int(match.group(1))


def functions_of(profile: Path) -> Dict[str, int]:
    """Instructions by function, without what it calls."""
    found: Dict[str, int] = {}
    for line in output(["callgrind_annotate", "--threshold=100", str(profile)]).splitlines():
        match = FUNCTION.match(line)
        if match:
            name = match[2].replace("miagent::", "").replace("(anonymous namespace)::", "")
            name = name.split("(")[0]
            found[name] = found.get(name, 0) + int(match[1].replace(",", ""))
    return found


def calls_of(trace: Path) -> List[str]:
    """One line for each system call."""
    calls = [line for line in trace.read_text(errors="replace").splitlines()
             if not re.match(r"(?:\d+ +)?(?:\+\+\+|---)", line)]
    if not calls:
        raise Skip("strace may not trace here")
    return calls


def names_of(calls: Sequence[str]) -> List[str]:
    return [re.sub(r"^\d+ +", "", line).split("(")[0] for line in calls]


# ---- a command ----------------------------------------------------------------------------------

def run(command: Sequence[str]) -> str:
    """Its standard error."""
    done = subprocess.run(list(command), env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}, "
                           f"{len(done.stdout)} bytes of output\n{done.stderr}")
    return done.stderr


def cost_of(command: Sequence[str], prepare: Callable[[], None] = lambda: None) -> Cost:
    """From execve to exit, both included."""
    with tempfile.TemporaryDirectory() as folder:
        profile, trace = Path(folder) / "profile", Path(folder) / "trace"
        prepare()
        count = collected(run([*callgrind(profile), *command]))
        prepare()
        run(["strace", "-f", "-o", str(trace), *command])
        return Cost(count, functions_of(profile), names_of(calls_of(trace)))


@contextmanager
def configuration(url: str) -> Iterator[Path]:
    """One of one token in one file, named `token`, beside it."""
    if not os.path.ismount(MEMORY):
        raise Skip(f"there is no {MEMORY} here")
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        conf = Path(name) / "conf"
        conf.write_text(f"[agent]\nlog_level = warning\n[token storage]\nresource = {RESOURCE}\n"
                        f"endpoint = {url}\n[file {name}/token]\ntoken = storage\n")
        yield conf


def once_costs(project: Project, url: str) -> "tuple[Cost, Cost]":
    """With no file there; and with a fresh one, which needs no request."""
    with configuration(url) as conf:
        command = [str(project.symbols), "once", "-c", str(conf)]
        file = conf.parent / "token"
        cold = cost_of(command, lambda: file.unlink(missing_ok=True))
        before = file.stat().st_ino
        fresh = cost_of(command)
        if file.stat().st_ino != before:
            raise RuntimeError("once wrote a file that was fresh")
        return cold, fresh


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
    with configuration(url) as conf:
        process = subprocess.Popen([*tool, str(project.symbols), "run", "-c", str(conf)],
                                   env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            yield Refreshing(process, conf.parent / "token")
        finally:
            process.kill()
            process.wait()


def refresh_cost(project: Project, url: str) -> Cost:
    counted, functions = [], []
    with tempfile.TemporaryDirectory() as folder:
        # Two sessions that differ in their count of refreshes only.
        for count in (1, 3):
            profile = Path(folder) / str(count)
            with refreshing(project, url, callgrind(profile)) as agent:
                agent.refresh(count)
                agent.stop()
                counted.append(collected(agent.stderr))
            functions.append(functions_of(profile))
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
    return Cost((counted[1] - counted[0]) // 2,
                {name: (count - functions[0].get(name, 0)) // 2
                 for name, count in functions[1].items()},
                names_of(calls[begins[-2]:begins[-1]]))  # the signal's two are among them


def refresh_faults(project: Project, url: str) -> int:
    with refreshing(project, url) as agent:
        agent.refresh(2)  # every slot has been used by then
        before = agent.faults()
        agent.refresh()
        after = agent.faults()
        agent.stop()
    return after - before


# ---- the whole ----------------------------------------------------------------------------------

@lru_cache(maxsize=None)  # a self-test's copies have the same program
def measured(symbols: Path, product: Path) -> "tuple[Dict[str, Cost], int]":
    project = Project(product, product, product, symbols)
    with start_emulator() as emulator:
        cold, fresh = once_costs(project, emulator.url)
        costs = {"get": cost_of(get_command(project, emulator)), "once": cold,
                 "once_fresh": fresh, "refresh": refresh_cost(project, emulator.url)}
        return costs, refresh_faults(project, emulator.url)


def grew(project: Project, name: str, cost: Cost, is_calls: bool) -> str:
    """What is more than it was when profile.json was made."""
    then = json.loads((project.root / PROFILE).read_text(encoding="utf-8"))[name]
    if is_calls:
        lines = difflib.unified_diff(then["calls"], cost.calls, n=1, lineterm="")
        return "".join(f"\n    {line}" for line in list(lines)[2:])
    # One that isn't remembered took less than the least that is.
    least = min(then["functions"].values())
    by_growth = sorted(((count - then["functions"].get(function, least), function)
                        for function, count in cost.functions.items()), reverse=True)
    return "".join(f"\n    {growth:+} {function}" for growth, function in by_growth[:GREW_COUNT]
                   if growth > 0)


def violations(project: Project) -> List[str]:
    need("valgrind", "strace")
    costs, faults = measured(project.symbols, project.product)
    found = []
    for name, cost in costs.items():
        print(f"{name}: {cost.instructions} user instructions, {len(cost.calls)} system calls")
        for what, count, is_calls in (("instructions", cost.instructions, False),
                                      ("system_calls", len(cost.calls), True)):
            found += [text + grew(project, name, cost, is_calls) for text in
                      over(project, f"{name}_{what}", count, f"{what} of {name}")]
    print(f"refresh: {faults} page faults")
    return found + over(project, "refresh_page_faults", faults, "page faults of a refresh")


def report(project: Project) -> None:
    costs, _ = measured(project.symbols, project.product)
    profile = {}
    for name, cost in costs.items():
        largest = sorted(cost.functions.items(), key=lambda item: -item[1])[:PROFILE_COUNT]
        profile[name] = {"calls": cost.calls, "functions": dict(largest)}
    (project.root / PROFILE).write_text(json.dumps(profile, indent=1) + "\n", encoding="utf-8")


PLANTS = [Plant("instructions over the budget", shrink("get_instructions", 100),
                "instructions of get"),
          Plant("system calls over the budget", shrink("once_system_calls", 5),
                "system_calls of once"),
          Plant("a refresh over the budget", shrink("refresh_system_calls", 5), "of refresh")]

if __name__ == "__main__":
    main(violations, PLANTS, report)
