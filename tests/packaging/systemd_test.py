#!/usr/bin/python3
"""systemd's unit: that systemd understands it, how exposed it is, and that the agent can live in it.

No systemd runs here. What the unit forbids is compared with what the agent does: its system calls
with SystemCallFilter=, its capabilities with those of owner.conf.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import unittest
from pathlib import Path
from typing import List, Set

from files import ACCOUNT_ID, PACKAGING, EmulatedTest, need, run, text_of
from support import binary, config_text, look, wait_until

EXPOSURE_MAX = 1.5
UNIT = "systemd/miagent.service"
OTHER_ID = 1  # an account that isn't the agent's


def settings(name: str, key: str) -> List[str]:
    return re.findall(rf"^{key}=(.*)$", text_of(name), re.MULTILINE)


class Unit(EmulatedTest):
    def unit(self) -> Path:
        path = self.place / "miagent.service"
        path.write_text(text_of(UNIT).replace("/usr/bin/miagent", binary()), encoding="utf-8")
        return path

    def test_verify(self) -> None:
        need(self, "systemd-analyze")
        done = run("systemd-analyze", "verify", "--man=no", str(self.unit()))
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_verify_sees_mistakes(self) -> None:
        need(self, "systemd-analyze")
        path = self.unit()
        path.write_text(path.read_text(encoding="utf-8") + "[Service]\nNoNewPrivilege=yes\n",
                        encoding="utf-8")
        self.assertIn("NoNewPrivilege",
                      run("systemd-analyze", "verify", "--man=no", str(path)).stdout)

    def test_exposure(self) -> None:
        need(self, "systemd-analyze")
        done = run("systemd-analyze", "security", "--offline=true", str(self.unit()))
        found = re.search(r"Overall exposure level for miagent.service: ([0-9.]+)", done.stdout)
        assert found, done.stdout
        self.assertLessEqual(float(found[1]), EXPOSURE_MAX, done.stdout)

    def test_notify_reload(self) -> None:
        """The drop-in, where this systemd knows its type; the unit alone takes no newer one."""
        need(self, "systemd-analyze")
        self.assertEqual(settings(UNIT, "Type"), ["notify"])
        self.assertEqual(settings("systemd/notify-reload.conf", "Type"), ["notify-reload"])
        found = re.search(r"^systemd (\d+)", run("systemd-analyze", "--version").stdout)
        assert found
        folder = self.place / "miagent.service.d"
        folder.mkdir()
        (folder / "notify-reload.conf").write_text(text_of("systemd/notify-reload.conf"),
                                                   encoding="utf-8")
        done = run("systemd-analyze", "verify", "--man=no", str(self.unit()))
        if int(found[1]) >= 253:
            self.assertEqual((done.returncode, done.stdout), (0, ""))
        else:
            self.assertIn("notify-reload", done.stdout)

    def test_sysusers_and_tmpfiles_make_what_the_unit_needs(self) -> None:
        need(self, "systemd-sysusers", "systemd-tmpfiles")
        if os.geteuid() != 0:
            self.skipTest("only root can make accounts, be it in a folder")
        root = self.place / "root"
        (root / "etc").mkdir(parents=True)
        for program, name in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
            path = PACKAGING / name / "miagent.conf"
            create = ["--create"] if name == "tmpfiles.d" else []
            done = run(program, f"--root={root}", *create, str(path))
            self.assertEqual(done.returncode, 0, done.stdout)
        account = re.search(r"^miagent:[^:]*:(\d+):", (root / "etc/passwd").read_text(), re.M)
        assert account
        facts = (root / "run/tokens").stat()
        self.assertEqual((facts.st_uid, facts.st_mode & 0o7777), (int(account[1]), 0o755))

    def allowed(self) -> Set[str]:
        """The names that SystemCallFilter= lets through."""
        sets, name = {}, ""
        for line in run("systemd-analyze", "syscall-filter").stdout.splitlines():
            if line.startswith("@"):
                name = line.strip()
                sets[name] = set()
            elif name and line.strip() and not line.strip().startswith("#"):
                sets[name].add(line.strip())

        def names(word: str) -> Set[str]:
            return set().union(*map(names, sets[word])) if word.startswith("@") else {word}
        found: Set[str] = set()
        for value in settings(UNIT, "SystemCallFilter"):
            each = set().union(*map(names, value.lstrip("~").split()))
            found = found - each if value.startswith("~") else found | each
        return found

    def test_system_calls(self) -> None:
        need(self, "systemd-analyze", "strace")
        config = self.write_config(config_text(
            {"t": {"resource": "https://calls", "endpoint": self.emulator.url}},
            {str(self.folder / "t"): {"token": "t", "on_stop": "remove"}}))
        trace = self.place / "trace"
        supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(supervisor.close)
        supervisor.bind(str(self.place / "notify"))
        tracer = subprocess.Popen(["strace", "-f", "-o", str(trace), binary(), "run", "-c", config],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL,
                                  env={**os.environ, "WATCHDOG_USEC": "60000000",
                                       "NOTIFY_SOCKET": str(self.place / "notify")})
        self.addCleanup(tracer.wait)
        self.addCleanup(lambda: tracer.poll() is None and tracer.kill())
        wait_until((self.folder / "t").exists, "the token")
        pid = int(trace.read_text(encoding="utf-8").split(" ", 1)[0])
        for number in (signal.SIGHUP, signal.SIGTERM):
            os.kill(pid, number)
        self.assertEqual(tracer.wait(timeout=20), 0)
        calls = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(encoding="utf-8"), re.MULTILINE))
        self.assertIn("fchown", calls)
        self.assertIn("connect", calls)
        self.assertIn("sendto", calls)
        allowed = self.allowed()
        self.assertNotIn("mount", allowed)
        self.assertNotIn("setuid", allowed)
        self.assertEqual(calls - allowed, set())

    def capable(self, capabilities: List[str], config: str) -> "subprocess.CompletedProcess[str]":
        words = ",".join("+" + each[len("CAP_"):].lower() for each in capabilities)
        return run("setpriv", f"--reuid={ACCOUNT_ID}", f"--regid={ACCOUNT_ID}", "--clear-groups",
                   f"--bounding-set=-all,{words}", f"--inh-caps=-all,{words}",
                   f"--ambient-caps=-all,{words}", "--no-new-privs", binary(), "once",
                   "--timeout", "5", "-c", config)

    def test_capabilities_of_another_owner(self) -> None:
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("needs root and setpriv")
        capabilities = settings("systemd/owner.conf", "CapabilityBoundingSet")[0].split()
        self.assertEqual(capabilities, settings("systemd/owner.conf", "AmbientCapabilities")[0].split())
        self.assertEqual(settings(UNIT, "CapabilityBoundingSet"), [""])
        os.chmod(self.place, 0o755)
        os.chmod(self.folder, 0o755)
        os.chown(self.folder, ACCOUNT_ID, ACCOUNT_ID)
        config = self.write_config(config_text(
            {"t": {"resource": "https://owner", "endpoint": self.emulator.url}},
            {str(self.folder / "t"): {"token": "t", "owner": str(OTHER_ID),
                                      "group": str(OTHER_ID), "mode": "0440"}}))
        for _ in range(2):
            done = self.capable(capabilities, config)
            self.assertEqual(done.returncode, 0, done.stdout)
            facts = look(self.folder / "t")
            self.assertEqual((facts.uid, facts.gid, facts.mode), (OTHER_ID, OTHER_ID, 0o440))
        asked = [each for each in self.emulator.requests() if each.resource == "https://owner"]
        self.assertEqual(len(asked), 1, "the second found the first's token")
        for missing in capabilities[:2]:
            (self.folder / "t").unlink(missing_ok=True)
            done = self.capable([each for each in capabilities if each != missing], config)
            self.assertEqual(done.returncode, 73, f"without {missing}: {done.stdout}")


if __name__ == "__main__":
    unittest.main()
