"""Measures one command or one daemon: by the launcher, by strace, by callgrind, from /proc."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Sequence

COLLECTED = re.compile(r"Collected : (\d+)")
CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
             "--trace-children=yes")
TOKEN = re.compile(rb"eyJ[\w.-]{1000,}")
PATIENCE_S = 30.0
TOOL_PATIENCE_S = 180.0
TRACE = "trace"
NO_CALL = re.compile(r"(?:\d+ +)?(?:\+\+\+|---|<\.\.\. )")
OPENED = re.compile(r'(?:open|openat|execve)\((?:AT_FDCWD, )?"(/[^"]+)".* = \d+')


class Failed(Exception):
    """A measurement did not work; the text says how."""


@dataclass(frozen=True)
class Cost:
    """Of one run of a command."""

    wall_ms: float
    cpu_ms: float
    faults: int


@dataclass(frozen=True)
class Target:
    """A command with everything filled in. `output` is where its standard output goes."""

    command: Sequence[str]
    output: Path
    file: Path
    environment: Mapping[str, str]
    prints: bool
    has_token: bool = True

    def clear(self) -> None:
        self.file.unlink(missing_ok=True)

    def check(self) -> None:
        """The command did what it is measured for."""
        if not self.has_token:
            return
        place = self.output if self.prints else self.file
        if not place.exists() or not TOKEN.search(place.read_bytes()):
            raise Failed(f"{self.command[0]}: no token in {place.name}")


class Launcher:
    def __init__(self, program: Path) -> None:
        self._program = str(program)

    def _run(self, target: Target, *options: str) -> List[int]:
        target.clear()
        done = subprocess.run([self._program, *options, str(target.output), *target.command],
                              env=dict(target.environment), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              timeout=TOOL_PATIENCE_S)
        told = [int(each) for each in done.stdout.split()]
        if not told or told[0] != 0:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise Failed(f"{target.command[0]}: exit {told[:1]} {words[-1:]}")
        target.check()
        return told

    def cost(self, target: Target) -> Cost:
        _, wall_ns, cpu_ns, _, faults, _ = self._run(target)
        return Cost(wall_ns / 1e6, cpu_ns / 1e6, faults)

    def peak_kib(self, target: Target) -> int:
        """The largest process's, as it was at its end."""
        return self._run(target, "-e")[3]


@dataclass(frozen=True)
class Trace:
    """What strace saw."""

    call_count: int
    files_bytes: int  # of the regular files that were opened or executed


def trace(target: Target, folder: Path) -> Trace:
    """Leaves what strace wrote in folder/TRACE."""
    target.clear()
    path = folder / TRACE
    path.unlink(missing_ok=True)
    with target.output.open("wb") as output:
        done = subprocess.run(["strace", "-f", "-o", str(path), *target.command],
                              env=dict(target.environment), stdin=subprocess.DEVNULL, stdout=output,
                              stderr=subprocess.DEVNULL, timeout=TOOL_PATIENCE_S, check=False)
    if done.returncode != 0:
        raise Failed(f"strace {target.command[0]}: exit {done.returncode}")
    target.check()
    calls = calls_of(path)
    return Trace(len(calls), files_size(calls, {target.file, target.output}))


def calls_of(path: Path) -> List[str]:
    """One line for each system call; that which was going on when another thread's came, once."""
    return [line for line in path.read_text(errors="replace").splitlines()
            if not NO_CALL.match(line)]


def calls_between(path: Path, call: str, first: int) -> float:
    """System calls from one `call` to the next, on average, from the one numbered `first` on."""
    calls = calls_of(path)
    places = [index for index, line in enumerate(calls) if re.search(call, line)][first:]
    if len(places) < 2:
        raise Failed(f"strace saw too few of {call}")
    return (places[-1] - places[0]) / (len(places) - 1)


def files_size(calls: Sequence[str], without: "set[Path]") -> int:
    names = {match[1] for match in map(OPENED.search, calls) if match}
    found: Dict[int, int] = {}
    for name in names:
        if name.startswith(("/proc/", "/sys/", "/dev/null", "/dev/tty")) or Path(name) in without:
            continue
        try:
            facts = os.stat(name)
        except OSError:
            continue
        if os.path.isfile(name):
            found[facts.st_ino] = facts.st_size
    return sum(found.values())


def collected(text: str) -> int:
    """The sum over all processes."""
    counts = [int(each) for each in COLLECTED.findall(text)]
    if not counts:
        raise Failed("callgrind counted nothing")
    return sum(counts)


def instructions(target: Target, clear: bool = True) -> int:
    if clear:
        target.clear()
    with target.output.open("wb") as output:
        done = subprocess.run([*CALLGRIND, *target.command], env=dict(target.environment),
                              stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
                              timeout=TOOL_PATIENCE_S, check=False)
    if done.returncode != 0:
        raise Failed(f"callgrind: exit {done.returncode}")
    target.check()
    return collected(done.stderr.decode("utf-8", "replace"))


# ---- daemons ------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Snapshot:
    """A daemon's counters at one moment, with all its threads (and the children that it has waited
    for, but for `switches` and `wakes`)."""

    cpu_us: float
    faults: int
    switches: int
    wakes: int  # switches that it asked for: as often it has been waked
    rss_kib: int
    thread_count: int


def wait_for(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"not seen within {patience_s:.0f} s: {what}")
        time.sleep(0.005)


class Daemon:
    """A process that refreshes one file, or miagent with several. `stop` ends it."""

    def __init__(self, command: Sequence[str], files: Sequence[Path],
                 environment: Mapping[str, str], tool: Sequence[str] = ()) -> None:
        self.files = list(files)
        for file in self.files:
            file.unlink(missing_ok=True)
        self.process = subprocess.Popen([*tool, *command], env=dict(environment),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self._is_alone = not tool
        self._name = command[0]
        self.stderr = ""
        try:
            wait_for(lambda: self.is_over() or all(each.exists() for each in self.files),
                     f"{command[0]}: its first token", TOOL_PATIENCE_S)
            self.check()
        except Failed:
            self.kill()
            raise

    def is_over(self) -> bool:
        return self.process.poll() is not None

    def check(self) -> None:
        if self.is_over():
            raise Failed(f"{self._name}: ended with {self.process.returncode}")
        if not all(TOKEN.search(each.read_bytes()) for each in self.files):
            raise Failed("a file without a token")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def marks(self) -> List[int]:
        """Another for each new file: tmpfs gives no inode number twice."""
        return [each.stat().st_ino for each in self.files]

    def refresh(self) -> None:
        """By SIGUSR1, which miagent obeys once a second at most: it may wait until then."""
        before = self.marks()
        self.send(signal.SIGUSR1)
        wait_for(lambda: all(now != then for now, then in zip(self.marks(), before)), "a refresh")

    def snapshot(self) -> Snapshot:
        process = Path(f"/proc/{self.process.pid}")
        stat = process.joinpath("stat").read_text(encoding="ascii").rpartition(")")[2].split()
        minor, of_children_minor, major, of_children_major = (int(each) for each in stat[7:11])
        children_ticks = int(stat[13]) + int(stat[14])
        # The process's CPU clock, in nanoseconds, as clock_getcpuclockid(3) names it.
        own_us = time.clock_gettime_ns((~self.process.pid << 3) | 2) / 1000
        switches = wakes = 0
        threads = list(process.joinpath("task").iterdir())
        for thread in threads:
            status = thread.joinpath("status").read_text(encoding="ascii")
            asked = _field(status, "voluntary_ctxt_switches")
            wakes += asked
            switches += asked + _field(status, "nonvoluntary_ctxt_switches")
        status = process.joinpath("status").read_text(encoding="ascii")
        return Snapshot(own_us + children_ticks * 1e6 / os.sysconf("SC_CLK_TCK"),
                        minor + major + of_children_minor + of_children_major, switches, wakes,
                        _field(status, "VmRSS"), len(threads))

    def stop(self) -> None:
        """SIGTERM; to what a shell waits for, too, but to no tracer."""
        if self._is_alone and not self.is_over():
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.terminate()
        try:
            _, stderr = self.process.communicate(timeout=PATIENCE_S)
            self.stderr = stderr.decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        if not self.is_over():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _field(status: str, name: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    return int(match[1]) if match else 0


Start = Callable[[Sequence[str]], Daemon]  # under a tool


def act_instructions(start: Start, act: Callable[[Daemon], None], few: int, many: int) -> float:
    """User instructions of one act, by two sessions that differ in their count of acts only."""
    counted = []
    for count in (few, many):
        daemon = start(CALLGRIND)
        try:
            for _ in range(count):
                act(daemon)
            daemon.stop()
        finally:
            daemon.kill()
        counted.append(collected(daemon.stderr))
    return (counted[1] - counted[0]) / (many - few)


def act_calls(start: Start, act: Callable[[Daemon], None], folder: Path, few: int,
              many: int) -> float:
    """System calls of one act, in the same way."""
    counted = []
    path = folder / "daemon-trace"
    for count in (few, many):
        path.unlink(missing_ok=True)
        # The tracer is a grandchild, so that the daemon is the child.
        daemon = start(("strace", "-D", "-f", "-o", str(path)))
        try:
            for _ in range(count):
                act(daemon)
            daemon.stop()
        finally:
            daemon.kill()
        wait_for(lambda: "+++ exited" in path.read_text(errors="replace"), "the trace's end")
        counted.append(len(calls_of(path)))
    return (counted[1] - counted[0]) / (many - few)

