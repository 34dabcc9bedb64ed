"""What a run does, in order: cold starts, daemons, idling, counts, scale."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar

import install
import measure
from measure import Cost, Daemon, Failed, Launcher, Snapshot, Target
from peers import BASE, DAEMON_ORDER, PEERS, SERVER, Peer, by_key

PERIOD_S = 1.1    # between two refreshes; miagent obeys SIGUSR1 once a second
WARM_COUNT = 2
IDLE_MS = 3_600_000
COUNT_MAX = 1_000_000
WAKE_COUNT = 20
WAKE_INTERVAL_S = 0.05
FLAT_OUT = 64
TOKENS_MAX, FILES_MAX = 64, 128  # as in agent/limits.h


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    name: str
    rounds: int            # cold starts of each
    heavy_every: int       # rounds in which those that take long run, too
    windows: int           # a daemon's CPU is the median of so many windows
    window_ticks: int      # of so many refreshes
    idle_s: float
    long_rounds: int       # of 64 refreshes each
    long_tokens: int
    counts_of_peers: bool  # instructions of the peers: callgrind takes minutes
    scale: Tuple[Tuple[int, int], ...]  # tokens, files for each
    scale_samples: int
    warm: int              # refreshes before any counts: every slot has been used by then
    settle_s: float        # before idling counts
    acts: int              # by which two sessions under a tool differ
    has_tools: bool = True        # strace and callgrind
    has_scale_tools: bool = True  # there, too


FULL = Plan("full", 150, 5, 5, 10, 61.0, 157, 64, True,
            ((1, 1), (1, 2), (1, 4), (8, 1), (8, 4), (64, 1), (64, 2), (64, 4), (1024, 1),
             (1024, 2)), 30, 3, 15.0, 3)
QUICK = Plan("quick", 15, 5, 2, 4, 8.0, 6, 64, False, ((1, 1), (64, 1)), 5, 2, 2.0, 1,
             has_scale_tools=False)
SMOKE = Plan("smoke", 2, 1, 1, 1, 0.5, 1, 2, False, ((2, 2),), 1, 1, 0.1, 1, has_tools=False,
             has_scale_tools=False)


@dataclass(frozen=True)
class Places:
    product: Path
    large: Path  # the product again, with room for 1,024 tokens; where the plan has so many
    bench: Path
    clients: Path
    work: Path  # on tmpfs


@dataclass
class Cold:
    costs: List[Cost] = field(default_factory=list)
    peak_kib: Optional[int] = None
    calls: Optional[int] = None
    files_bytes: Optional[int] = None
    instructions: Optional[int] = None
    installed_bytes: int = 0


@dataclass
class Running:
    cpu_us: List[float] = field(default_factory=list)      # a refresh, of each window
    faults: List[float] = field(default_factory=list)
    switches: List[float] = field(default_factory=list)
    rss_kib: int = 0
    threads: int = 0
    calls: Optional[float] = None
    instructions: Optional[float] = None
    idle_cpu_us: Optional[float] = None   # a minute
    idle_wakes: Optional[float] = None    # an hour


@dataclass
class Scale:
    tokens: int
    files: int
    start: List[Cost] = field(default_factory=list)
    start_calls: Optional[int] = None
    start_instructions: Optional[int] = None
    due: List[Cost] = field(default_factory=list)
    refresh_cpu_us: float = 0.0  # of one token
    refresh_faults: float = 0.0
    refresh_calls: Optional[float] = None
    refresh_instructions: Optional[float] = None
    wake_cpu_us: float = 0.0
    wake_calls: Optional[float] = None
    wake_instructions: Optional[float] = None
    rss_kib: int = 0


@dataclass
class Long:
    """Memory before and after many refreshes."""

    refreshes: int = 0
    tokens: int = 0
    rss_kib: Tuple[int, int] = (0, 0)


@dataclass
class Results:
    plan: Plan
    cold: Dict[str, Cold] = field(default_factory=dict)
    running: Dict[str, Running] = field(default_factory=dict)
    scale: List[Scale] = field(default_factory=list)
    long: Long = field(default_factory=Long)
    flat_out: List[Tuple[float, float]] = field(default_factory=list)  # ms: the floor, miagent
    machine: List[str] = field(default_factory=list)
    skipped: Dict[str, str] = field(default_factory=dict)
    minutes: float = 0.0


def tell(text: str) -> None:
    print(text, flush=True)


Value = TypeVar("Value")


class Session:
    """A run: the server is up, and results gather."""

    def __init__(self, selected: Sequence[Peer], plan: Plan, places: Places,
                 results: Results) -> None:
        self.selected = list(selected)
        self.plan = plan
        self.places = places
        self.results = results
        self.launcher = Launcher(places.bench / "launch")
        self.random = random.Random(1)

    # ---- commands -------------------------------------------------------------------------------

    def environment(self, more: Mapping[str, str]) -> Dict[str, str]:
        """Small and the same for all, as it is part of what is measured."""
        base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}
        return {**base, **{name: self.fill(text, {}) for name, text in more.items()}}

    def fill(self, text: str, more: Mapping[str, str]) -> str:
        return text.format(bench=self.places.bench, product=self.places.product,
                           samples=install.SAMPLES, clients=self.places.clients, **more)

    def folder(self, peer: Peer) -> Path:
        folder = self.places.work / peer.key
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def command(self, peer: Peer, command: Sequence[str], interval_ms: int = 0,
                count: int = 1) -> List[str]:
        folder = self.folder(peer)
        more = {"file": str(folder / "token"), "conf": str(folder / "conf"),
                "interval": str(interval_ms), "interval_s": str(interval_ms / 1000),
                "count": str(count)}
        write_conf(folder, 1, 1, peer.endpoint)
        return [self.fill(text, more) for text in command]

    def target(self, peer: Peer) -> Target:
        assert peer.cold
        folder = self.folder(peer)
        return Target(self.command(peer, peer.cold), folder / "output", folder / "token",
                      self.environment(peer.environment), peer.prints, peer.key != "empty")

    def start(self, peer: Peer, interval_ms: int, count: int = COUNT_MAX,
              tool: Sequence[str] = ()) -> Daemon:
        assert peer.daemon
        return Daemon(self.command(peer, peer.daemon, interval_ms, count),
                      [self.folder(peer) / "token"],
                      self.environment({**peer.environment, **peer.daemon_environment}), tool)

    def attempt(self, peer: Peer, what: str, act: Callable[[], Value]) -> Optional[Value]:
        """A measurement; where it doesn't work, that is told, and the others go on."""
        try:
            return act()
        except (Failed, OSError, subprocess.SubprocessError) as failure:
            label = peer.label.replace("*", "")
            tell(f"skipped: {label}: {what}: {failure}")
            self.results.skipped[f"{label}: {what}"] = str(failure)[:120]
            return None

    # ---- cold starts ----------------------------------------------------------------------------

    def cold(self) -> None:
        rows = [peer for peer in self.selected if peer.cold]
        targets = {}
        for peer in list(rows):  # once unmeasured: what it needs is in the page cache then
            target = self.target(peer)
            if self.attempt(peer, "cold start", lambda: self.launcher.cost(target)) is None:
                rows.remove(peer)
                continue
            targets[peer.key] = target
            self.results.cold[peer.key] = Cold(installed_bytes=install.installed_bytes(
                [self.fill(path, {}) for path in peer.installed], peer.depends))
        for turn in range(self.plan.rounds):
            order = [peer for peer in rows if turn % self.plan.heavy_every == 0
                     or not peer.is_heavy]
            self.random.shuffle(order)
            for peer in order:
                self.results.cold[peer.key].costs.append(
                    self.launcher.cost(targets[peer.key]))
        for peer in rows:
            self._count(peer, targets[peer.key], self.results.cold[peer.key])

    def _count(self, peer: Peer, target: Target, cold: Cold) -> None:
        cold.peak_kib = self.attempt(peer, "peak", lambda: self.launcher.peak_kib(target))
        if not self.plan.has_tools:
            return
        seen = self.attempt(peer, "strace", lambda: measure.trace(target, self.places.work))
        if seen:
            cold.calls, cold.files_bytes = seen.call_count, seen.files_bytes
        if peer.kind != "peer" or self.plan.counts_of_peers:
            cold.instructions = self.attempt(peer, "callgrind",
                                             lambda: measure.instructions(calm(peer, target)))

    # ---- daemons --------------------------------------------------------------------------------

    def daemon_rows(self) -> List[Peer]:
        return [by_key(key) for key in DAEMON_ORDER if by_key(key) in self.selected]

    @contextmanager
    def all_running(self, interval_ms: int) -> Iterator[Dict[str, Daemon]]:
        running: Dict[str, Daemon] = {}
        try:
            for peer in self.daemon_rows():
                daemon = self.attempt(peer, "daemon", lambda: self.start(peer, interval_ms))
                if daemon:
                    running[peer.key] = daemon
            yield running
        finally:
            for daemon in running.values():
                daemon.stop()

    def refreshes(self) -> None:
        """All at once, each once in PERIOD_S, one after the other as far as they go by signals."""
        with self.all_running(int(PERIOD_S * 1000)) as running:
            signalled = {key: 0 for key in running if by_key(key).driver == "signal"}
            self._tick(running, signalled, self.plan.warm)
            for _ in range(self.plan.windows):
                before = snapshots(running), self._counts(running, signalled)
                self._tick(running, signalled, self.plan.window_ticks)
                after = snapshots(running), self._counts(running, signalled)
                for key in running:
                    self._window(key, before[0][key], after[0][key],
                                 after[1][key] - before[1][key])
            for key, daemon in running.items():
                last = daemon.snapshot()
                row = self.results.running.setdefault(key, Running())
                row.rss_kib, row.threads = last.rss_kib, last.thread_count

    def _tick(self, running: Dict[str, Daemon], signalled: Dict[str, int], ticks: int) -> None:
        pause_s = PERIOD_S / (len(signalled) + 1)
        for _ in range(ticks):
            end = time.monotonic() + PERIOD_S
            for key in signalled:
                running[key].refresh()
                signalled[key] += 1
                time.sleep(pause_s / 2)
            time.sleep(max(0.0, end - time.monotonic()))

    @staticmethod
    def _counts(running: Dict[str, Daemon], signalled: Dict[str, int]) -> Dict[str, int]:
        asked = served()
        return {key: signalled.get(key, asked.get(by_key(key).resource, 0)) for key in running}

    def _window(self, key: str, before: Snapshot, after: Snapshot, count: int) -> None:
        if count <= 0:
            return
        row = self.results.running.setdefault(key, Running())
        row.cpu_us.append((after.cpu_us - before.cpu_us) / count)
        row.faults.append((after.faults - before.faults) / count)
        row.switches.append((after.switches - before.switches) / count)

    def idle(self) -> None:
        """All hold a token and have nothing to do; meanwhile, another one refreshes 64 often."""
        with self.all_running(IDLE_MS) as running, self.long_daemon() as busy:
            time.sleep(self.plan.settle_s)
            for _ in range(self.plan.warm):
                busy.refresh()
            first = busy.snapshot()
            before, began = snapshots(running), time.monotonic()
            rounds = 0
            while rounds < self.plan.long_rounds or running:
                if rounds < self.plan.long_rounds:
                    busy.refresh()
                    rounds += 1
                passed_s = time.monotonic() - began
                if running and passed_s >= self.plan.idle_s:
                    self._idled(before, snapshots(running), passed_s)
                    for daemon in running.values():
                        daemon.stop()
                    running.clear()
                time.sleep(0.1)
            self.results.long = Long(rounds * self.plan.long_tokens, self.plan.long_tokens,
                                     (first.rss_kib, busy.snapshot().rss_kib))

    def _idled(self, before: Dict[str, Snapshot], after: Dict[str, Snapshot],
               passed_s: float) -> None:
        for key, then in before.items():
            row = self.results.running.setdefault(key, Running())
            row.idle_cpu_us = (after[key].cpu_us - then.cpu_us) * 60 / passed_s
            row.idle_wakes = (after[key].wakes - then.wakes) * 3600 / passed_s

    @contextmanager
    def long_daemon(self) -> Iterator[Daemon]:
        daemon = self.own_daemon("long", self.plan.long_tokens, 1)
        try:
            yield daemon
        finally:
            daemon.stop()

    def own_daemon(self, name: str, tokens: int, files: int, tool: Sequence[str] = ()) -> Daemon:
        folder = self.places.work / name
        folder.mkdir(mode=0o700, exist_ok=True)
        conf, paths = write_conf(folder, tokens, files)
        return Daemon([str(self.product_for(tokens, files) / "miagent"), "run", "-c", str(conf)],
                      paths, self.environment({}), tool)

    def product_for(self, tokens: int, files: int) -> Path:
        return self.places.large if is_large(tokens, files) else self.places.product

    def daemon_counts(self) -> None:
        """System calls and instructions of a refresh, in sessions of their own."""
        for peer in self.daemon_rows():
            if peer.key not in self.results.running:
                continue
            row = self.results.running[peer.key]
            if peer.driver == "signal":
                def start(tool: Sequence[str]) -> Daemon:
                    return self.start(peer, 0, tool=tool)
                row.calls = self.attempt(peer, "strace", lambda: measure.act_calls(
                    start, Daemon.refresh, self.places.work, 1, 1 + self.plan.acts))
                row.instructions = self.attempt(peer, "callgrind", lambda: (
                    measure.act_instructions(start, Daemon.refresh, 1, 1 + self.plan.acts)))
            elif self.plan.counts_of_peers:
                row.calls = self.attempt(peer, "strace", lambda: self._timer_calls(peer))
                if peer.key.startswith("go"):  # the others would take minutes
                    row.instructions = self.attempt(
                        peer, "callgrind", lambda: self._timer_instructions(peer))

    def _timer_target(self, peer: Peer, interval_ms: int, count: int) -> Target:
        assert peer.daemon
        folder = self.folder(peer)
        environment = self.environment({**peer.environment, **peer.daemon_environment})
        return Target(self.command(peer, peer.daemon, interval_ms, count), folder / "output",
                      folder / "token", environment, False)

    def _timer_calls(self, peer: Peer) -> float:
        """From one rename of the file to the next, without the first ones: they are the start's."""
        measure.trace(self._timer_target(peer, int(PERIOD_S * 1000), WARM_COUNT + 5),
                      self.places.work)
        path = str(self.folder(peer) / "token")
        # The exec of `mv` where it isn't the program's own rename, whose arguments look the same.
        call = r"execve\(.*mv\"" if peer.key == "jq" else r"rename.*" + re.escape(f'"{path}"')
        return measure.calls_between(self.places.work / measure.TRACE, call, WARM_COUNT)

    def _timer_instructions(self, peer: Peer) -> float:
        """By two runs that differ in their count of refreshes only."""
        few, many = 2, 12
        counted = [measure.instructions(calm(peer, self._timer_target(peer, 20, count)))
                   for count in (few, many)]
        return (counted[1] - counted[0]) / (many - few)

    # ---- scale ----------------------------------------------------------------------------------

    def scale(self) -> None:
        miagent = by_key("miagent")
        for tokens, files in self.plan.scale:
            row = Scale(tokens, files)
            if self.attempt(miagent, f"{tokens} tokens", lambda: self._scale_one(row)):
                self.results.scale.append(row)
        self._flat_out()

    def _scale_one(self, row: Scale) -> bool:
        folder = self.places.work / f"scale-{row.tokens}-{row.files}"
        folder.mkdir(mode=0o700)
        conf, paths = write_conf(folder, row.tokens, row.files)
        product = self.product_for(row.tokens, row.files)
        once = Target([str(product / "miagent"), "once", "-c", str(conf)],
                      folder / "output", folder / "none", self.environment({}), False, False)
        for _ in range(self.plan.scale_samples):
            for path in paths:
                path.unlink(missing_ok=True)
            row.due.append(self.launcher.cost(once))
            row.start.append(self.launcher.cost(once))  # all are fresh now: nothing to ask
        if self.plan.has_scale_tools:
            row.start_calls = measure.trace(once, self.places.work).call_count
            row.start_instructions = measure.instructions(once, clear=False)

        def start(tool: Sequence[str]) -> Daemon:
            return self.own_daemon(folder.name, row.tokens, row.files, tool)
        self._scale_daemon(row, start(()))
        if self.plan.has_scale_tools:
            work = self.places.work
            row.refresh_calls = measure.act_calls(start, Daemon.refresh, work, 1, 3) / row.tokens
            row.wake_calls = measure.act_calls(start, wake, work, 2, 12)
            row.refresh_instructions = measure.act_instructions(
                start, Daemon.refresh, 1, 3) / row.tokens
            row.wake_instructions = measure.act_instructions(start, wake, 2, 12)
        return True

    def _scale_daemon(self, row: Scale, daemon: Daemon) -> None:
        try:
            for _ in range(self.plan.warm):
                daemon.refresh()
            rounds = max(1, self.plan.scale_samples // 5)
            before = daemon.snapshot()
            for _ in range(rounds):
                time.sleep(PERIOD_S / 10)
                daemon.refresh()
            after = daemon.snapshot()
            row.refresh_cpu_us = (after.cpu_us - before.cpu_us) / rounds / row.tokens
            row.refresh_faults = (after.faults - before.faults) / rounds / row.tokens
            row.rss_kib = after.rss_kib
            for _ in range(WAKE_COUNT):
                wake(daemon)
                time.sleep(WAKE_INTERVAL_S)
            row.wake_cpu_us = (daemon.snapshot().cpu_us - after.cpu_us) / WAKE_COUNT
        finally:
            daemon.stop()

    def _flat_out(self) -> None:
        """64 refreshes one after the other, from a cold start: one file by the floor, 64 by us."""
        floor = by_key("floor_keep")
        assert floor.daemon
        folder = self.places.work / "flat-out"
        folder.mkdir(mode=0o700)
        conf, paths = write_conf(folder, FLAT_OUT, 1)
        command = [*self.command(floor, floor.daemon), str(FLAT_OUT)]
        of_floor = Target(command, folder / "output", self.folder(floor) / "token",
                          self.environment({}), False)
        once = Target([str(self.places.product / "miagent"), "once", "-c", str(conf)],
                      folder / "output", paths[-1], self.environment({}), False)
        for _ in range(self.plan.scale_samples):
            for path in paths:
                path.unlink(missing_ok=True)
            self.results.flat_out.append((self.launcher.cost(of_floor).wall_ms,
                                          self.launcher.cost(once).wall_ms))


# ---- what the phases share ----------------------------------------------------------------------

def write_conf(folder: Path, tokens: int, files: int,
               endpoint: str = BASE) -> Tuple[Path, List[Path]]:
    """miagent's configuration: quiet, as the others are; and the files that it names."""
    lines = ["[agent]", "log_level = warning"]
    paths = []
    for token in range(tokens):
        lines += [f"[token t{token}]", f"resource = https://r{token}.example/"]
        lines += [] if endpoint == BASE else [f"endpoint = {endpoint}"]
        for file in range(files):
            name = "token" if tokens == files == 1 else f"token-{token}-{file}"
            paths.append(folder / name)
            lines += [f"[file {paths[-1]}]", f"token = t{token}"]
    conf = folder / "conf"
    conf.write_text("\n".join(lines) + "\n", encoding="ascii")
    return conf, paths


def calm(peer: Peer, target: Target) -> Target:
    """As callgrind can bear it."""
    return replace(target, environment={**target.environment, **peer.callgrind_environment})


def is_large(tokens: int, files: int) -> bool:
    """Beyond the limits that the product is built with."""
    return tokens > TOKENS_MAX or tokens * files > FILES_MAX


def snapshots(running: Mapping[str, Daemon]) -> Dict[str, Snapshot]:
    return {key: daemon.snapshot() for key, daemon in running.items()}


def served() -> Dict[str, int]:
    """How many tokens the server gave, by the first part of the resource's host."""
    with urllib.request.urlopen(f"{BASE}/counts", timeout=10) as answer:
        lines = answer.read().decode("ascii").splitlines()
    found = (re.match(r"(\d+) https(?:%3A%2F%2F|://)([\w-]+)\.example", line, re.I)
             for line in lines)
    return {each[2]: int(each[1]) for each in found if each}


def wake(daemon: Daemon) -> None:
    """SIGUSR2: without a status file, a wake-up in which there is nothing to do."""
    daemon.send(signal.SIGUSR2)
    mask = 1 << (signal.SIGUSR2 - 1)
    path = Path(f"/proc/{daemon.process.pid}/status")

    def is_taken() -> bool:
        pending = re.search(r"^ShdPnd:\s+(\w+)", path.read_text(encoding="ascii"), re.MULTILINE)
        return pending is not None and not int(pending[1], 16) & mask
    measure.wait_for(is_taken, "the signal's end")


@contextmanager
def server(program: Path) -> Iterator[None]:
    process = subprocess.Popen([str(program), *SERVER], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    try:
        assert process.stdout
        if process.stdout.readline() != b"listening\n":
            sys.exit("bench.py: the server doesn't listen")
        yield
    finally:
        process.kill()
        process.wait()


def machine(places: Places) -> List[str]:
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    flags = " (virtual)" if "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    memory = re.search(r"\d+", Path("/proc/meminfo").read_text())
    version = subprocess.run([str(places.product / "miagent"), "--version"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout.splitlines()[0]
    facts = os.uname()
    return [f"{cpu[1] if cpu else facts.machine}{flags}, {os.cpu_count()} processors, "
            f"{int(memory[0]) / 2**20 if memory else 0:.0f} GiB",
            f"Linux {facts.release} {facts.machine}", version,
            f"load average when it began {os.getloadavg()[0]:.2f}",
            time.strftime("%Y-%m-%d", time.gmtime())]


def run(selected: Sequence[Peer], plan: Plan, places: Places, skipped: Dict[str, str]) -> Results:
    assert len({peer.key for peer in PEERS}) == len(PEERS)
    results = Results(plan, machine=machine(places), skipped=dict(skipped))
    with server(places.bench / "server"):
        session = Session(selected, plan, places, results)
        for what, phase in (("cold starts", session.cold), ("refreshes", session.refreshes),
                            ("idling, and many refreshes", session.idle),
                            ("counts of a refresh", session.daemon_counts),
                            ("scale", session.scale)):
            if phase == session.daemon_counts and not plan.has_tools:
                continue
            began = time.monotonic()
            phase()
            tell(f"{what}: {time.monotonic() - began:.0f} s")
    return results
