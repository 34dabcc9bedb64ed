"""What the packaging tests share: the packaged files, as they are and pointed at a test's places."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Dict, Optional

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGING = ROOT / "packaging"
sys.path[:0] = [str(HERE.parent / "e2e")]

from support import EmulatedTest, binary, config_text

ACCOUNT = "nobody"
ACCOUNT_ID = 65534
SCRIPTS = ("openrc/miagent", "procd/miagent.init", "runit/miagent/run", "s6/miagent/run",
           "s6/miagent/finish", "busybox/S45miagent", "deb/postinst", "deb/postrm", "deb/prerm",
           "alpine/miagent.pre-install", "debian/build.sh", "dist.sh")


def text_of(name: str) -> str:
    return (PACKAGING / name).read_text(encoding="utf-8")


def need(test: unittest.TestCase, *programs: str) -> None:
    """Skips the test where one of the programs is missing."""
    for program in programs:
        if not shutil.which(program):
            test.skipTest(f"{program} isn't installed")


def run(*command: str, environment: Optional[Dict[str, str]] = None,
        timeout_s: float = 20) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=environment,
                          timeout=timeout_s, check=False)


class PackagedTest(EmulatedTest):
    """A packaged file that is run: with the binary under test, a folder on tmpfs, ACCOUNT."""

    def setUp(self) -> None:
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can start services as another account")
        os.chmod(self.place, 0o755)  # ACCOUNT reads the configuration there
        os.chmod(self.folder, 0o755)
        os.chown(self.folder, ACCOUNT_ID, ACCOUNT_ID)
        self.addCleanup(self.end_all)

    def end_all(self) -> None:
        """Kills what a failed test has left: each process that was told of this test's folder."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.place).encode() in path.read_bytes():
                    os.kill(int(path.parent.name), signal.SIGKILL)
            except OSError:
                continue

    def configure(self, *names: str) -> str:
        """A configuration whose token goes into each of the named files, until the agent stops."""
        return self.write_config(config_text(
            {"t": {"resource": f"https://{self.id()}", "endpoint": self.emulator.url}},
            {str(self.folder / name): {"token": "t", "on_stop": "remove"} for name in names}))

    def pointed(self, text: str) -> str:
        """A packaged file's text, with the places of this test in place of a machine's."""
        for old, new in (("/usr/bin/miagent", binary()),
                         ("/etc/miagent.conf", str(self.place / "miagent.conf")),
                         ("/run/miagent.", f"{self.place}/run."),
                         ("/run/tokens", str(self.folder)),
                         ("miagent:miagent", f"{ACCOUNT_ID}:{ACCOUNT_ID}"),
                         ("chpst -u miagent ", f"chpst -u {ACCOUNT} "),
                         ("s6-setuidgid miagent ", f"s6-setuidgid {ACCOUNT} "),
                         ("ACCOUNT=root", f"ACCOUNT={ACCOUNT}")):
            text = text.replace(old, new)
        return text

    def install(self, name: str, to: Path) -> Path:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(self.pointed(text_of(name)), encoding="utf-8")
        to.chmod(0o755)
        return to
