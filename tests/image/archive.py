"""An initramfs: a cpio archive (newc), compressed. The same files give the same bytes.

Written here and not by cpio(1), so that neither root nor this machine's users, dates and inode
numbers have a part in it: all belongs to root, from 1970, in the order of the names.
"""

from __future__ import annotations

import gzip
import stat
from dataclasses import dataclass
from typing import Iterable, List

ALIGNMENT = 4
TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    """A file, a folder or a symbolic link; `path` without a leading slash."""

    path: str
    mode: int
    content: bytes = b""


def folder(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, stat.S_IFDIR | mode)


def file(path: str, content: bytes, mode: int = 0o644) -> Entry:
    return Entry(path, stat.S_IFREG | mode, content)


def link(path: str, target: str) -> Entry:
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def pack(entries: Iterable[Entry]) -> bytes:
    """The archive. The folders that a path needs are added, as an unpacking kernel makes none."""
    named = {entry.path: entry for entry in entries}
    for path in list(named):
        for index, letter in enumerate(path):
            if letter == "/":
                named.setdefault(path[:index], folder(path[:index]))
    parts: List[bytes] = []
    for number, path in enumerate(sorted(named), 1):
        parts.append(_record(number, named[path]))
    parts.append(_record(0, Entry(TRAILER, 0)))
    return gzip.compress(b"".join(parts), 9, mtime=0)


def _record(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields)
    return _padded(head + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNMENT)
