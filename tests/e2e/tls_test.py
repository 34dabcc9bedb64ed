#!/usr/bin/python3
"""https endpoints, with the real binary: the emulator behind a TLS server of this test's own."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import threading
import unittest
from pathlib import Path
from typing import Callable, List, Optional

from support import Agent, EmulatedTest, Result, config_text, look, miagent, wait_until

import verify
from tls_door import DAY, NOW, Door, Issued, issue


class TlsTest(EmulatedTest):
    root: Issued

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.root = issue()
        if "tls: no\n" in miagent("--version").out:
            raise unittest.SkipTest("a build without TLS")

    def setUp(self) -> None:
        super().setUp()
        self.ca = str(self.place / "ca.pem")
        Path(self.ca).write_bytes(self.root.pem())

    def door(self, leaf: Optional[Issued] = None, piece: int = 16384,
             version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Door:
        certificate = (leaf or issue(self.root)).write(self.place / "server.pem")
        door = Door(certificate, int(self.emulator.url.rsplit(":", 1)[1]), version, piece)
        self.addCleanup(door.close)
        return door

    def get(self, url: str, ca: str = "", timeout_s: int = 20) -> Result:
        resource = f"https://{self.id().rpartition('.')[2].replace('_', '-')}.example/"
        return miagent("get", "--source", "imds", "--resource", resource, "--endpoint", url,
                       "--ca", ca or self.ca, "--timeout", str(timeout_s))


class Get(TlsTest):
    def test_a_token_by_each_version(self) -> None:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                result = self.get(self.door(version=version).url)
                self.check_result(result, 0)
                verify.verify_token(result.out[:-1], self.keys)

    def test_an_answer_in_records_of_one_byte(self) -> None:
        result = self.get(self.door(piece=1).url)
        self.check_result(result, 0)
        verify.verify_token(result.out[:-1], self.keys)

    def test_a_server_that_is_not_trusted_is_refused_at_once_and_sent_nothing(self) -> None:
        for leaf, said in ((issue(issue()), "unknown issuer"),
                           (issue(self.root, address="127.0.0.2"), "for another name"),
                           (issue(self.root, end=NOW - DAY), "has expired")):
            with self.subTest(said):
                door = self.door(leaf)
                before = len(self.emulator.requests())
                self.check_result(self.get(door.url), 69, said, door.url)
                self.assertEqual((door.asked, door.count), (1, 0))
                self.assertEqual(len(self.emulator.requests()), before)

    def test_a_ca_file_that_is_not_there_or_holds_nothing(self) -> None:
        door = self.door()
        empty = self.place / "empty.pem"
        empty.write_text("none\n")
        for ca in ("/nonexistent.pem", str(empty), str(self.place)):
            with self.subTest(ca):
                self.check_result(self.get(door.url, ca=ca), 78, "no CA certificates")

    def test_a_server_without_tls(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                client.recv(65536)
                client.close()
        threading.Thread(target=serve, daemon=True).start()
        result = self.get(f"https://127.0.0.1:{listener.getsockname()[1]}", timeout_s=1)
        self.check_result(result, 75)
        self.assertRegex(result.err, r"TLS failed: error -0x[0-9a-f]{4}; ")

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        result = self.get(f"https://127.0.0.1:{port}", timeout_s=1)
        self.check_result(result, 75, "connect")

    def test_the_systems_bundle_is_the_default(self) -> None:
        if not os.path.exists("/etc/ssl/certs/ca-certificates.crt"):
            self.skipTest("this machine has no CA certificates")
        result = miagent("get", "--source", "imds", "--resource", "arm", "--endpoint",
                         self.door().url, "--timeout", "20")
        self.check_result(result, 69, "unknown issuer")


class Run(TlsTest):
    def config(self, url: str, **agent: str) -> str:
        return self.write_config(config_text(
            {"t": {"resource": "https://run.example/", "endpoint": url, "source": "imds"}},
            {str(self.file): {"token": "t"}}, ca_file=self.ca, **agent))

    def refresh(self, agent: Agent) -> None:
        before = look(self.file).inode
        agent.send(signal.SIGUSR1)
        wait_until(lambda: look(self.file).inode != before, "a refresh")

    def test_refreshes_go_over_one_connection(self) -> None:
        door = self.door()
        agent = self.start("run", "-c", self.config(door.url))
        wait_until(self.file.exists, "the token")
        for _ in range(3):
            self.refresh(agent)
        self.assertEqual(door.count, 1)
        door.drop()
        self.refresh(agent)
        self.assertEqual(door.count, 2)
        self.assertEqual(agent.stop(), 0)

    def test_a_certificate_that_is_mended_is_found_and_the_old_file_stays(self) -> None:
        door = self.door()
        config = self.config(door.url)
        agent = self.start("run", "-c", config)
        wait_until(self.file.exists, "the token")
        before = look(self.file)
        Path(self.ca).write_bytes(issue().pem())
        signals: List[Callable[[], None]] = [
            lambda: agent.send(signal.SIGHUP),
            lambda: agent.send(signal.SIGUSR1)]
        for send in signals:
            send()
        agent.wait_event("refresh_failed", "unknown issuer")
        self.assertEqual(look(self.file), before)
        Path(self.ca).write_bytes(self.root.pem())
        for send in signals:
            send()
        wait_until(lambda: look(self.file).inode != before.inode, "a refresh")
        self.assertEqual(agent.stop(), 0)

    def test_once_and_check(self) -> None:
        door = self.door()
        config = self.config(door.url)
        plan = miagent("check", "-c", config)
        self.assertRegex(plan.out, re.escape(f"imds at {door.url}/metadata"))
        self.check_result(miagent("once", "-c", config), 0)
        verify.verify_token(self.file.read_text(), self.keys)


class Settings(TlsTest):
    def test_ca_file_is_an_absolute_path(self) -> None:
        config = self.write_config("[agent]\nca_file = ca.pem\n[token t]\nresource = arm\n"
                                   f"[file {self.file}]\ntoken = t\n")
        self.check_result(miagent("check", "-c", config), 78, ":2: ca_file: expected an absolute")

    def test_ca_of_the_command_line_may_be_relative(self) -> None:
        result = miagent("get", "--source", "imds", "--resource", "arm", "--endpoint",
                         self.door().url, "--ca", "ca.pem", cwd=str(self.place))
        self.check_result(result, 0)

    def test_version_names_the_engine(self) -> None:
        self.assertRegex(miagent("--version").out, r"(?m)^tls: Mbed TLS 3\.6\.\d+$")


if __name__ == "__main__":
    unittest.main()
