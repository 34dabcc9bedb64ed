#!/usr/bin/python3
"""Shows the main job, on real input: `make run`.

    /usr/bin/python3 tests/e2e/demo.py build/miagent

An emulator answers as Azure's metadata service, at the real address where this machine permits a
network namespace. The agent keeps two tokens fresh in four files on tmpfs; a refresh is asked for;
an outage is survived; a separate process verifies the files. What happens is told as it happens.

It ends by itself where standard input is no terminal, else with Ctrl-C. Exit 0 only when the files
were verified, were refreshed at least once and survived the outage.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Set

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "emulator")]

import netns
import verify
from harness import PYTHON, Emulator, clean_environment, end_with_parent
from identities import user_identity

OUTAGE_S = 5
STEP_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.02
REST_S = 2.0  # for the reader, between two acts
APP = user_identity("app")


class Failure(Exception):
    """The demonstration did not show what it should; the text says what was missing."""


@dataclass(frozen=True)
class Sample:
    """A file of the sample configuration, and what it must hold."""

    name: str
    token: str
    format: str
    mode: int
    resource: str


STORAGE, VAULT = "https://storage.azure.com/", "https://vault.azure.net"
SAMPLES = (
    Sample("storage.token", "storage", "raw", 0o600, STORAGE),
    Sample("storage.json", "storage", "json", 0o640, STORAGE),
    Sample("vault.env", "vault", "env", 0o400, VAULT),
    Sample("vault.header", "vault", "header", 0o440, VAULT),
)


class Narrator:
    """One line for each thing that happens, with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def tell(self, who: str, text: str) -> None:
        with self._lock:
            print(f"{time.monotonic() - self._start:6.2f} s  {who:10} {text}", flush=True)

    def show(self, text: str) -> None:
        with self._lock:
            print("".join(f"            {line}\n" for line in text.splitlines()), end="",
                  flush=True)


class Agent:
    """`miagent run` as a child; what it says is passed on, without the folder's name."""

    def __init__(self, binary: str, config: Path, folder: Path, narrator: Narrator) -> None:
        self._folder = folder
        self._narrator = narrator
        self.process = subprocess.Popen(
            [binary, "run", "-c", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", env=clean_environment(),
            start_new_session=True, preexec_fn=end_with_parent)
        self._relay = threading.Thread(target=self._pass_on, daemon=True)
        self._relay.start()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def check_alive(self) -> None:
        if self.process.poll() is not None:
            raise Failure(f"miagent ended with {self.process.returncode}")

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._relay.join(timeout=2)
        return status

    def _pass_on(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._narrator.tell("miagent", line.rstrip().replace(f"{self._folder}/", ""))


@dataclass
class Watcher:
    """Looks at the files and at the emulator's request log, again and again, as consumers do."""

    folder: Path
    emulator: Emulator
    agent: Agent
    narrator: Narrator
    keys: List[Dict[str, str]]
    tokens_seen: Dict[str, List[str]] = field(default_factory=dict)  # file name: SHA-256s
    read_count: int = 0
    _told_requests: int = 0
    _contents: Dict[str, bytes] = field(default_factory=dict)
    _expires: Dict[str, float] = field(default_factory=dict)

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Polls until `done`; Failure when that takes too long."""
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while not done():
            if time.monotonic() > deadline:
                raise Failure(f"not seen within {STEP_TIMEOUT_S:.0f} s: {what}")
            self.poll()
            time.sleep(POLL_INTERVAL_S)

    def rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.poll()
            time.sleep(POLL_INTERVAL_S)

    def poll(self) -> None:
        self.agent.check_alive()
        requests = self.emulator.requests()
        for request in requests[self._told_requests:]:
            token = f", token {request.token_sha256[:8]}" if request.token_sha256 else ""
            self.narrator.tell("IMDS", f"request for {request.resource}: {request.status}{token}")
        self._told_requests = len(requests)
        for sample in SAMPLES:
            self._look_at(sample)

    def newest(self) -> Dict[str, str]:
        return {name: tokens[-1] for name, tokens in self.tokens_seen.items()}

    def _look_at(self, sample: Sample) -> None:
        path = self.folder / sample.name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            if sample.name in self._contents:
                raise Failure(f"{path} vanished") from None
            return
        self.read_count += 1
        if self._contents.get(sample.name) == content:
            if time.time() >= self._expires[sample.name]:
                raise Failure(f"{path} holds an expired token")
            return
        try:
            found = verify.verify_file(str(path), self.keys, expectation(sample))
        except verify.Rejected as reason:
            raise Failure(f"{path} {reason}") from None
        self._contents[sample.name] = content
        self._expires[sample.name] = float(found.claims["exp"])
        seen = self.tokens_seen.setdefault(sample.name, [])
        if found.token_sha256 in seen[-1:]:
            return
        event = "refreshed" if seen else "published"
        seen.append(found.token_sha256)
        self.narrator.tell(event, f"{sample.name:13} mode {found.mode:04o}, {found.format}, "
                           f"token {found.token_sha256[:8]}")


def expectation(sample: Sample) -> verify.Expectation:
    return verify.Expectation(sample.format, sample.mode, os.geteuid(), sample.resource,
                              seconds_left_min=60)


def make_folder(inside: bool) -> Path:
    """A directory that passes the agent's gate: ours, 0700, on tmpfs."""
    if filesystem_of("/dev/shm") == "tmpfs" and os.access("/dev/shm", os.W_OK):
        return Path(tempfile.mkdtemp(prefix="miagent-demo-", dir="/dev/shm"))
    folder = Path(tempfile.mkdtemp(prefix="miagent-demo-"))
    if inside:
        netns.mount_tmpfs(str(folder))
    return folder


def filesystem_of(path: str) -> str:
    """The type of the file system mounted exactly there, or nothing."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        found = [line.split()[2] for line in mounts if line.split()[1] == path]
    return found[-1] if found else ""


def write_config(path: Path, folder: Path, endpoint: Optional[str], on_tmpfs: bool) -> str:
    place = f"endpoint      = {endpoint}\n" if endpoint else ""
    disk = "" if on_tmpfs else "require_tmpfs = no\n"
    text = f"[agent]\nlog_level     = info\n{disk}\n"
    text += f"[token storage]\nsource        = imds\nresource      = {STORAGE}\n{place}\n"
    text += (f"[token vault]\nsource        = imds\nresource      = vault\n"
             f"client_id     = {APP.client_id}\n{place}")
    for sample in SAMPLES:
        text += (f"\n[file {folder / sample.name}]\ntoken         = {sample.token}\n"
                 f"format        = {sample.format}\nmode          = {sample.mode:04o}\n")
    path.write_text(text, encoding="utf-8")
    return text


def table(folder: Path) -> str:
    lines = [f"{'file':14} {'mode':11} {'bytes':>6} {'age':>7}"]
    for sample in SAMPLES:
        facts = (folder / sample.name).stat()
        lines.append(f"{sample.name:14} {stat.filemode(facts.st_mode)[1:]:11} "
                     f"{facts.st_size:6} {time.time() - facts.st_mtime:5.1f} s")
    return "\n".join(lines)


def run_check(binary: str, config: Path, narrator: Narrator) -> None:
    narrator.tell("demo", "miagent check: the configuration and the directory are judged")
    done = subprocess.run([binary, "check", "-c", str(config)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=clean_environment(), timeout=10, check=False)
    narrator.show(done.stdout)
    if done.returncode:
        raise Failure(f"miagent check ended with {done.returncode}")


def verify_apart(folder: Path, emulator: Emulator, narrator: Narrator) -> None:
    """verify.py, a process of its own for each file."""
    narrator.tell("demo", f"a separate process verifies each file against {emulator.jwks_url}")
    for sample in SAMPLES:
        done = subprocess.run(
            [PYTHON, str(HERE.parent / "emulator" / "verify.py"), "--jwks", emulator.jwks_url,
             "--format", sample.format, "--mode", f"{sample.mode:o}", "--audience",
             sample.resource, "--seconds-left", "60", str(folder / sample.name)],
            stdout=subprocess.PIPE, text=True, timeout=20, check=False)
        narrator.show(done.stdout.replace(f"{folder}/", ""))
        if done.returncode:
            raise Failure(f"{sample.name} was not verified")


class Story:
    """The acts, in their order."""

    def __init__(self, binary: str, narrator: Narrator) -> None:
        self._binary = binary
        self._narrator = narrator
        self._proven: Set[str] = set()

    def play(self) -> None:
        tell = self._narrator.tell
        status = netns.enter()
        if not status.entered:
            tell("demo", f"{status.reason}: the emulator listens on a loopback port instead")
        listen = f"{netns.METADATA_ADDRESS}:80" if status.entered else "127.0.0.1:0"
        folder = make_folder(status.entered)
        try:
            with tempfile.TemporaryDirectory(prefix="miagent-demo-") as place, \
                    Emulator("--user", "app", "--lifetime", "1h", listen=listen) as emulator:
                tell("emulator", f"answers as Azure's metadata service at {emulator.url}")
                config = Path(place) / "miagent.conf"
                on_tmpfs = filesystem_of("/dev/shm") == "tmpfs" or status.entered
                endpoint = None if status.entered else emulator.url
                tell("demo", "the configuration: two tokens, four files")
                self._narrator.show(write_config(config, folder, endpoint, on_tmpfs))
                run_check(self._binary, config, self._narrator)
                self._with_agent(config, folder, emulator)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def proven(self) -> bool:
        return self._proven == {"refreshed", "survived", "verified", "ended"}

    def _with_agent(self, config: Path, folder: Path, emulator: Emulator) -> None:
        self._narrator.tell("demo", "miagent run")
        agent = Agent(self._binary, config, folder, self._narrator)
        try:
            keys = verify.fetch_keys(emulator.jwks_url)
            self._acts(Watcher(folder, emulator, agent, self._narrator, keys))
        except KeyboardInterrupt:
            self._narrator.tell("demo", "Ctrl-C")
        finally:
            code = agent.stop()
            self._narrator.tell("demo", f"miagent was asked to stop and ended with {code}")
        if code:
            raise Failure(f"miagent ended with {code}")
        self._proven.add("ended")

    def _acts(self, watcher: Watcher) -> None:
        watcher.wait(lambda: len(watcher.tokens_seen) == len(SAMPLES), "all files published")
        watcher.rest(REST_S)
        self._refresh(watcher)
        watcher.rest(REST_S)
        self._outage(watcher)
        watcher.rest(REST_S)
        self._end(watcher)
        if sys.stdin.isatty():
            self._stay(watcher)

    def _refresh(self, watcher: Watcher) -> None:
        """A resource has refused a token, say: new ones are wanted now, not at half their life."""
        self._narrator.tell("demo", "SIGUSR1: every token is refreshed now")
        before = watcher.newest()
        watcher.agent.signal(signal.SIGUSR1)
        watcher.wait(lambda: all_new(before, watcher.newest()), "every file refreshed")
        self._proven.add("refreshed")

    def _outage(self, watcher: Watcher) -> None:
        self._narrator.tell("demo", f"an outage: the endpoint refuses connections for {OUTAGE_S} "
                            "s, and new tokens are asked for")
        before, reads, start = watcher.newest(), watcher.read_count, time.monotonic()
        watcher.emulator.set_steps(f"refuse {OUTAGE_S}s")
        watcher.agent.signal(signal.SIGUSR1)
        watcher.wait(lambda: all_new(before, watcher.newest()), "files refreshed after the outage")
        seconds = time.monotonic() - start
        if seconds < OUTAGE_S:
            raise Failure("the files were refreshed while nothing answered")
        self._narrator.tell("demo", f"survived: fresh again after {seconds:.1f} s; "
                            f"{watcher.read_count - reads} reads of the files meanwhile, each "
                            "found a whole and valid token")
        self._proven.add("survived")

    def _end(self, watcher: Watcher) -> None:
        self._narrator.tell("demo", f"the files in {watcher.folder}")
        self._narrator.show(table(watcher.folder))
        verify_apart(watcher.folder, watcher.emulator, self._narrator)
        self._proven.add("verified")

    def _stay(self, watcher: Watcher) -> None:
        self._narrator.tell("demo", "it goes on until Ctrl-C; meanwhile, in another terminal:")
        self._narrator.show(f"cat {watcher.folder}/vault.env\n"
                            f"kill -USR1 {watcher.agent.process.pid}")
        while True:
            watcher.rest(60.0)


def all_new(before: Dict[str, str], after: Dict[str, str]) -> bool:
    return all(after[name] != token for name, token in before.items())


def main(arguments: List[str]) -> int:
    if len(arguments) != 1:
        print("usage: demo.py MIAGENT_BINARY", file=sys.stderr)
        return 64
    binary = os.path.abspath(arguments[0])
    if not os.access(binary, os.X_OK):
        print(f"demo.py: {arguments[0]}: no program there; `make` builds it", file=sys.stderr)
        return 64
    narrator = Narrator()
    story = Story(binary, narrator)
    try:
        story.play()
    except KeyboardInterrupt:
        narrator.tell("demo", "Ctrl-C")
    except (Failure, OSError, RuntimeError, ValueError, TimeoutError,
            subprocess.TimeoutExpired) as failure:
        narrator.tell("demo", f"FAILED: {failure}")
        return 1
    if not story.proven():
        narrator.tell("demo", "ended before everything was shown")
        return 1
    narrator.tell("demo", "all shown: published, refreshed, an outage survived, verified")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
