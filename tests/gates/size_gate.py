#!/usr/bin/python3
"""The file and the static memory stay within their budgets. --report says what they consist of."""

from __future__ import annotations

import re
from collections import Counter
from typing import List

import elf
from budget import over, shrink
from gate import Plant, Project, main

SHF_WRITE, SHF_ALLOC = 1, 2
INPUT = re.compile(r"^\s*[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+(\S+):\((\.[a-z]+)\S*\)$")
IN_FILE = (".text", ".rodata", ".data")


def static_memory(file: elf.Elf) -> int:
    return sum(section.size for section in file.sections()
               if section.flags & SHF_WRITE and section.flags & SHF_ALLOC)


def has_tls(project: Project) -> bool:
    cache = (project.product / "CMakeCache.txt").read_text(encoding="utf-8")
    return re.search(r"^MIAGENT_TLS:BOOL=(ON|1|TRUE|YES)$", cache, re.MULTILINE) is not None


def budget_of_file(project: Project) -> str:
    return "file_bytes" if has_tls(project) else "file_bytes_http_only"


def violations(project: Project) -> List[str]:
    return (over(project, budget_of_file(project), project.stripped.stat().st_size, project.stripped.name) +
            over(project, "static_memory_bytes", static_memory(elf.Elf(project.symbols)),
                 "static memory"))


def report(project: Project) -> None:
    file = elf.Elf(project.symbols)
    print(f"{project.stripped.stat().st_size:9} bytes, the stripped file")
    print(f"{static_memory(file):9} bytes of static memory; the largest:")
    objects = [each for each in file.symbols() if each.kind == elf.STT_OBJECT]
    for symbol in sorted(objects, key=lambda each: -each.size)[:5]:
        print(f"{symbol.size:9}   {symbol.name}")
    parts: Counter[str] = Counter()
    for line in (project.product / "miagent.map").read_text(errors="replace").splitlines():
        match = INPUT.match(line)
        if match and match.group(3) in IN_FILE:
            parts[match.group(2).rsplit("/", 1)[-1]] += int(match.group(1), 16)
    print("bytes of code and constants, by object:")
    for name, size in parts.most_common(30):
        print(f"{size:9}   {name}")


PLANTS = [Plant("a file over its budget",
                lambda project: shrink(budget_of_file(project), 10000)(project)),
          Plant("memory over its budget", shrink("static_memory_bytes", 100000))]

if __name__ == "__main__":
    main(violations, PLANTS, report)
