#!/usr/bin/python3
"""A network namespace in which the metadata service's real address belongs to this machine.

    status = netns.enter()          # this process and all that it starts from now on
    if not status.entered: print(status.reason)

    /usr/bin/python3 netns.py -- COMMAND…     # the same for one command; 77 when not permitted

Inside, `lo` is up and carries 169.254.169.254/32, so a server can listen on
169.254.169.254:80, and no packet leaves the machine. As root that takes unshare(2) alone; any
other user becomes root of a user namespace, where the kernel permits it. A mount namespace comes
with it, so that what is mounted inside is never seen outside.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from dataclasses import dataclass
from typing import List

METADATA_ADDRESS = "169.254.169.254"
EXIT_NOT_PERMITTED = 77

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 0x2, 0x4, 0x8
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFNETMASK = 0x8916, 0x891C
_IFF_UP = 0x1

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Status:
    """Whether this process is inside; if not, why, in words for the user."""

    entered: bool
    reason: str = ""


def enter() -> Status:
    """Moves this process into new namespaces. Call it before any thread is started.

    Tried in a child first: on failure the process is as it was.
    """
    child = os.fork()
    if child == 0:
        os._exit(_attempt())
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if number == 0:
        number = _attempt()
    if number != 0:
        return Status(False, f"no network namespace: {os.strerror(number)}")
    return Status(True)


def _attempt() -> int:
    """Enters the namespaces; an errno value where that fails, else 0."""
    try:
        _unshare()
        _configure_loopback()
    except OSError as error:
        return error.errno or 1
    return 0


def mount_tmpfs(path: str, size_kib: int = 1024, mode: int = 0o700) -> None:
    """Mounts a tmpfs over a directory; only inside, where nobody else sees it."""
    options = f"size={size_kib}k,mode={mode:o}".encode()
    if _libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC,
                   options):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def mount_bind(source: str, target: str) -> None:
    """Shows what is at `source` at `target` too; only inside."""
    if _libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND | _MS_REC, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def _unshare() -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0 and _libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS) == 0:
        _keep_mounts_private()
        return
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {user} 1")
    _write("/proc/self/gid_map", f"0 {group} 1")
    _keep_mounts_private()


def _keep_mounts_private() -> None:
    if _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "mount")


def _configure_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack_from("16sh", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        _ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
        _ioctl(control, _SIOCSIFADDR, _address_request(METADATA_ADDRESS))
        _ioctl(control, _SIOCSIFNETMASK, _address_request("255.255.255.255"))


def _address_request(address: str) -> bytes:
    return struct.pack("16shH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(address))


def _ioctl(control: socket.socket, request: int, argument: bytes) -> None:
    try:
        fcntl.ioctl(control, request, argument)
    except OSError as error:
        raise OSError(error.errno, error.strerror, "configuring lo") from None


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)


def main(arguments: List[str]) -> int:
    if len(arguments) < 2 or arguments[0] != "--":
        print("usage: netns.py -- COMMAND [ARGUMENT…]", file=sys.stderr)
        return 64
    status = enter()
    if not status.entered:
        print(f"netns.py: {status.reason}", file=sys.stderr)
        return EXIT_NOT_PERMITTED
    try:
        os.execvp(arguments[1], arguments[1:])
    except OSError as error:
        print(f"netns.py: {arguments[1]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
