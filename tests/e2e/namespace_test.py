#!/usr/bin/python3
"""In namespaces of its own: the endpoint's real address, and a tmpfs that is full.

This whole process enters them, so the file is run alone. It is skipped where namespaces are not
permitted.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import unittest
from pathlib import Path

from support import (Agent, E2eTest, EmulatedTest, Emulator, Reader, config_text, look, miagent,
                     wait_until)

import netns
import verify

RESOURCES = ("storage", "vault")


def setUpModule() -> None:
    status = netns.enter()
    if not status.entered:
        raise unittest.SkipTest(status.reason)


class RealAddress(E2eTest):
    def test_without_any_setting(self) -> None:
        with Emulator(listen=f"{netns.METADATA_ADDRESS}:80") as emulator:
            keys = verify.fetch_keys(emulator.jwks_url)
            result = miagent("get", "--resource", "vault")
            self.assertEqual((result.code, result.err), (0, ""))
            claims = verify.verify_token(result.out[:-1], keys)
            self.assertEqual(claims["aud"], "https://vault.azure.net")
            self.assertEqual(emulator.requests()[0].header("Host"), "169.254.169.254")
            config = self.write_config(config_text(
                {name: {"resource": name} for name in RESOURCES},
                {str(self.folder / name): {"token": name} for name in RESOURCES}))
            result = miagent("once", "-c", config, environment={"http_proxy": "http://127.0.0.1:1"})
            self.assertEqual((result.code, result.err), (0, ""))
            for name in RESOURCES:
                verify.verify_file(str(self.folder / name), keys, verify.Expectation(
                    "raw", 0o600, os.geteuid(), seconds_left_min=3600))

    def test_where_the_endpoint_cannot_be_reached(self) -> None:
        result = miagent("get", "--resource", "vault", "--endpoint", "http://192.0.2.1",
                         "--timeout", "1")
        self.check_result(result, 75, "http://192.0.2.1", "network unreachable")

    @unittest.skipUnless(Path("/sbin/ip").exists() or Path("/usr/sbin/ip").exists(), "no ip here")
    def test_where_a_route_forbids_it(self) -> None:
        added = subprocess.run(["ip", "route", "add", "prohibit", "192.0.2.2"],
                               capture_output=True, env={"PATH": "/usr/sbin:/sbin"}, check=False)
        if added.returncode:
            self.skipTest(added.stderr.decode())
        result = miagent("get", "--resource", "vault", "--endpoint", "http://192.0.2.2",
                         "--timeout", "1")
        self.check_result(result, 75, "http://192.0.2.2", "forbids")


class FullMemory(EmulatedTest):
    """A tmpfs of 64 KiB, mounted over the test's folder."""

    def setUp(self) -> None:
        super().setUp()
        netns.mount_tmpfs(str(self.folder), size_kib=64)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.folder)], check=True)
        host = self.id().rpartition(".")[2].replace("_", "-")
        self.config = self.simple_config(self.emulator.url, f"https://{host}.example/")
        self.filler = self.folder / "filler"

    def fill(self) -> None:
        """Leaves not one page free."""
        with open(self.filler, "wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(4096))
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOSPC)

    def start_full(self) -> Agent:
        """An agent with a token in its file, which then has a new one and no room for it."""
        agent = self.start("run", "-c", self.config)
        agent.wait_event("published")
        self.before = look(self.file)
        self.fill()
        agent.send(signal.SIGUSR1)
        agent.wait_event("publish_failed", "no space left")
        return agent

    def requests(self) -> int:
        host = self.id().rpartition(".")[2].replace("_", "-")
        return sum(host in request.resource for request in self.emulator.requests())

    def verified(self) -> None:
        verify.verify_file(str(self.file), self.keys, verify.Expectation(
            "raw", 0o600, os.geteuid(), seconds_left_min=3600))

    def test_the_old_token_stays_and_the_new_one_follows_without_a_request(self) -> None:
        reader = None
        agent = self.start_full()
        self.addCleanup(lambda: reader and reader.kill())
        reader = Reader(self.file)
        self.assertEqual(look(self.file), self.before)
        self.assertEqual(self.temporaries(), [])
        self.filler.unlink()
        wait_until(lambda: look(self.file).content != self.before.content, "the new token")
        self.verified()
        [found] = reader.finish()
        self.assertEqual((found["missing"], found["seen"]),
                         (0, [self.before.sha256, look(self.file).sha256]))
        self.assertEqual(self.requests(), 2)
        self.assertEqual(agent.stop(), 0)

    def test_stopped_and_killed_while_full(self) -> None:
        agent = self.start_full()
        self.assertEqual(agent.stop(), 0)
        self.assertEqual(look(self.file), self.before)
        agent = self.start("run", "-c", self.config)
        agent.wait_event("publish_failed", "no space left")
        agent.kill()
        self.assertEqual(look(self.file), self.before)
        self.assertEqual(self.temporaries(), [])

    def test_once_is_73(self) -> None:
        self.fill()
        result = miagent("once", "-c", self.config)
        self.check_result(result, 73, str(self.file), "no space left")
        self.assertEqual(sorted(os.listdir(self.folder)), ["filler"])
        self.filler.unlink()
        self.assertEqual(miagent("once", "-c", self.config).code, 0)
        self.verified()

    def remount(self, options: str) -> None:
        done = subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)],
                              capture_output=True, check=False)
        if done.returncode:  # in a user's own namespace: not by every version of mount
            self.skipTest(done.stderr.decode().partition("\n")[0])

    def test_no_inode_left(self) -> None:
        self.assertEqual(miagent("once", "-c", self.config).code, 0)
        before = look(self.file)
        self.remount("nr_inodes=2")
        self.file.chmod(0o644)
        self.check_result(miagent("once", "-c", self.config), 73, "no space left")
        self.assertEqual(look(self.file).content, before.content)

    def test_read_only(self) -> None:
        self.assertEqual(miagent("once", "-c", self.config).code, 0)
        self.file.chmod(0o644)
        self.remount("ro")
        self.check_result(miagent("once", "-c", self.config), 73, "read-only file system")

    def test_a_directory_that_is_mounted_over_gets_the_file(self) -> None:
        agent = self.start("run", "-c", self.config)
        agent.wait_event("published")
        netns.mount_tmpfs(str(self.folder), size_kib=64)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.folder)], check=True)
        agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=2)
        self.verified()

    def test_a_directory_that_gets_unsafe_while_running(self) -> None:
        agent = self.start("run", "-c", self.config)
        agent.wait_event("published")
        before = look(self.file)
        self.folder.chmod(0o777)
        agent.send(signal.SIGUSR1)
        agent.wait_event("publish_failed", "writable by group or others")
        self.assertEqual(look(self.file), before)
        self.folder.chmod(0o700)
        agent.wait_event("published", count=2)
        self.assertEqual(self.requests(), 2)


if __name__ == "__main__":
    unittest.main()
