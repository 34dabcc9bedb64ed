#!/usr/bin/python3
"""Lines are at most 100 columns, functions at most 70 lines: what fits a screen is read whole."""

from __future__ import annotations

import re
from typing import Iterator, List, Optional, Tuple

from gate import Plant, Project, append, main

COLUMNS_MAX = 100
LINES_MAX = 70
# The files are formatted: a function begins with a line at the left margin that has a "(", and ends
# with the next line that is "}" alone; its own lines are indented.
NO_FUNCTION = re.compile(r"(?:[#/}]|(?:namespace|struct|class|enum|union|static_assert|using|public|"
                         r"private)\b)")


def long_functions(lines: List[str]) -> Iterator[Tuple[int, int]]:
    """Where each begins, and its size."""
    begin: Optional[int] = None
    for index, line in enumerate(lines):
        if line == "}" and begin is not None:
            if index - begin + 1 > LINES_MAX:
                yield begin, index - begin + 1
            begin = None
        elif line and not line.startswith(" "):
            is_begin = "(" in line and not NO_FUNCTION.match(line)
            begin = index if is_begin and not line.endswith((";", "}")) else None


def violations(project: Project) -> List[str]:
    found = []
    for path in project.sources("agent", "platform", "tests"):
        name = project.name(path)
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [f"{name}:{index + 1}: {len(line)} columns: break the line; the limit is "
                  f"{COLUMNS_MAX}" for index, line in enumerate(lines) if len(line) > COLUMNS_MAX]
        if name.startswith("tests/"):
            continue
        found += [f"{name}:{index + 1}: a function of {size} lines: name its parts and make them "
                  f"functions; the limit is {LINES_MAX}" for index, size in long_functions(lines)]
    return found


PLANTS = [
    Plant("a long line", append("agent/base/bytes.h", "// " + "x" * COLUMNS_MAX + "\n")),
    Plant("a long function",
          append("agent/base/bytes.cpp", "void Long(int value) {\n" + "  ++value;\n" * 70 + "}\n")),
]

if __name__ == "__main__":
    main(violations, PLANTS)
