"""Tests of netns.py: /usr/bin/python3 -m unittest discover -s tests/e2e -p test_netns.py"""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import netns

PROGRAM = str(Path(netns.__file__).resolve())
LISTEN = """
import socket
server = socket.create_server(("169.254.169.254", 80))
socket.create_connection(("169.254.169.254", 80)).close()
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(error.errno)
"""


def inside(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["/usr/bin/python3", PROGRAM, *command], capture_output=True, text=True,
                          timeout=20, check=False)


class Namespace(unittest.TestCase):
    def setUp(self) -> None:
        probe = inside("--", "true")
        if probe.returncode == netns.EXIT_NOT_PERMITTED:
            self.skipTest(probe.stderr.strip())

    def test_the_real_address_is_here_and_nothing_else(self) -> None:
        done = inside("--", "/usr/bin/python3", "-c", LISTEN)
        self.assertEqual((done.returncode, done.stdout), (0, "101\n"), done.stderr)  # ENETUNREACH

    def test_mounts_stay_inside(self) -> None:
        script = ("import netns, sys, tempfile; folder = tempfile.mkdtemp(); "
                  "netns.mount_tmpfs(folder); open(folder + '/x', 'w'); print(folder)")
        done = subprocess.run(["/usr/bin/python3", PROGRAM, "--", "/usr/bin/python3", "-c", script],
                              capture_output=True, text=True, timeout=20, check=True,
                              cwd=Path(PROGRAM).parent)
        folder = Path(done.stdout.strip())
        self.assertEqual(list(folder.iterdir()), [])
        folder.rmdir()

    def test_exit_status_is_the_commands(self) -> None:
        self.assertEqual(inside("--", "sh", "-c", "exit 5").returncode, 5)
        self.assertEqual(inside("--", "/nonexistent").returncode, 127)
        self.assertEqual(inside("true").returncode, 64)


if __name__ == "__main__":
    unittest.main()
