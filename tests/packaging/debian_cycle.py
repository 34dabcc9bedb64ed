#!/usr/bin/python3
"""A package's life on a Debian machine whose systemd really runs: debian_cycle.py ROOT PACKAGE

Installed, configured, started, reloaded, killed, stopped, removed, purged; with an emulated metadata
service at its real address, in a network namespace. What purging leaves is compared with what was
there before. ROOT is changed. Exit 77 where the namespaces can't be had.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Dict

from container import Container

import netns
from harness import Emulator
from support import wait_until

CONFIG = """[agent]
status_file = /run/tokens/status.json
[token arm]
resource = arm
[file /run/tokens/arm]
token = arm
"""
SECOND = """[file /run/tokens/arm.header]
token = arm
format = header
"""
# Not the package's: dpkg's and the system's own books.
LEFT_OUT = ("/proc", "/sys", "/dev", "/tmp", "/run/systemd", "/run/udev", "/run/log", "/run/dbus",
            "/var/log", "/var/cache", "/var/lib/dpkg", "/var/lib/systemd/deb-systemd-helper",
            "/var/lib/systemd/random-seed", "/var/tmp", "/root")
LIST = (r"find / -xdev \( " + " -o ".join(f"-path {path}" for path in LEFT_OUT)
        + r" \) -prune -o \( -type f -exec sha256sum {} + \) -o -printf '%y%m %l %p\n'; find /run "
        r"/var/lib/systemd/deb-systemd-helper* \( -name '*miagent*' -o -path '/run/tokens*' \) "
        r"-printf '%y%m %l %p\n'; "
        r"grep -v '^miagent:' /etc/passwd; grep -v '^miagent:' /etc/group")
# Where the account stays: LIST has their lines but the account's.
ACCOUNT_FILES = {f"/etc/{name}{suffix}" for name in ("passwd", "group", "shadow", "gshadow")
                 for suffix in ("", "-")} | {"/etc/.pwd.lock"}


def files(machine: Container) -> Dict[str, str]:
    """Every file, by its path, and what it is."""
    found: Dict[str, str] = {}
    for line in machine.run(LIST).stdout.splitlines():
        what, _, path = line.rpartition(" ")
        if path not in ACCOUNT_FILES:
            found[path] = what
    return found


def same(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise AssertionError(f"{what}: {found!r}, not {wanted!r}")


def state(machine: Container) -> str:
    return machine.run("systemctl is-active miagent").stdout.strip()


def installed(machine: Container) -> None:
    """The account and the folder are there; the service waits for its configuration."""
    account = machine.do("getent passwd miagent").split(":")
    same(account[6], "/usr/sbin/nologin", "the account's shell")
    same(machine.do("stat -c '%U %G %a' /run/tokens"), "miagent miagent 755", "/run/tokens")
    same(machine.do("stat -f -c %T /run/tokens"), "tmpfs", "/run/tokens")
    same(machine.do("systemctl is-enabled miagent"), "enabled", "the unit")
    same(state(machine), "inactive", "without a configuration the service")
    same(machine.run("test -e /etc/miagent.conf").returncode, 1, "a configuration is there")
    machine.do("ls /usr/share/doc/miagent/miagent.conf /usr/share/man/man8/miagent.8* "
               "/usr/share/man/man5/miagent.conf.5*")


def lived(machine: Container) -> None:
    """Ready once the token is there; reload, kill -9 and stop do what the unit says."""
    machine.do("cat >/etc/miagent.conf", CONFIG)
    machine.do("runuser -u miagent -- miagent check")
    machine.do("systemctl start miagent")
    same(machine.do("stat -c '%U %G %a' /run/tokens/arm"), "miagent miagent 600", "the token's file")
    same(machine.do("head -c 3 /run/tokens/arm"), "eyJ", "the token begins with")
    same(machine.do("systemctl show -P Type miagent"), "notify", "the unit's type")
    pid = machine.do("systemctl show -P MainPID miagent")
    same(machine.do(f"stat -c %U /proc/{pid}"), "miagent", "the service's account")
    machine.do("cat >/etc/miagent.conf", CONFIG + SECOND)
    machine.do("systemctl reload miagent")
    wait_until(lambda: machine.run("test -s /run/tokens/arm.header").returncode == 0,
               "the file of the new configuration")
    machine.do("miagent status")
    machine.do("kill -9 " + pid)
    wait_until(lambda: machine.run("systemctl show -P NRestarts miagent").stdout.strip() == "1"
               and state(machine) == "active", "the service, started again")
    machine.do("systemctl stop miagent")
    same(machine.do("systemctl show -P Result miagent"), "success", "the service's result")
    same(machine.run("test -e /run/tokens").returncode, 1, "/run/tokens of a stopped service is there")
    machine.do("systemctl start miagent")
    machine.do("test -s /run/tokens/arm")


def cycle(machine: Container, package: Path) -> None:
    before = files(machine)
    machine.do("dpkg -i /root/package.deb")
    installed(machine)
    lived(machine)
    pid = machine.do("systemctl show -P MainPID miagent")
    machine.do("dpkg -r miagent")
    same(machine.run(f"test -e /proc/{pid}").returncode, 1, "the removed package's process is there")
    same(machine.run("ls /run/tokens").stdout.count("arm"), 0, "tokens that removing left")
    machine.do("test -f /etc/miagent.conf")
    machine.do("dpkg -P miagent")
    after = files(machine)
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    same(changed, [], f"purging {package.name} left")
    same(machine.run("dpkg-query -W miagent").returncode, 1, "dpkg knows the package")
    machine.do("getent passwd miagent")


def main() -> int:
    root, package = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    status = netns.enter()
    if not status.entered:
        print(status.reason)
        return 77
    (root / "root" / "package.deb").write_bytes(package.read_bytes())
    with tempfile.TemporaryFile("w+") as log, Emulator(listen="169.254.169.254:80"):
        machine = Container(root, log)
        try:
            print(machine.do("systemctl --version").splitlines()[0], flush=True)
            cycle(machine, package)
        except AssertionError as failure:
            print(failure)
            return 1
        finally:
            machine.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
