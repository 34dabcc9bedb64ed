#!/usr/bin/python3
"""Where the log goes, and what it says: standard error, syslog at /dev/log, level debug.

This whole process enters a mount namespace with a /dev of its own, so the file is run alone. It is
skipped where namespaces are not permitted.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import unittest
from pathlib import Path
from typing import Dict, List

from support import Agent, EmulatedTest, look, miagent, wait_until

import netns

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
SYSLOG = "/dev/log"


def setUpModule() -> None:
    status = netns.enter()
    if not status.entered:
        raise unittest.SkipTest(status.reason)
    shm = os.open("/dev/shm", os.O_PATH)
    devices = {name: os.open(f"/dev/{name}", os.O_PATH) for name in DEVICES
               if os.path.exists(f"/dev/{name}")}
    try:
        netns.mount_tmpfs("/dev", 1024, 0o755)
        for name, descriptor in {**devices, "shm": shm}.items():
            path = Path("/dev") / name
            if name == "shm":
                path.mkdir()
            else:
                path.touch()
            netns.mount_bind(f"/proc/self/fd/{descriptor}", str(path))
    except OSError as error:
        raise unittest.SkipTest(f"no /dev of its own: {error}") from None
    finally:
        for descriptor in (shm, *devices.values()):
            os.close(descriptor)


class Receiver:
    """A syslog daemon's socket."""

    def __init__(self, path: str = SYSLOG) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        os.chmod(path, 0o666)
        self.lines: List[str] = []

    def close(self) -> None:
        self._socket.close()
        if os.path.exists(SYSLOG):
            os.unlink(SYSLOG)

    def listen(self) -> List[str]:
        while select.select([self._socket], [], [], 0)[0]:
            self.lines.append(self._socket.recv(65536).decode("ascii"))
        return self.lines

    def wait(self, text: str) -> str:
        def seen() -> List[str]:
            return [line for line in self.listen() if text in line]
        return str(wait_until(seen, f"{text} in {self.lines}")[-1])


class LogTest(EmulatedTest):
    def config(self, **agent: str) -> str:
        self.host = self.id().rpartition(".")[2].replace("_", "-") + ".example"
        return self.simple_config(self.emulator.url, f"https://{self.host}/", **agent)

    def start_run(self, **agent: str) -> Agent:
        started = self.start("run", "-c", self.config(**agent))
        wait_until(self.file.exists, f"the token; it said:\n{started.log()}")
        return started


class Syslog(LogTest):
    def receive(self) -> Receiver:
        receiver = Receiver()
        self.addCleanup(receiver.close)
        return receiver

    def test_each_line_with_its_priority(self) -> None:
        receiver = self.receive()
        agent = self.start_run(log="syslog")
        line = receiver.wait("event=published")
        self.assertTrue(line.startswith(
            f"<30>miagent[{agent.pid}]: level=info event=published token=t file="), line)
        self.assertFalse(line.endswith("\n"))
        self.emulator.add_steps(f"when {self.host} status 503\nwhen {self.host} status 400")
        agent.send(signal.SIGUSR1)
        self.assertTrue(receiver.wait("HTTP 503").startswith(f"<28>miagent[{agent.pid}]: "))
        Path(self.config(log="syslog")).write_text("[agent]\nlog = nowhere\n", encoding="utf-8")
        agent.send(signal.SIGHUP)
        self.assertTrue(receiver.wait("stderr|syslog").startswith("<27>miagent["))
        self.assertEqual(agent.stop(), 0)
        receiver.wait("event=stopped")
        self.assertEqual(agent.log(), "")
        self.assertFalse(any("eyJ" in each for each in receiver.lines))

    def test_standard_error_where_nobody_is_there_and_back(self) -> None:
        agent = self.start_run(log="syslog")
        agent.wait_event("published")
        receiver = self.receive()
        size = len(agent.log())
        agent.send(signal.SIGUSR1)
        receiver.wait("event=published")
        self.assertEqual(len(agent.log()), size)
        receiver.close()
        agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=2)
        self.receive().close()
        self.assertEqual(agent.stop(), 0)

    def test_a_daemon_that_does_not_read(self) -> None:
        self.receive()
        agent = self.start_run(log="syslog", log_level="debug")
        def spoke() -> bool:
            # One that comes while a forced request is under way asks for no other.
            agent.send(signal.SIGUSR1)
            return len(self.emulator.requests()) > count or bool(agent.log())

        for count in range(1, 100):
            wait_until(spoke, "a request")
            if agent.log():
                break
        agent.wait_event("fetched")
        self.assertEqual(agent.stop(), 0)

    def test_commands_and_a_wrong_configuration_stay_on_standard_error(self) -> None:
        receiver = self.receive()
        config = self.config(log="syslog")
        self.emulator.add_steps(f"when {self.host} status 400")
        self.check_result(miagent("once", "-c", config), 69, "HTTP 400")
        config = self.config(log="syslog", timeout="0")
        self.check_result(miagent("run", "-c", config), 78, "timeout: expected 1 to 300")
        self.assertEqual(receiver.listen(), [])

    def test_busybox_syslogd(self) -> None:
        if not shutil.which("busybox"):
            self.skipTest("busybox isn't installed")
        if "syslogd" not in subprocess.run(["busybox", "--list"], stdout=subprocess.PIPE, text=True,
                                           check=False).stdout.split():
            self.skipTest("this busybox has no syslogd")
        log = self.place / "messages"
        daemon = subprocess.Popen(["busybox", "syslogd", "-n", "-O", str(log)],
                                  stdin=subprocess.DEVNULL)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        self.addCleanup(lambda: os.path.lexists(SYSLOG) and os.unlink(SYSLOG))
        wait_until(lambda: os.path.exists(SYSLOG), "busybox's socket")
        agent = self.start_run(log="syslog")

        def told() -> "re.Match[str] | None":
            text = log.read_text(encoding="utf-8") if log.exists() else ""
            return re.search(r"^[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d \S+ daemon\.info "
                             rf"miagent\[{agent.pid}\]: level=info event=published ", text, re.M)
        wait_until(told, "the line with busybox's time, and its facility and level")
        self.assertEqual(agent.stop(), 0)


    def test_journald(self) -> None:
        program = "/lib/systemd/systemd-journald"
        if not os.access(program, os.X_OK) or not shutil.which("journalctl"):
            self.skipTest("journald isn't installed")
        if os.geteuid() != 0:
            self.skipTest("journald needs root")
        netns.mount_tmpfs("/run", 65536, 0o755)  # this process's own, for the rest of its tests
        for folder in ("/run/systemd/journal", "/run/log/journal"):
            os.makedirs(folder)
        daemon = subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        wait_until(lambda: os.path.exists("/run/systemd/journal/dev-log"), "journald's socket")
        os.symlink("/run/systemd/journal/dev-log", SYSLOG)
        self.addCleanup(os.unlink, SYSLOG)
        agent = self.start_run(log="syslog")

        def told() -> List[Dict[str, str]]:
            done = subprocess.run(["journalctl", "-D", "/run/log/journal", "-o", "json",
                                   "SYSLOG_IDENTIFIER=miagent"], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True, check=False)
            entries = [json.loads(line) for line in done.stdout.splitlines()]
            return [each for each in entries if "event=published" in each["MESSAGE"]]
        [entry] = wait_until(told, "the line in the journal")
        self.assertTrue(entry["MESSAGE"].startswith("level=info event=published"), entry)
        self.assertEqual((entry["PRIORITY"], entry["SYSLOG_FACILITY"], entry["SYSLOG_PID"]),
                         ("6", "3", str(agent.pid)))
        self.assertEqual(agent.stop(), 0)


class Debug(LogTest):
    def test_exchanges_without_secrets(self) -> None:
        agent = self.start_run(log_level="debug")
        [request] = agent.wait_event("request")
        for text in ("level=debug", "token=t", "method=GET", "headers=Host,", "Metadata",
                     f'target="/metadata/identity/oauth2/token?api-version=', self.host):
            self.assertIn(text, request)
        self.assertNotIn("true", request)
        [answer] = agent.wait_event("answer")
        self.assertRegex(answer, r" status=200 body_bytes=[1-9]\d{3} ms=\d+$")
        [fetched] = agent.wait_event("fetched")
        self.assertIn(f" sha256={look(self.file).sha256[:8]}", fetched)
        self.assertRegex(fetched, r" expires_on=\d{10} ")
        self.emulator.add_steps(f"when {self.host} close 600")
        agent.send(signal.SIGUSR1)
        agent.wait_event("answer", "failure=\"the connection ended before")
        self.assertEqual(agent.stop(), 0)

    def test_no_fingerprint_at_level_info(self) -> None:
        agent = self.start_run()
        [fetched] = agent.wait_event("fetched")
        self.assertNotIn("sha256", fetched)
        self.assertEqual(agent.events("request"), [])
        self.assertEqual(agent.stop(), 0)


if __name__ == "__main__":
    unittest.main()
