#!/usr/bin/python3
"""Service files, run by their supervisors: runit, s6, BusyBox's start-stop-daemon, cron's line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import unittest
from pathlib import Path
from typing import List

from files import ACCOUNT_ID, PackagedTest, need, run, text_of
from support import wait_until


def is_agent(pid: int) -> bool:
    """Whether the process runs `miagent`; one that has ended but isn't waited for doesn't."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return "(miagent) " in fields and "(miagent) Z" not in fields


class Supervised(PackagedTest):
    """What holds for each supervisor; `control` and `pid` are its own."""

    def setUp(self) -> None:
        super().setUp()
        self.configure("one")
        self.service = self.place / "service"

    def supervise(self, program: str) -> None:
        with open(self.place / "log", "wb") as log:
            supervisor = subprocess.Popen([program, str(self.service)], stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log)
        self.supervisor = supervisor
        self.addCleanup(supervisor.wait)
        self.addCleanup(lambda: supervisor.poll() is None and supervisor.kill())

    def control(self, *command: str) -> None:
        done = run(*command, str(self.service))
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}")

    def pid(self) -> int:
        raise NotImplementedError

    def agent(self) -> int:
        """Its process id, once it runs as the account that it shall run as."""
        def seen() -> int:
            pid = self.pid()
            return pid if pid and is_agent(pid) else 0
        pid = int(wait_until(seen, f"the agent; log:\n{self.log()}"))
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        self.assertRegex(status, rf"Uid:\t{ACCOUNT_ID}\t{ACCOUNT_ID}")
        return pid

    def log(self) -> str:
        path = self.place / "log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def wait_token(self, name: str) -> None:
        wait_until((self.folder / name).exists, f"{name}; log:\n{self.log()}")
        self.assertTrue((self.folder / name).read_bytes().startswith(b"eyJ"))

    def live(self, reload: List[str], down: List[str], end: List[str]) -> None:
        """A token, a reload, a death, and the end."""
        self.wait_token("one")
        first = self.agent()
        self.configure("one", "two")
        self.control(*reload)
        self.wait_token("two")
        self.assertEqual(self.agent(), first)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: self.pid() not in (0, first), "another process")
        second = self.agent()
        self.assertTrue((self.folder / "one").exists())
        wait_until(lambda: self.log().count("event=start") >= 2, f"two starts in\n{self.log()}")
        self.control(*down)
        wait_until(lambda: not is_agent(second), "the end after SIGTERM")
        self.assertEqual(os.listdir(self.folder), [], "on_stop = remove")
        self.control(*end)
        self.supervisor.wait(timeout=5)


class Runit(Supervised):
    def pid(self) -> int:
        path = self.service / "supervise" / "pid"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return int(text or 0)

    def test_runsv(self) -> None:
        need(self, "runsv", "sv", "chpst")
        self.install("runit/miagent/run", self.service / "run")
        self.supervise("runsv")
        self.live(["sv", "hup"], ["sv", "down"], ["sv", "exit"])


class S6(Supervised):
    def setUp(self) -> None:
        super().setUp()
        need(self, "s6-supervise", "s6-svc", "s6-svstat", "s6-setuidgid")
        self.install("s6/miagent/run", self.service / "run")
        self.install("s6/miagent/finish", self.service / "finish")
        self.install("s6/miagent/notification-fd", self.service / "notification-fd")

    def pid(self) -> int:
        done = run("s6-svstat", "-o", "pid", str(self.service))
        return max(0, int(done.stdout)) if done.returncode == 0 else 0

    def test_s6_supervise(self) -> None:
        self.supervise("s6-supervise")
        self.live(["s6-svc", "-h"], ["s6-svc", "-d"], ["s6-svc", "-x"])

    def is_ready(self) -> bool:
        return run("s6-svstat", "-o", "ready", str(self.service)).stdout.strip() == "true"

    def test_ready_once_every_file_is_there(self) -> None:
        self.configure("one", "two")
        self.emulator.add_steps(f"when {self.id()} status 503")
        self.supervise("s6-supervise")
        wait_until(lambda: "HTTP 503" in self.log(), "the first failure")
        self.assertFalse(self.is_ready())
        wait_until(self.is_ready, f"readiness; log:\n{self.log()}")
        self.assertEqual(sorted(os.listdir(self.folder)), ["one", "two"])
        self.control("s6-svc", "-d")
        wait_until(lambda: not self.pid(), "the end")
        self.control("s6-svc", "-x")
        self.supervisor.wait(timeout=5)

    def test_a_wrong_configuration_isnt_tried_again(self) -> None:
        self.write_config("[agent]\ntimeout = never\n")
        self.supervise("s6-supervise")
        wait_until(lambda: "timeout" in self.log(), "what is wrong")
        size = len(self.log())
        time.sleep(2.2)  # s6 starts a service anew after a second
        self.assertEqual(len(self.log()), size, self.log())
        self.assertEqual(self.pid(), 0)
        self.control("s6-svc", "-x")
        self.supervisor.wait(timeout=5)


class Busybox(Supervised):
    """S45miagent with nothing but BusyBox's own applets, and a logger that writes self.log()."""

    APPLETS = ("cat", "chown", "mkdir", "mkfifo", "rm", "sleep", "start-stop-daemon")

    def setUp(self) -> None:
        super().setUp()
        need(self, "busybox")
        applets = run("busybox", "--list").stdout.split()
        for applet in (*self.APPLETS, "ash"):
            if applet not in applets:
                self.skipTest(f"this busybox has no {applet}")
        self.bin = self.place / "bin"
        self.bin.mkdir()
        where = run("sh", "-c", "command -v busybox").stdout.strip()
        for applet in self.APPLETS:
            (self.bin / applet).symlink_to(where)
        (self.bin / "logger").write_text(f"#!/bin/sh\nexec cat >>{self.place}/log\n",
                                         encoding="utf-8")
        (self.bin / "logger").chmod(0o755)
        self.script = self.install("busybox/S45miagent", self.place / "S45miagent")
        text = self.script.read_text(encoding="utf-8")  # BusyBox prefers its own to PATH's
        self.script.write_text(text.replace("logger ", f"{self.bin}/logger "), encoding="utf-8")
        self.addCleanup(self.call, "stop")

    def call(self, verb: str) -> "subprocess.CompletedProcess[str]":
        return run("/bin/busybox", "ash", str(self.script), verb,
                   environment={"PATH": str(self.bin)})

    def check(self, verb: str, code: int, said: str = "") -> None:
        done = self.call(verb)
        self.assertEqual((done.returncode, done.stdout), (code, said and f"miagent: {said}\n"))

    def pid(self) -> int:
        path = self.place / "run.pid"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return int(text or 0)

    def test_life(self) -> None:
        self.check("status", 3, "stopped")
        self.check("reload", 1, "stopped")
        self.check("start", 0, "started")
        self.wait_token("one")
        first = self.agent()
        self.check("status", 0, "running")
        self.check("start", 0, "running already")
        self.configure("one", "two")
        self.check("reload", 0)
        self.wait_token("two")
        self.assertEqual(self.agent(), first)
        wait_until(lambda: "event=start" in self.log(), "the log at the logger")
        done = self.call("restart")
        self.assertEqual((done.returncode, done.stdout), (0, "miagent: stopped\nmiagent: started\n"))
        second = self.agent()
        self.assertNotEqual(second, first)
        self.assertFalse(is_agent(first))
        self.wait_token("two")
        self.check("stop", 0, "stopped")
        self.assertFalse(is_agent(second))
        self.assertEqual(os.listdir(self.folder), [], "on_stop = remove")
        self.check("stop", 0, "stopped")

    def test_after_kill_9(self) -> None:
        self.check("start", 0, "started")
        self.wait_token("one")
        first = self.agent()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: not is_agent(first), "its end")
        self.check("status", 3, "stopped")
        self.check("start", 0, "started")
        self.assertNotEqual(self.agent(), first)
        self.check("stop", 0, "stopped")

    def test_a_wrong_configuration(self) -> None:
        self.write_config("[agent]\ntimeout = never\n")
        done = self.call("start")
        self.assertEqual(done.returncode, 1)
        self.assertIn("miagent.conf:2: timeout", done.stdout)
        self.check("status", 3, "stopped")

    def test_usage(self) -> None:
        done = self.call("help")
        self.assertEqual(done.returncode, 2)
        self.assertIn("start|stop|restart|reload|status", done.stdout)


class Lines(PackagedTest):
    def lines(self, name: str) -> List[str]:
        return [line for line in text_of(name).splitlines() if line and line[0] != "#"]

    def test_cron(self) -> None:
        (line,) = self.lines("cron/miagent")
        found = re.fullmatch(r"((?:[*0-9/]+ ){5})miagent (/\S.*)", line)
        assert found, line
        self.configure("one")
        done = run("setpriv", f"--reuid={ACCOUNT_ID}", f"--regid={ACCOUNT_ID}", "--clear-groups",
                   "sh", "-c", self.pointed(found[2]))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue((self.folder / "one").read_bytes().startswith(b"eyJ"))

    def test_inittab(self) -> None:
        fields = [line.split(":", 3) for line in self.lines("busybox/inittab")]
        self.assertEqual([each[2] for each in fields], ["sysinit", "respawn"])
        self.assertEqual(fields[1][3], "/usr/bin/miagent run -c /etc/miagent.conf")
        done = run(*self.pointed(fields[0][3]).split(" "))
        self.assertEqual((done.returncode, done.stdout), (0, ""))


def load_tests(loader: unittest.TestLoader, _: object, __: object) -> unittest.TestSuite:
    """All but Supervised, which is no test of its own."""
    classes = (Runit, S6, Busybox, Lines)
    return unittest.TestSuite(loader.loadTestsFromTestCase(each) for each in classes)


if __name__ == "__main__":
    unittest.main()
