#!/usr/bin/python3
"""A token stands in the process's memory once: in the slot that it was received into.

Counted, in all memory that the process can write: while it publishes a refreshed token, stopped
right behind the write and behind the rename, and when it is done.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
from pathlib import Path
from typing import List

from agent_run import start_emulator
from budget import over
from gate import Plant, Project, Skip, compiled, main, need
from performance_gate import Refreshing, refreshing, wait_for

STOPPING = "writev,?renameat,?renameat2"
STOPPED = "--- stopped by SIGSTOP ---"
PIECE_SIZE = 48


def memory_of(pid: int) -> List[bytes]:
    found = []
    lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for match in filter(None, (re.match(r"(\w+)-(\w+) rw", line) for line in lines)):
            begin, end = int(match[1], 16), int(match[2], 16)
            memory.seek(begin)
            data = b""
            while len(data) < end - begin:
                piece = memory.read(end - begin - len(data))
                if not piece:
                    break
                data += piece
            found.append(data)
    return found


def count(pid: int, token: bytes) -> int:
    """How often it stands there, or the most frequent of those of its pieces that it has once."""
    pieces = [token[at:at + PIECE_SIZE] for at in range(0, len(token) - PIECE_SIZE, PIECE_SIZE)]
    pieces = [piece for piece in pieces if token.count(piece) == 1]
    if len(pieces) < 10:
        raise RuntimeError(f"a token of {len(token)} bytes is no token to count")
    memory = memory_of(pid)
    return max(sum(data.count(piece) for data in memory) for piece in pieces)


def counts_of_refresh(agent: Refreshing, trace: Path) -> List[int]:
    """Behind the write, behind the rename, and at rest."""
    found = []
    before = agent.file.stat().st_ino
    agent.process.send_signal(signal.SIGUSR1)
    for stop in (1, 2):
        wait_for(lambda: trace.read_text(errors="replace").count(STOPPED) == stop, "its stop")
        written = agent.file if stop == 2 else next(agent.file.parent.glob(".miagent-*"))
        found.append(count(agent.process.pid, written.read_bytes()))
        agent.process.send_signal(signal.SIGCONT)
    wait_for(lambda: agent.file.stat().st_ino != before, "a refresh")
    return found + [count(agent.process.pid, agent.file.read_bytes())]


def violations(project: Project) -> List[str]:
    need("strace")
    if os.geteuid() != 0:
        raise Skip("only root reads the memory of a process that is not dumpable")
    with tempfile.TemporaryDirectory() as folder, start_emulator() as emulator:
        trace = Path(folder) / "trace"
        # The tracer is a grandchild, so that the agent is the child. The first token doesn't stop.
        tool = ("strace", "-D", "-o", str(trace), "-e", f"trace={STOPPING}",
                "-e", f"inject={STOPPING}:signal=SIGSTOP:when=2+")
        with refreshing(project, emulator.url, tool) as agent:
            counts = counts_of_refresh(agent, trace)
            agent.stop()
    print(f"the token's places behind the write, behind the rename, at rest: {counts}")
    if min(counts) < 1:
        return [f"the token isn't found where it must be ({counts}): this gate is blind"]
    return over(project, "token_copies", max(counts) - 1,
                "copies of the token in memory (find them by stopping the process there)")


# Publishes as the agent does, with the token in `kPlaces` of its memory.
PLANTED = r"""
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/uio.h>
#include <unistd.h>

static char g_tokens[2][1400];

static void Publish(const std::string& folder) {
  for (char& c : g_tokens[0]) c = static_cast<char>('a' + rand() % 26);
  memcpy(g_tokens[kPlaces - 1], g_tokens[0], sizeof(g_tokens[0]));
  const std::string name = folder + "/.miagent-planted.tmp";
  const int file = open(name.c_str(), O_WRONLY | O_CREAT, 0600);
  const iovec part{g_tokens[0], sizeof(g_tokens[0])};
  if (writev(file, &part, 1) < 0) exit(1);
  close(file);
  if (renameat(AT_FDCWD, name.c_str(), AT_FDCWD, (folder + "/token").c_str()) != 0) exit(1);
}

int main(int, char** arguments) {
  const std::string conf = arguments[3];
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGTERM, [](int) { _exit(0); });
  for (int number = 0;; sigwait(&set, &number)) Publish(conf.substr(0, conf.rfind('/')));
}
"""

PLANTS = [Plant("a copy of the token", compiled(PLANTED, "-DkPlaces=2"), "copies of the token"),
          Plant("a token that is nowhere",
                compiled(PLANTED.replace("close(file);",
                                         "close(file); memset(g_tokens, 0, sizeof(g_tokens));"),
                         "-DkPlaces=1"), "blind")]

if __name__ == "__main__":
    main(violations, PLANTS)
