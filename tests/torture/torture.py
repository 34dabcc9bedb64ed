#!/usr/bin/python3
"""Fails every system call of the real binary, one after the other, in every way that Linux may.

    torture.py [--share S] [--seed N] [--jobs J]

Three programs are tortured: `once` where no file stands, `once` over a file whose token is due, and
`run` through its start, a forced refresh and its end. Each call (name and occurrence, as a clean
run makes them) is made to fail with each errno that it may return (faults.py), once and from then
on; and the process is killed at each. Besides: the exchange is cut at every byte, and descriptors,
file sizes and memory are limited. A reader reads the file all the while.

After each try must hold: the exit code is a documented one (no signal, no hang); the file is absent
where there was none, or one whole token with a valid signature, and never one older than before;
exit 0 means that the file is good; any other exit says why in a line; no token is in what was said;
and a clean `once` afterwards succeeds and leaves no temporary file.

--share 0.1 tries a tenth of it, drawn from the seed. Prints one line for each part, and each break with
the command that repeats it. Exit 1 where something broke.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Set

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "emulator"), str(HERE.parent / "e2e")]

import verify  # noqa: E402
from faults import AGAIN, ERRORS, NEVER_FAIL  # noqa: E402
from harness import Emulator, clean_environment, exchange  # noqa: E402
from support import binary, memory_folder  # noqa: E402

RESOURCE = "https://storage.azure.com/"
EXIT_CODES = {0, 1, 64, 65, 69, 73, 75, 77, 78}
PATIENCE_S = 20.0  # longer is a hang: every command has --timeout 1
REFRESH_PATIENCE_S = 3.0
SEEN_COUNT_MAX = 1 << 20
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((?:\d+<[^>]*>)?")


@dataclass(frozen=True)
class Try:
    """One fault: at the `occurrence`th call of this name, from 1."""

    program: str  # once | due | run
    call: str
    occurrence: int
    error: str  # an errno's name, or KILL
    stays: bool = False  # from then on, every one

    def injection(self) -> str:
        what = "signal=SIGKILL" if self.error == "KILL" else f"error={self.error}"
        return f"--inject={self.call}:{what}:when={self.occurrence}{'+' if self.stays else ''}"

    def __str__(self) -> str:
        return f"{self.program}: {self.injection()}"


class Reader(threading.Thread):
    """Reads a file all the while, and keeps each content that it saw."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.seen: Set[bytes] = set()
        self.vanished = False
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._done.wait(0.001):
            try:
                self.seen.add(self.path.read_bytes())
            except FileNotFoundError:
                self.vanished = self.vanished or bool(self.seen)

    def finish(self) -> None:
        self._done.set()
        self.join()


class Torture:
    def __init__(self, emulator: Emulator, place: Path) -> None:
        self.emulator = emulator
        self.place = place
        self.keys = verify.fetch_keys(emulator.jwks_url)
        self.environment = {**clean_environment()}
        self.breaks: List[str] = []

    # ---- the programs ------------------------------------------------------------------------

    def command(self, program: str, folder: Path) -> List[str]:
        name = "run" if program == "run" else "once"
        return [binary(), name, "--endpoint", self.emulator.url, "--resource", RESOURCE,
                "--file", str(folder / "token"), "--timeout", "1"]

    def folder(self, program: str) -> Path:
        """A new one; with a file whose token is due, for all but `once`."""
        folder = Path(tempfile.mkdtemp(dir=self.place))
        if program != "once":
            # Nothing is made to fail here: only a busy machine is slow.
            command = self.command("once", folder)
            command[-1] = "30"
            subprocess.run(command, env=self.environment, check=True)
            path = folder / "token"
            facts = path.stat()
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns - 7200 * 10**9))
        return folder

    def calls(self, program: str) -> "List[tuple[str, bool]]":
        """The names of a clean run's system calls, in their order; whether it is about signals."""
        folder = self.folder(program)
        trace = folder.with_suffix(".trace")
        code, said = self.trace(program, folder, ["-y", "-o", str(trace)])
        if code != 0:
            raise RuntimeError(f"a clean `{program}` ended with {code}: {said}")
        calls = [(match[1], "signalfd" in match[0])
                 for line in trace.read_text(errors="replace").splitlines()
                 if (match := CALL.match(line))]
        unknown = {name for name, _ in calls} - set(ERRORS) - set(NEVER_FAIL)
        if unknown:
            raise RuntimeError(f"faults.py doesn't say how these may fail: {sorted(unknown)}")
        return calls

    def trace(self, program: str, folder: Path, options: List[str]) -> "tuple[int, str]":
        """Runs a program under strace; its exit code (negative: a signal) and what it said."""
        said = folder.with_suffix(".said")
        with open(said, "wb") as stream:
            tracer = subprocess.Popen(
                ["strace", "-f", "-qq", *options, *self.command(program, folder)],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
            try:
                if program == "run":
                    self.drive(tracer, said)
                code = tracer.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.end(tracer)
                return -1000, "it hangs: " + said.read_text(errors="replace")
        return code, said.read_text(errors="replace")

    def drive(self, tracer: "subprocess.Popen[bytes]", said: Path) -> None:
        """A forced refresh once the first token is there, and then the end."""
        def wait_for(count: int) -> None:
            deadline = time.monotonic() + REFRESH_PATIENCE_S
            while tracer.poll() is None and time.monotonic() < deadline:
                text = said.read_text(errors="replace")
                told = len(re.findall(r"event=(?:published|unchanged|publish_failed|refresh_failed)",
                                      text))
                if told >= count:
                    return
                time.sleep(0.005)

        wait_for(1)
        time.sleep(1.05)  # two forced requests keep a second between them
        self.signal(tracer, signal.SIGUSR1)
        wait_for(2)
        self.signal(tracer, signal.SIGTERM)

    @staticmethod
    def signal(tracer: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
        try:
            children = Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()
            if children:
                os.kill(int(children[0]), number)
        except OSError:
            pass  # it has ended

    def end(self, tracer: "subprocess.Popen[bytes]") -> None:
        self.signal(tracer, signal.SIGKILL)
        tracer.kill()
        tracer.wait()

    # ---- what must hold ----------------------------------------------------------------------

    def judge(self, what: str, program: str, folder: Path, before: Optional[bytes], code: int,
              said: str, silent: bool, seen: Set[bytes]) -> None:
        def broken(text: str) -> None:
            self.breaks.append(f"{what}: {text}")

        path = folder / "token"
        now = path.read_bytes() if path.exists() else None
        if code not in EXIT_CODES and not (silent and code == -signal.SIGKILL):
            broken(f"exit {code}: {said}")
        if not silent and code != 0 and not said.strip():
            broken(f"exit {code} without a word")
        if "eyJ" in said:
            broken("a token was said")
        if now is None and (before is not None or code == 0):
            broken(f"exit {code}, and the file is gone")
        for content in seen | ({now} if now is not None else set()):
            try:
                verify.verify_token(content.decode("ascii"), self.keys)
            except (verify.Rejected, UnicodeDecodeError) as error:
                broken(f"the file {error}")
        if program == "due" and code == 0 and now == before:
            broken("exit 0, and the token is the one that was due")
        clean = subprocess.run(self.command("once", folder), env=self.environment,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        left = [name for name in os.listdir(folder) if name != "token"]
        if clean.returncode != 0 or left or not path.exists():
            broken(f"a clean run afterwards: exit {clean.returncode}, left {left}, "
                   f"{clean.stdout.decode(errors='replace')}")

    def attempt(self, each: Try) -> None:
        folder = self.folder(each.program)
        path = folder / "token"
        before = path.read_bytes() if path.exists() else None
        reader = Reader(path)
        try:
            code, said = self.trace(each.program, folder, ["-o", "/dev/null", each.injection()])
        finally:
            reader.finish()
        if reader.vanished:
            self.breaks.append(f"{each}: the file was gone for a moment")
        # What is written by writev is its lines, too.
        silent = each.error == "KILL" or (each.call == "writev" and each.stays)
        self.judge(str(each), each.program, folder, before, code, said, silent, reader.seen)
        shutil.rmtree(folder)
        for left in folder.parent.glob(folder.name + ".*"):
            left.unlink()

    # ---- what is tried -----------------------------------------------------------------------

    def tries(self, program: str) -> List[Try]:
        found: List[Try] = []
        count: Dict[str, int] = Counter()
        for name, is_about_signals in self.calls(program):
            count[name] += 1
            if name == "execve":
                continue
            found.append(Try(program, name, count[name], "KILL"))
            if name in NEVER_FAIL:
                continue
            for error in AGAIN if is_about_signals else ERRORS[name]:
                found.append(Try(program, name, count[name], error))
                # `run` reads its signals: that can't fail for ever, and nothing could end it then.
                if error not in AGAIN and not (program == "run" and name == "read"):
                    found.append(Try(program, name, count[name], error, stays=True))
        return found

    def cut(self, jobs: int, step: int) -> int:
        """The exchange ends behind every byte of the answer, by an end and by a reset."""
        request = (f"GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource="
                   f"https%3A%2F%2Fstorage.azure.com%2F HTTP/1.1\r\nHost: x\r\nMetadata: true\r\n"
                   f"Connection: close\r\n\r\n")
        answer = exchange("127.0.0.1", self.emulator.port, request.encode())
        cases = [(size, reset) for size in range(0, len(answer), step) for reset in (False, True)]
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda case: self.cut_at(answer, *case), cases))
        return len(cases)

    def cut_at(self, answer: bytes, size: int, reset: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            command = [binary(), "get", "--endpoint", f"http://127.0.0.1:{port}", "--resource",
                       RESOURCE, "--timeout", "1"]
            process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            server.settimeout(PATIENCE_S)
            connection, _ = server.accept()
            connection.recv(65536)
            connection.sendall(answer[:size])
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      b"\x01\0\0\0\0\0\0\0")
            connection.close()
            out, said = process.communicate(timeout=PATIENCE_S)
        # A reset may take bytes with it that were sent before, so it says nothing of what came.
        if process.returncode not in (65, 75) or out or b"eyJ" in said:
            self.breaks.append(f"an answer cut behind byte {size}, reset {reset}: exit "
                               f"{process.returncode}: {said.decode(errors='replace')}")

    def limits(self) -> int:
        """Too few descriptors, too small a file, too little memory."""
        cases: List["tuple[str, int, int]"] = [
            *(("descriptors", resource.RLIMIT_NOFILE, value) for value in range(0, 13)),
            *(("file size", resource.RLIMIT_FSIZE, value) for value in (0, 1, 100, 1000)),
            *(("memory", resource.RLIMIT_AS, value << 10) for value in (1, 256, 2048, 3072, 4096)),
            *(("stack", resource.RLIMIT_STACK, value << 10) for value in (16, 32, 64, 128))]
        for name, kind, value in cases:
            folder = self.folder("due")
            before = (folder / "token").read_bytes()
            done = self.limited(self.command("once", folder), kind, value)
            if done is None:
                continue  # the kernel itself could not start it
            self.judge(f"{name} limited to {value}", "due", folder, before, done.returncode,
                       (done.stdout + done.stderr).decode(errors="replace"), False, set())
        return len(cases)

    def limited(self, command: List[str], kind: int,
                value: int) -> "Optional[subprocess.CompletedProcess[bytes]]":
        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(kind, (value, value))

        try:
            done = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                                  preexec_fn=limit)
        except (OSError, subprocess.SubprocessError):
            return None
        starved = done.returncode in (-signal.SIGKILL, -signal.SIGSEGV) and not done.stderr
        return None if starved and kind in (resource.RLIMIT_AS, resource.RLIMIT_STACK) else done


def part(name: str, work: Callable[[], int], torture: Torture) -> None:
    began = time.monotonic()
    before = len(torture.breaks)
    count = work()
    print(f"{name}: {count} tries, {len(torture.breaks) - before} breaks, "
          f"{time.monotonic() - began:.0f} s", flush=True)


def run_part(torture: Torture, program: str, jobs: int, share: float,
             chooser: random.Random) -> int:
    tries = torture.tries(program)
    if share < 1:
        tries = chooser.sample(tries, max(1, int(len(tries) * share)))
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(torture.attempt, tries))
    return len(tries)


def main() -> int:
    parser = argparse.ArgumentParser(description="fails each system call of miagent")
    parser.add_argument("--share", type=float, default=1.0, help="of what is tried, 0 to 1")
    parser.add_argument("--seed", type=int, default=1, help="draws the share")
    parser.add_argument("--jobs", type=int, default=4 * (os.cpu_count() or 2))
    options = parser.parse_args()
    memory = memory_folder()
    if memory is None or shutil.which("strace") is None:
        print("torture: needs a tmpfs to write to, and strace", file=sys.stderr)
        return 77
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode != 0:
        print("torture: strace may not trace here", file=sys.stderr)
        return 77
    chooser = random.Random(options.seed)
    place = Path(tempfile.mkdtemp(prefix="miagent-torture-", dir=memory))
    try:
        with Emulator("--lifetime", "1h", "--no-cache") as emulator:
            torture = Torture(emulator, place)
            for program in ("once", "due", "run"):
                part(program, lambda: run_part(torture, program, options.jobs, options.share,
                                               chooser), torture)
            part("cut", lambda: torture.cut(options.jobs, max(1, round(1 / options.share))),
                 torture)
            part("limits", torture.limits, torture)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    for each in torture.breaks:
        print(f"BROKEN {each}")
    return 1 if torture.breaks else 0


if __name__ == "__main__":
    sys.exit(main())
