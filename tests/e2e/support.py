"""What the end-to-end tests share: the binary, a folder on tmpfs, the agent as a child, waits.

The binary is that of the environment variable MIAGENT, else build/miagent. It is copied once to a
place of this process's own, so that a build meanwhile doesn't change what is tested.

Whatever the agent says on standard error is searched, in every test, for what must not be there: a
token (each begins with `eyJ`), and MARKER, which tests put into answers' bodies.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "emulator")]

import verify
from harness import PYTHON, Emulator, LoggedRequest, clean_environment, end_with_parent

MARKER = "MARKER-of-a-body"
COMMAND_TIMEOUT_S = 60.0  # of a command that has no reason to wait: longer is a hang
WAIT_TIMEOUT_S = 20.0
CPU_SECONDS_MAX = 1.0  # of an agent in any of these tests; most take 0.01
TMPFS_MAGIC = 0x01021994
NOBODY = 65534

_binary: Optional[str] = None


def binary() -> str:
    """The path of the copied program, which any user may run."""
    global _binary
    if _binary is None:
        source = Path(os.environ.get("MIAGENT") or ROOT / "build" / "miagent")
        if not os.access(source, os.X_OK):
            raise RuntimeError(f"{source}: no program there; `make` builds it, or MIAGENT names it")
        folder = tempfile.mkdtemp(prefix="miagent-e2e-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o755)
        _binary = shutil.copy(source, os.path.join(folder, "miagent"))
        os.chmod(_binary, 0o755)
    return _binary


@dataclass(frozen=True)
class Result:
    """How a command ended; `code` is negative where a signal ended it."""

    code: int
    out: str
    err: str
    seconds: float


def miagent(*arguments: str, environment: Optional[Dict[str, str]] = None,
            timeout_s: float = COMMAND_TIMEOUT_S, **more: Any) -> Result:
    """Runs one command to its end, and looks for secrets in what it says."""
    begin = time.monotonic()
    more.setdefault("stdout", subprocess.PIPE)
    done = subprocess.run([binary(), *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env={**clean_environment(), **(environment or {})}, timeout=timeout_s,
                          check=False, **more)
    err = done.stderr.decode("utf-8", "replace")
    check_no_secret(err)
    return Result(done.returncode, (done.stdout or b"").decode("utf-8", "replace"), err,
                  time.monotonic() - begin)


def check_no_secret(said: str) -> None:
    if "eyJ" in said:
        raise AssertionError("a token is on standard error")
    if MARKER in said:
        raise AssertionError(f"an answer's body is on standard error: {said}")


def wait_until(done: Callable[[], Any], what: str, timeout_s: float = WAIT_TIMEOUT_S) -> Any:
    """Polls until `done` returns something true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = done()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not seen within {timeout_s:.0f} s: {what}")
        time.sleep(0.01)


class Agent:
    """`miagent run`, or another command that stays, as a child. `stop` or `kill` ends it."""

    def __init__(self, *arguments: str, environment: Optional[Dict[str, str]] = None,
                 **more: Any) -> None:
        self._log = tempfile.TemporaryFile(prefix="miagent-log-")
        self.process = subprocess.Popen(
            [binary(), *arguments], stdin=subprocess.DEVNULL, stdout=self._log,
            env={**clean_environment(), **(environment or {})}, start_new_session=True,
            preexec_fn=end_with_parent, **{"stderr": self._log, **more})

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def events(self, name: str, *details: str) -> List[str]:
        """The lines of this event so far that have all of `details`."""
        return [line for line in self.log().splitlines()
                if f"event={name} " in line + " " and all(text in line for text in details)]

    def wait_event(self, name: str, *details: str, count: int = 1,
                   timeout_s: float = WAIT_TIMEOUT_S) -> List[str]:
        def seen() -> List[str]:
            found = self.events(name, *details)
            if len(found) >= count:
                return found
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.log()}")
            return []
        try:
            return list(wait_until(seen, f"event={name} {' '.join(details)}", timeout_s))
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it said:\n{self.log()}") from None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def wait(self, timeout_s: float = WAIT_TIMEOUT_S) -> int:
        """Its exit status, once it has ended by itself."""
        status = self.process.wait(timeout_s)
        check_no_secret(self.log())
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to stop; its exit status."""
        seconds = cpu_seconds(self.pid)
        if seconds > CPU_SECONDS_MAX:
            raise AssertionError(f"it worked for {seconds:.1f} s: it spins\n{self.log()}")
        self.send(number)
        return self.wait()

    def kill(self) -> None:
        """kill -9, unless it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self._log.closed:
            check_no_secret(self.log())
            self._log.close()


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Look:
    """What a file is at one moment."""

    content: bytes
    mode: int
    uid: int
    gid: int
    inode: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def look(path: Path) -> Look:
    with open(path, "rb") as stream:
        facts = os.fstat(stream.fileno())
        return Look(stream.read(), stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid,
                    facts.st_ino)


def filesystem_is_tmpfs(path: str) -> bool:
    done = subprocess.run(["stat", "-f", "-c", "%t", path], stdout=subprocess.PIPE, text=True,
                          check=False)
    return done.returncode == 0 and int(done.stdout, 16) == TMPFS_MAGIC


def memory_folder() -> Optional[str]:
    """Where this user may make folders on tmpfs; None where there is no such place."""
    for place in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR", ""), "/run", "/tmp"):
        if place and os.access(place, os.W_OK | os.X_OK) and filesystem_is_tmpfs(place):
            return place
    return None


def config_text(tokens: Dict[str, Dict[str, str]], files: Dict[str, Dict[str, str]],
                **agent: str) -> str:
    """A configuration: sections of [token NAME] and [file PATH], and the keys of [agent]."""
    lines = ["[agent]"] + [f"{key} = {value}" for key, value in agent.items()]
    for word, sections in (("token", tokens), ("file", files)):
        for name, keys in sections.items():
            lines += [f"[{word} {name}]"] + [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


class E2eTest(unittest.TestCase):
    """A folder of its own for each test: self.folder on tmpfs (0700), self.place for the rest."""

    folder: Path
    place: Path

    def setUp(self) -> None:
        memory = memory_folder()
        if memory is None:
            self.skipTest("no tmpfs here that this user may write to")
        self.folder = self.make_folder(memory)
        self.place = self.make_folder(None)

    def make_folder(self, parent: Optional[str]) -> Path:
        folder = tempfile.mkdtemp(prefix="miagent-e2e-", dir=parent)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def start_emulator(self, *options: str, script: str = "",
                       sources: Sequence[str] = ()) -> Emulator:
        emulator = Emulator(*options, script=script, sources=sources)
        self.addCleanup(emulator.stop)
        return emulator

    def start(self, *arguments: str, **more: Any) -> Agent:
        agent = Agent(*arguments, **more)
        self.addCleanup(agent.kill)
        return agent

    def write_config(self, text: str, name: str = "miagent.conf") -> str:
        path = self.place / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def simple_config(self, endpoint: str, resource: str, token: Optional[Dict[str, str]] = None,
                      file: Optional[Dict[str, str]] = None, **agent: str) -> str:
        """Writes a configuration with one token, `t`, in one file, self.file; its path."""
        return self.write_config(config_text(
            {"t": {"resource": resource, "endpoint": endpoint, **(token or {})}},
            {str(self.file): {"token": "t", **(file or {})}}, **agent))

    @property
    def file(self) -> Path:
        return self.folder / "token"

    def temporaries(self, folder: Optional[Path] = None) -> List[str]:
        return [each.name for each in (folder or self.folder).iterdir()
                if each.name.startswith(".miagent-")]

    def check_result(self, result: Result, code: int, *said: str) -> None:
        """The exit code, and what standard error must say, in one line each or in the same."""
        self.assertEqual(result.code, code, result.err)
        for text in said:
            self.assertIn(text, result.err)
        for line in result.err.splitlines():
            self.assertRegex(line, r"^(miagent: |/[^:]*(:\d+)?: |level=)")


class EmulatedTest(E2eTest):
    """Tests that share one emulator, each with resources of its own."""

    emulator: Emulator
    keys: List[Dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.emulator = Emulator("--lifetime", "12h")
        cls.addClassCleanup(cls.emulator.stop)
        cls.keys = verify.fetch_keys(cls.emulator.jwks_url)


def requests_for(emulator: Emulator, text: str) -> List[LoggedRequest]:
    """The requests whose resource contains `text`."""
    return [request for request in emulator.requests() if text in request.resource]


def uuid_is_random(text: Optional[str]) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        text or "") is not None


class Reader:
    """A process that reads files again and again, as a consumer does, and remembers what it saw.

    A file that isn't there is a problem once it was there. `finish` returns, for each file, the
    SHA-256 of each content in the order seen, and how often it was read.
    """

    def __init__(self, *paths: Path) -> None:
        self._process = subprocess.Popen(
            [PYTHON, str(Path(__file__).resolve()), *map(str, paths)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent)
        self._paths = paths
        assert self._process.stdout
        if self._process.stdout.readline() != "reading\n":
            raise RuntimeError("the reader did not start")

    def finish(self) -> List[Dict[str, Any]]:
        out, _ = self._process.communicate("", timeout=WAIT_TIMEOUT_S)
        return [parse_line(line) for line in out.splitlines()]

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def parse_line(line: str) -> Dict[str, Any]:
    count, missing, *seen = line.split(" ")
    return {"count": int(count), "missing": int(missing), "seen": seen}


def read_all(paths: Sequence[str]) -> None:
    """The reader's own process: until its standard input ends."""
    import select
    seen: Dict[str, List[str]] = {path: [] for path in paths}
    missing = dict.fromkeys(paths, 0)
    last: Dict[str, bytes] = {}
    count = 0
    print("reading", flush=True)
    while count % 64 or not select.select([sys.stdin], [], [], 0)[0]:
        count += 1
        for path in paths:
            try:
                with open(path, "rb") as stream:
                    content = stream.read()
            except FileNotFoundError:
                missing[path] += path in last
                continue
            if last.get(path) != content:
                last[path] = content
                seen[path].append(hashlib.sha256(content).hexdigest())
    for path in paths:
        print(count, missing[path], *seen[path])


if __name__ == "__main__":
    read_all(sys.argv[1:])
