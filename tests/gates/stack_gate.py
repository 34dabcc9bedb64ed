#!/usr/bin/python3
"""No function's stack frame is larger than its budget.

The compiler notes each frame's size (-fstack-size-section); musl's own functions have no note.
"""

from __future__ import annotations

import struct
from typing import Dict, List, Tuple

import elf
from budget import over, shrink
from gate import Plant, Project, main


def frames(project: Project) -> Dict[str, int]:
    """Frame size by function."""
    file = elf.Elf(project.symbols)
    names = {symbol.address: symbol.name for symbol in file.symbols()
             if symbol.kind == elf.STT_FUNC and symbol.defined}
    found: Dict[str, int] = {}
    for section in file.sections():
        if section.name != ".stack_sizes":
            continue
        data = file.content(section)
        at = 0
        while at < len(data):
            address = struct.unpack_from("<Q" if file.is_64 else "<I", data, at)[0]
            size, at = uleb128(data, at + (8 if file.is_64 else 4))
            if address in names:
                found[names[address]] = size
    return found


def uleb128(data: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def violations(project: Project) -> List[str]:
    sizes = frames(project)
    if len(sizes) < 50:
        return [f"{project.symbols.name}: notes only {len(sizes)} frames: compile with "
                "-fstack-size-section"]
    return [text for name, size in sorted(sizes.items())
            for text in over(project, "stack_frame_bytes", size, f"stack frame of {name}")]


def report(project: Project) -> None:
    for name, size in sorted(frames(project).items(), key=lambda item: -item[1])[:15]:
        print(f"{size:6} {name}")


PLANTS = [Plant("a frame over the budget", shrink("stack_frame_bytes", 256))]

if __name__ == "__main__":
    main(violations, PLANTS, report)
