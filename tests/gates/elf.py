"""What the gates read of an ELF file: its segments, sections and symbols."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Tuple

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
PT_GNU_STACK, PT_GNU_RELRO = 0x6474E551, 0x6474E552
PF_X = 1
ET_DYN = 3
SHT_NOBITS, SHT_SYMTAB = 8, 2
SHN_UNDEF = 0
STT_OBJECT, STT_FUNC = 1, 2


@dataclass(frozen=True)
class Segment:
    type: int
    flags: int
    offset: int
    file_size: int
    memory_size: int


@dataclass(frozen=True)
class Section:
    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True)
class Symbol:
    name: str
    kind: int
    defined: bool
    address: int
    size: int


class Elf:
    """A little-endian ELF file of 32 or 64 bits."""

    def __init__(self, path: Path) -> None:
        self._bytes = path.read_bytes()
        if self._bytes[:4] != b"\x7fELF" or self._bytes[5] != 1:
            raise ValueError(f"{path}: not a little-endian ELF file")
        self.is_64 = self._bytes[4] == 2
        self.type = struct.unpack_from("<H", self._bytes, 16)[0]

    def _word(self, offset: int) -> int:
        return int(struct.unpack_from("<Q" if self.is_64 else "<I", self._bytes, offset)[0])

    def _table(self, offset64: int, offset32: int, size64: int, size32: int, count64: int,
               count32: int) -> List[int]:
        start = self._word(offset64 if self.is_64 else offset32)
        size = struct.unpack_from("<H", self._bytes, size64 if self.is_64 else size32)[0]
        count = struct.unpack_from("<H", self._bytes, count64 if self.is_64 else count32)[0]
        return [start + index * size for index in range(count)]

    def segments(self) -> List[Segment]:
        found = []
        for at in self._table(32, 28, 54, 42, 56, 44):
            if self.is_64:
                kind, flags, offset, _, _, file_size, memory_size = struct.unpack_from(
                    "<IIQQQQQ", self._bytes, at)
            else:
                kind, offset, _, _, file_size, memory_size, flags = struct.unpack_from(
                    "<IIIIIII", self._bytes, at)
            found.append(Segment(kind, flags, offset, file_size, memory_size))
        return found

    def dynamic(self) -> List[Tuple[int, int]]:
        """Tags and values of the dynamic section."""
        step = 16 if self.is_64 else 8
        for segment in self.segments():
            if segment.type == PT_DYNAMIC:
                return [(self._word(at), self._word(at + step // 2)) for at in
                        range(segment.offset, segment.offset + segment.file_size, step)]
        return []

    def sections(self) -> List[Section]:
        raw = []
        for at in self._table(40, 32, 58, 46, 60, 48):
            if self.is_64:
                raw.append(struct.unpack_from("<IIQQQQI", self._bytes, at))
            else:
                raw.append(struct.unpack_from("<IIIIIII", self._bytes, at))
        if not raw:
            return []
        index = struct.unpack_from("<H", self._bytes, 62 if self.is_64 else 50)[0]
        names = raw[index][4]
        return [Section(self._text(names + each[0]), *each[1:]) for each in raw]

    def content(self, section: Section) -> bytes:
        if section.type == SHT_NOBITS:
            return b""
        return self._bytes[section.offset:section.offset + section.size]

    def _text(self, offset: int) -> str:
        return self._bytes[offset:self._bytes.index(b"\0", offset)].decode()

    def symbols(self) -> Iterator[Symbol]:
        sections = self.sections()
        for section in sections:
            if section.type != SHT_SYMTAB:
                continue
            names = sections[section.link].offset
            step = 24 if self.is_64 else 16
            for at in range(section.offset, section.offset + section.size, step):
                if self.is_64:
                    name, info, _, index, address, size = struct.unpack_from(
                        "<IBBHQQ", self._bytes, at)
                else:
                    name, address, size, info, _, index = struct.unpack_from(
                        "<IIIBBH", self._bytes, at)
                yield Symbol(self._text(names + name), info & 15, index != SHN_UNDEF, address, size)
