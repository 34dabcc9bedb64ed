#!/usr/bin/python3
"""What other processes can learn of a running agent, and what is left of a token in its memory."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import List, Tuple

from support import NOBODY, Agent, E2eTest, binary, config_text, look, wait_until

from harness import clean_environment

# Run as the agent's own user: tries to look into it. Prints what it could open.
INTRUDER = """
import os, sys
for name in ("mem", "environ", "maps", "fd", "auxv", "cwd"):
    path = f"/proc/{sys.argv[1]}/{name}"
    try:
        if name == "fd":
            os.listdir(path)
        elif name == "cwd":
            os.readlink(path)
        else:
            with open(path, "rb") as stream:
                name == "mem" or stream.read(1)
        print(name)
    except PermissionError:
        pass
"""


class Secrecy(E2eTest):
    def setUp(self) -> None:
        super().setUp()
        self.emulator = self.start_emulator()
        self.place.chmod(0o755)
        self.config = self.write_config(config_text(
            {"t": {"resource": "vault", "endpoint": self.emulator.url}},
            {str(self.folder / name): {"token": "t", "format": name}
             for name in ("raw", "json", "env", "header")}))
        self.file_count = 4

    def start_run(self, **more: object) -> Agent:
        agent = self.start("run", "-c", self.config, **more)
        agent.wait_event("published", count=self.file_count)
        return agent

    def start_as_user(self) -> Agent:
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        return self.start_run(**self.as_user())

    def as_user(self) -> "dict[str, object]":
        if os.geteuid():
            return {}
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def token(self) -> bytes:
        return look(self.folder / "raw").content

    def test_nobody_looks_into_it(self) -> None:
        agent = self.start_as_user()
        # The same look at a process that anybody of the same user may look into, for comparison.
        plain = subprocess.Popen(["sleep", "60"], **self.as_user())
        self.addCleanup(plain.wait)
        self.addCleanup(plain.kill)
        wait_until(lambda: Path(f"/proc/{plain.pid}/cmdline").read_bytes() == b"sleep\x0060\x00",
                   "sleep started")
        done = {pid: subprocess.run([sys.executable, "-c", INTRUDER, str(pid)], text=True,
                                    capture_output=True, check=True, **self.as_user()).stdout
                for pid in (plain.pid, agent.pid)}
        if "mem" not in done[plain.pid]:
            self.skipTest("here no process may look into another, whatever it does")
        self.assertEqual(done[agent.pid], "")
        self.assertEqual(os.stat(f"/proc/{agent.pid}/status").st_uid, 0)

    def test_no_core_is_written(self) -> None:
        agent = self.start_run()
        limits = Path(f"/proc/{agent.pid}/limits").read_text(encoding="ascii")
        self.assertRegex(limits, r"(?m)^Max core file size +0 ")

    def test_the_command_line_and_the_environment_have_no_token(self) -> None:
        agent = self.start_run()
        token = self.token()
        for name in ("cmdline", "environ", "comm", "status"):
            try:
                self.assertNotIn(token[:40], Path(f"/proc/{agent.pid}/{name}").read_bytes())
            except PermissionError:
                self.assertEqual(name, "environ")

    @unittest.skipIf(os.geteuid(), "only root reads another process's memory")
    def test_one_copy_in_memory_and_none_of_a_token_that_was_replaced(self) -> None:
        agent = self.start_run()
        old = self.token()
        self.assertEqual(self.copies(agent, old), 1)
        agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=2 * self.file_count)
        new = self.token()
        self.assertNotEqual(new, old)
        self.assertEqual((self.copies(agent, old), self.copies(agent, new)), (0, 1))
        agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=3 * self.file_count)
        self.assertEqual((self.copies(agent, old), self.copies(agent, new)), (0, 0))

    def copies(self, agent: Agent, token: bytes) -> int:
        """How often a part of the token stands in the agent's memory.

        The signature's middle, which no other token has.
        """
        part = token[-200:-100]
        agent.send(signal.SIGSTOP)
        try:
            count = sum(memory.count(part) for memory in self.memories(agent))
        finally:
            agent.send(signal.SIGCONT)
        return count

    def memories(self, agent: Agent) -> List[bytes]:
        found = []
        try:
            with open(f"/proc/{agent.pid}/mem", "rb", buffering=0) as stream:
                for begin, end in self.ranges(agent):
                    stream.seek(begin)
                    data = b""
                    while len(data) < end - begin:
                        piece = stream.read(end - begin - len(data))
                        if not piece:
                            break
                        data += piece
                    found.append(data)
        except PermissionError as error:
            self.skipTest(f"not permitted here: {error}")
        return found

    def ranges(self, agent: Agent) -> List[Tuple[int, int]]:
        lines = Path(f"/proc/{agent.pid}/maps").read_text(encoding="utf-8").splitlines()
        return [(int(match[1], 16), int(match[2], 16)) for match in
                (re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line) for line in lines) if match]

    def test_few_descriptors_and_no_child(self) -> None:
        agent = self.start_run()
        try:
            names = os.listdir(f"/proc/{agent.pid}/fd")
        except PermissionError as error:
            self.skipTest(f"not permitted here: {error}")
        self.assertLessEqual(len(names), 8)
        for _ in range(2):
            agent.send(signal.SIGUSR1)
            count = len(agent.events("published"))
            agent.wait_event("published", count=count + self.file_count)
        self.assertLessEqual(len(os.listdir(f"/proc/{agent.pid}/fd")), len(names))
        self.assertEqual(Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text(
            encoding="ascii"), "")

    @unittest.skipUnless(shutil.which("strace"), "no strace here")
    def test_a_temporary_file_is_never_open_to_others(self) -> None:
        """Whatever the mode is to be, the content comes after the owner and the mode."""
        log = self.place / "strace.log"
        subprocess.run(
            ["strace", "-o", str(log), "-e", "trace=openat,fchown,fchmod,writev,renameat",
             binary(), "once", "-c", self.config], env=clean_environment(), check=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
        lines = log.read_text(encoding="utf-8").splitlines()
        created = [line for line in lines if "O_CREAT" in line]
        self.assertEqual(len(created), self.file_count)
        for line in created:
            for flag in ("O_EXCL", "O_NOFOLLOW", "O_CLOEXEC", ", 0600)"):
                self.assertIn(flag, line)
        names = [line.partition("(")[0] for line in lines]
        at = lines.index(created[0])
        self.assertEqual(names[at:at + 4], ["openat", "fchown", "fchmod", "writev"])


if __name__ == "__main__":
    unittest.main()
