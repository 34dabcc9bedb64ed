#!/usr/bin/python3
"""The scripts' syntax, in every shell that is here; and what those of OpenRC and procd ask for.

The latter two need init systems that can't be run beside another: their scripts are sourced, with
functions in place of their supervisors' that tell what they were called with.
"""

from __future__ import annotations

import os
import shutil
import unittest
from typing import List

from files import PACKAGING, SCRIPTS, need, run, text_of

OPENRC = """
for name in checkpath supervise-daemon ebegin eend need use after; do
  eval "$name() { echo $name \\"\\$@\\"; }"
done
"""
PROCD = """
for name in procd_open_instance procd_set_param procd_close_instance mkdir; do
  eval "$name() { echo $name \\"\\$@\\"; }"
done
"""


class Syntax(unittest.TestCase):
    def check(self, *command: str) -> None:
        for name in SCRIPTS:
            with self.subTest(name):
                done = run(*command, str(PACKAGING / name))
                self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_all_are_listed(self) -> None:
        found = [path.relative_to(PACKAGING).as_posix() for path in PACKAGING.rglob("*")
                 if path.is_file() and not path.is_symlink() and path.read_bytes().startswith(b"#!")
                 and not path.read_bytes().startswith(b"#!/usr/bin/make")]
        self.assertEqual(sorted(found), sorted(SCRIPTS))
        for name in SCRIPTS:
            self.assertTrue(os.access(PACKAGING / name, os.X_OK), name)

    def test_sh(self) -> None:
        self.check("sh", "-n")

    def test_dash(self) -> None:
        need(self, "dash")
        self.check("dash", "-n")

    def test_ash(self) -> None:
        need(self, "busybox")
        self.check("busybox", "ash", "-n")

    def test_shellcheck(self) -> None:
        need(self, "shellcheck")
        self.check("shellcheck", "-s", "sh")

    def test_checkbashisms(self) -> None:
        need(self, "checkbashisms")
        self.check("checkbashisms", "--force", "--posix")


class Sourced(unittest.TestCase):
    def said(self, functions: str, name: str, then: str) -> List[str]:
        shell = shutil.which("bash") or "sh"  # which allows functions names with a `-`
        done = run(shell, "-euc", f"{functions}\n. {PACKAGING / name}\n{then}",
                   environment={"PATH": os.environ["PATH"], "RC_SVCNAME": "miagent"})
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.splitlines()

    def test_openrc(self) -> None:
        if not shutil.which("bash"):
            self.skipTest("bash isn't installed, whose functions may have a `-` in their names")
        self.assertEqual(
            self.said(OPENRC, "openrc/miagent",
                      "depend; start_pre; reload; echo $supervisor $command $command_args"),
            ["need localmount", "use net logger", "after bootmisc",
             "checkpath --directory --mode 0755 --owner miagent:miagent /run/tokens",
             "ebegin Reloading miagent",
             "supervise-daemon miagent --signal HUP --pidfile /run/miagent.pid", "eend 0",
             "supervise-daemon /usr/bin/miagent run -c /etc/miagent.conf"])
        self.assertIn('extra_started_commands="reload"', text_of("openrc/miagent"))

    def test_procd(self) -> None:
        said = self.said(PROCD, "procd/miagent.init", "start_service; echo $USE_PROCD $START")
        if not os.path.isdir("/var/run/tokens"):
            self.assertEqual(said.pop(0), "mkdir -m 0755 /var/run/tokens")
        self.assertEqual(said[:2], ["procd_open_instance", "procd_set_param command "
                                    "/usr/bin/miagent run -c /etc/miagent.conf"])
        for line in ("procd_set_param reload_signal HUP", "procd_set_param respawn 3600 5 0",
                     "procd_set_param file /etc/miagent.conf", "procd_set_param stderr 1"):
            self.assertIn(line, said)
        self.assertEqual(said[-2:], ["procd_close_instance", "1 95"])


if __name__ == "__main__":
    unittest.main()
