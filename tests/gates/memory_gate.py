#!/usr/bin/python3
"""How much memory the agent ever has in RAM: `get`, and `run` while it holds tokens in files, from
plain endpoints and by TLS.

The kernel's own high-water mark is read while the process waits: `run` in its loop, `get` at its
last act, the write to a pipe that is full. (What wait4 tells would hold this Python's peak, too.)
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, List

from agent_run import environment, get_command, start_emulator
from budget import over, shrink
from size_gate import has_tls
from gate import Plant, Project, main

F_SETPIPE_SZ = 1031
PATIENCE_S = 10.0
STEADY_COUNT = 20
MANY = 64  # tokens, in two files each: as many as the limits allow


def peak_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    match = re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
    if not match:
        raise RuntimeError("the process ended before it was measured")
    return int(match.group(1))


def steady_peak_kib(process: "subprocess.Popen[bytes]", begun: Callable[[], bool]) -> int:
    """The peak once `begun` holds and it has stopped growing."""
    deadline = time.monotonic() + PATIENCE_S
    peak = count = 0
    while count < STEADY_COUNT:
        if time.monotonic() > deadline:
            raise TimeoutError("the agent did not get to where it is measured")
        if process.poll() is not None:
            raise RuntimeError(f"the agent ended early, exit {process.returncode}")
        now = peak_kib(process.pid)
        count = count + 1 if now == peak and begun() else 0
        peak = now
        time.sleep(0.01)
    return peak


def of_get(project: Project) -> int:
    reader, writer = os.pipe()
    room = fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    os.write(writer, b"\0" * room)
    with start_emulator() as emulator:
        process = subprocess.Popen(get_command(project, emulator), env=environment(),
                                   stdin=subprocess.DEVNULL, stdout=writer)
        os.close(writer)
        try:
            peak = steady_peak_kib(process, lambda: bool(emulator.requests()))
            with os.fdopen(reader, "rb") as output:
                token = output.read()[room:]
            if process.wait(PATIENCE_S) != 0 or len(token) < 100:
                raise RuntimeError(f"get: exit {process.returncode}, {len(token)} bytes")
        finally:
            process.kill()
            process.wait()
    return peak


def of_run(project: Project) -> int:
    with start_emulator() as emulator, tempfile.TemporaryDirectory() as name:
        return run_with(project, Path(name), emulator.url, "")


def of_tls(project: Project) -> int:
    """With the whole bundle of this machine to be searched for the server's issuer."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
    from tls_door import Door, issue
    with start_emulator() as emulator, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = issue()
        system = Path("/etc/ssl/certs/ca-certificates.crt")
        (folder / "ca.pem").write_bytes((system.read_bytes() if system.exists() else b"") +
                                        root.pem())
        door = Door(issue(root).write(folder / "server.pem"), int(emulator.url.rsplit(":", 1)[1]))
        try:
            return run_with(project, folder, door.url, f"ca_file = {folder / 'ca.pem'}\n")
        finally:
            door.close()


def of_many(project: Project) -> int:
    with start_emulator() as emulator, tempfile.TemporaryDirectory() as name:
        return run_with(project, Path(name), emulator.url, "", MANY)


def run_with(project: Project, folder: Path, url: str, more: str, count: int = 2) -> int:
    configuration = "[agent]\nrequire_tmpfs = no\n" + more
    files = []
    for token, resource in ((f"t{index}", f"https://r{index}.example") for index in range(count)):
        configuration += (f"[token {token}]\nresource = {resource}\n"
                          f"endpoint = {url}\n")
        for form in ("raw", "json"):
            files.append(folder / f"{token}.{form}")
            configuration += f"[file {files[-1]}]\ntoken = {token}\nformat = {form}\n"
    (folder / "conf").write_text(configuration)
    process = subprocess.Popen([str(project.stripped), "run", "-c", str(folder / "conf")],
                               env=environment(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        return steady_peak_kib(process, lambda: all(file.exists() for file in files))
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def violations(project: Project) -> List[str]:
    get_kib, run_kib, many_kib = of_get(project), of_run(project), of_many(project)
    print(f"peak in RAM: get {get_kib} KiB, run with two tokens in four files {run_kib} KiB, "
          f"with {MANY} tokens {many_kib} KiB")
    found = []
    if has_tls(project):
        tls_kib = of_tls(project)
        print(f"peak in RAM by TLS: {tls_kib} KiB")
        found = over(project, "resident_tls_kib", tls_kib, "peak KiB in RAM of run by TLS")
    return (found + over(project, "resident_kib", get_kib, "peak KiB in RAM of get") +
            over(project, "resident_kib", run_kib, "peak KiB in RAM of run") +
            over(project, "resident_many_kib", many_kib, f"peak KiB in RAM with {MANY} tokens"))


PLANTS = [Plant("memory over the budget of many tokens", shrink("resident_many_kib", 16),
                "with 64"),
          Plant("memory over the budget", shrink("resident_kib", 16), "of run"),
          Plant("memory over the budget of TLS", shrink("resident_tls_kib", 16), "by TLS")]

if __name__ == "__main__":
    main(violations, PLANTS)
