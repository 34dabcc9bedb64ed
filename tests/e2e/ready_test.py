#!/usr/bin/python3
"""Readiness and watchdog: `miagent run` under something that listens as systemd or s6 does."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import time
import unittest
from pathlib import Path
from typing import Dict, List

from support import (WAIT_TIMEOUT_S, Agent, EmulatedTest, binary, config_text, miagent, requests_for,
                     wait_until)


class Supervisor:
    """A datagram socket, as NOTIFY_SOCKET names one: at a path, or abstract (`@name`)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.messages: List[Dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name[0] == "@" else name)
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def listen(self) -> List[Dict[str, str]]:
        """All that was told so far."""
        while select.select([self._socket], [], [], 0)[0]:
            text = self._socket.recv(65536).decode("utf-8")
            if "eyJ" in text:
                raise AssertionError("a token was told")
            self.messages.append(dict(line.split("=", 1) for line in text.split("\n")))
        return self.messages

    def count(self, key: str) -> int:
        return sum(key in message for message in self.listen())

    def wait(self, key: str, count: int = 1) -> Dict[str, str]:
        wait_until(lambda: self.count(key) >= count, f"{key} {count} times in {self.messages}")
        return [message for message in self.messages if key in message][count - 1]

    def status(self) -> str:
        told = [message["STATUS"] for message in self.listen() if "STATUS" in message]
        return told[-1] if told else ""


class ReadyTest(EmulatedTest):
    def config(self, **agent: str) -> str:
        """Two tokens, in a file each."""
        self.host = self.id().rpartition(".")[2].replace("_", "-") + ".example"
        return self.write_config(config_text(
            {name: {"resource": f"https://{name}.{self.host}/", "endpoint": self.emulator.url}
             for name in ("one", "two")},
            {str(self.folder / name): {"token": name} for name in ("one", "two")}, **agent))

    def supervise(self, name: str) -> Supervisor:
        supervisor = Supervisor(name)
        self.addCleanup(supervisor.close)
        return supervisor

    def start_under(self, supervisor: Supervisor, config: str, **environment: str) -> Agent:
        return self.start("run", "-c", config,
                          environment={"NOTIFY_SOCKET": supervisor.name, **environment})


class Notify(ReadyTest):
    def test_a_life_over_a_path_and_an_abstract_name(self) -> None:
        for name in (str(self.place / "notify"), f"@miagent-e2e-{os.getpid()}"):
            with self.subTest(name):
                config = self.config()
                supervisor = self.supervise(name)
                agent = self.start_under(supervisor, config)
                ready = supervisor.wait("READY")
                self.assertEqual(ready, {"READY": "1", "STATUS": "2 of 2 files hold a token"})
                self.assertTrue((self.folder / "one").exists() and (self.folder / "two").exists())
                before_us = time.monotonic_ns() // 1000
                agent.send(signal.SIGHUP)
                supervisor.wait("READY", count=2)
                reloading = supervisor.wait("RELOADING")
                self.assertGreaterEqual(int(reloading["MONOTONIC_USEC"]), before_us)
                told = [key for message in supervisor.messages for key in message]
                self.assertEqual([key for key in told if key != "STATUS"],
                                 ["READY", "RELOADING", "MONOTONIC_USEC", "READY"])
                Path(config).write_text("nonsense\n", encoding="utf-8")
                agent.send(signal.SIGHUP)
                refused = supervisor.wait("READY", count=3)
                self.assertIn("the new configuration was refused", refused["STATUS"])
                self.assertEqual(agent.stop(), 0)
                self.assertEqual(supervisor.listen()[-1], {"STOPPING": "1"})
                self.assertEqual(supervisor.count("WATCHDOG"), 0)

    def test_not_ready_before_every_file_is_there(self) -> None:
        config = self.config()
        self.emulator.add_steps(f"when two.{self.host} status 503 x2")
        supervisor = self.supervise(str(self.place / "notify"))
        agent = self.start_under(supervisor, config)
        wait_until(lambda: "1 of 2 files hold a token; token two, next try in " in
                   supervisor.status(), "what is waited for")
        self.assertIn("HTTP 503", supervisor.status())
        self.assertEqual(supervisor.count("READY"), 0)
        self.assertFalse((self.folder / "two").exists())
        supervisor.wait("READY")
        self.assertTrue((self.folder / "two").exists())
        self.assertEqual(agent.stop(), 0)

    def test_watchdog(self) -> None:
        supervisor = self.supervise(str(self.place / "notify"))
        agent = self.start_under(supervisor, self.config(), WATCHDOG_USEC="400000")
        begin = time.monotonic()
        supervisor.wait("WATCHDOG", count=10)
        self.assertGreater(time.monotonic() - begin, 1.7)  # 10 times 200 ms, less a start
        agent.send(signal.SIGSTOP)
        supervisor.wait("WATCHDOG")
        time.sleep(0.3)
        count = supervisor.count("WATCHDOG")
        time.sleep(1)
        self.assertEqual(supervisor.count("WATCHDOG"), count, "it told while it was stopped")
        agent.send(signal.SIGCONT)
        supervisor.wait("WATCHDOG", count=count + 2)
        self.assertEqual(agent.stop(), 0)

    def test_watchdog_of_another_process(self) -> None:
        supervisor = self.supervise(str(self.place / "notify"))
        agent = self.start_under(supervisor, self.config(), WATCHDOG_USEC="100000",
                                 WATCHDOG_PID="1")
        supervisor.wait("READY")
        time.sleep(0.5)
        self.assertEqual(supervisor.count("WATCHDOG"), 0)
        self.assertEqual(agent.stop(), 0)

    def test_a_supervisor_that_is_gone_harms_nothing(self) -> None:
        config = self.config()
        agent = self.start("run", "-c", config,
                           environment={"NOTIFY_SOCKET": str(self.place / "nobody")})
        agent.wait_event("supervisor_failed", "no such file or directory")
        agent.wait_event("published", count=2)
        self.assertEqual(agent.stop(), 0)
        self.assertEqual(len(requests_for(self.emulator, self.host)), 2)

    def test_once_and_get_tell_nothing(self) -> None:
        supervisor = self.supervise(str(self.place / "notify"))
        environment = {"NOTIFY_SOCKET": supervisor.name, "WATCHDOG_USEC": "1000"}
        self.assertEqual(miagent("once", "-c", self.config(), environment=environment).code, 0)
        self.assertEqual(supervisor.listen(), [])


class ReadyDescriptor(ReadyTest):
    def test_one_newline_then_the_end(self) -> None:
        config = self.config()
        self.emulator.add_steps(f"when two.{self.host} status 503")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        agent = self.start("run", "-c", config, "--ready-fd", str(writer), pass_fds=(writer,))
        os.close(writer)
        agent.wait_event("refresh_failed")
        self.assertEqual(select.select([reader], [], [], 0)[0], [])
        self.assertTrue(select.select([reader], [], [], WAIT_TIMEOUT_S)[0])
        self.assertTrue((self.folder / "two").exists())
        self.assertEqual((os.read(reader, 10), os.read(reader, 10)), (b"\n", b""))
        self.assertEqual(agent.stop(), 0)

    def test_a_reader_that_is_gone(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        agent = self.start("run", "-c", self.config(), "--ready-fd", str(writer),
                           pass_fds=(writer,))
        os.close(writer)
        agent.wait_event("supervisor_failed", "to=--ready-fd", "closed by the reader")
        agent.wait_event("published", count=2)
        self.assertEqual(agent.stop(), 0)

    def test_a_descriptor_that_is_not_open(self) -> None:
        self.check_result(miagent("run", "-c", self.config(), "--ready-fd", "77"), 64,
                          "expects --ready-fd N, the number of an open descriptor")
        self.check_result(miagent("run", "-c", self.config(), "--ready-fd", "1"), 64,
                          "expects --ready-fd 3 to 1023")
        self.check_result(miagent("once", "-c", self.config(), "--ready-fd", "3"), 64,
                          "has no option '--ready-fd'")


class Systemd(ReadyTest):
    """Where systemd is this machine's init."""

    def setUp(self) -> None:
        super().setUp()
        if not Path("/run/systemd/system").is_dir() or not shutil.which("systemd-run"):
            self.skipTest("systemd isn't this machine's init")
        if os.geteuid() != 0:
            self.skipTest("only root can start a service of the system")
        self.unit = f"miagent-e2e-{os.getpid()}.service"

    def systemctl(self, *words: str) -> str:
        return subprocess.run(["systemctl", *words, self.unit], stdout=subprocess.PIPE, text=True,
                              check=False, timeout=WAIT_TIMEOUT_S).stdout.strip()

    def test_a_service_of_type_notify_with_a_watchdog(self) -> None:
        self.addCleanup(self.systemctl, "stop")
        started = subprocess.run(
            ["systemd-run", "--unit", self.unit, "--service-type=notify", "-p", "WatchdogSec=1",
             "-p", "NotifyAccess=main", "-p", "ExecReload=kill -HUP $MAINPID", "--collect",
             binary(), "run", "-c", self.config()],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=WAIT_TIMEOUT_S)
        self.assertEqual(started.returncode, 0, started.stdout)
        self.assertTrue((self.folder / "two").exists(), "it was started before it was ready")
        show = ("show", "--value", "--property")
        self.assertEqual(self.systemctl(*show, "StatusText"), "2 of 2 files hold a token")
        self.systemctl("reload")
        time.sleep(2.5)  # the watchdog would have killed it
        self.assertEqual(self.systemctl(*show, "ActiveState"), "active")
        self.assertEqual(self.systemctl(*show, "NRestarts"), "0")


if __name__ == "__main__":
    unittest.main()
