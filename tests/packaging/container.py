"""A Debian root folder as a machine: its systemd booted in namespaces, on cgroup v2.

It shares this process's network, so netns.enter() comes first: whatever it does stays on `lo`.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import IO, List, Optional

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("e2e", "emulator")]

from harness import end_with_parent
from support import wait_until

BOOT_TIMEOUT_S = 120.0
COMMAND_TIMEOUT_S = 120.0
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
BOOT = """
set -e
cd "$1"
mount --make-rprivate /
mount --bind . .
cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
  touch dev/$name
  mount --bind /dev/$name dev/$name
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
pivot_root . mnt  # in a mere chroot the kernel permits no user namespace, which PrivateUsers= needs
cd /
umount -l mnt
exec env -i container=miagent-test PATH=$2 /lib/systemd/systemd --log-target=journal
"""


class Container:
    """One booted root folder, until `end`."""

    def __init__(self, root: Path, log: IO[str]) -> None:
        self._process = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--cgroup", "--ipc", "--uts", "--fork", "--kill-child",
             "sh", "-c", BOOT, "boot", str(root), PATH],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent)
        self._init = ""
        try:
            self._boot()
        except BaseException:
            self.end()
            raise

    def _boot(self) -> None:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._init = str(wait_until(lambda: self._alive(children), "the first process"))
        wait_until(lambda: "systemd" in Path(f"/proc/{self._init}/comm").read_text(), "systemd",
                   BOOT_TIMEOUT_S)
        wait_until(lambda: self.run("systemctl is-system-running").stdout.strip()
                   in ("running", "degraded"), "a booted machine", BOOT_TIMEOUT_S)

    def _alive(self, children: Path) -> str:
        if self._process.poll() is not None:
            raise RuntimeError("the namespaces can't be made")
        return children.read_text(encoding="utf-8").strip()

    def run(self, command: str, stdin: Optional[str] = None) -> "subprocess.CompletedProcess[str]":
        """A shell command in it, as root."""
        words: List[str] = ["nsenter", "-t", self._init, "--all", "--root", "env", "-C", "/", "-i",
                            f"PATH={PATH}", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8",
                            "sh", "-c", command]
        return subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=COMMAND_TIMEOUT_S, check=False,
                              **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))

    def do(self, command: str, stdin: Optional[str] = None) -> str:
        """One that has to succeed; what it says."""
        done = self.run(command, stdin)
        if done.returncode != 0:
            raise AssertionError(f"{shlex.quote(command)}: exit {done.returncode}\n{done.stdout}\n"
                                 + self.run("journalctl -b -n 30 -o cat").stdout)
        return done.stdout.strip()

    def end(self) -> None:
        """Its first process, and with it every other one."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._init:
            wait_until(lambda: not Path(f"/proc/{self._init}").exists(), "its end")
