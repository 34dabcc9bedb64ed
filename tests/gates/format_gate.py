#!/usr/bin/python3
"""C++ files are formatted as .clang-format says: `make format` does it."""

from __future__ import annotations

import re
import subprocess
from typing import List

from gate import Plant, Project, append, main, need

FIRST = re.compile(r"^(.*?):(\d+):\d+: error:")


def violations(project: Project) -> List[str]:
    need("clang-format-19")
    files = project.sources("agent", "platform", "tests")
    done = subprocess.run(
        ["clang-format-19", "--dry-run", "-Werror", *map(str, files)], cwd=project.root,
        stderr=subprocess.PIPE, text=True, check=False)
    first = {}
    for line in done.stderr.splitlines():
        match = FIRST.match(line)
        if match:
            first.setdefault(match.group(1), match.group(2))
    found = [f"{name.replace(str(project.root) + '/', '')}:{line}: not formatted from here: "
             "`make format`" for name, line in first.items()]
    if done.returncode != 0 and not found:
        found.append(done.stderr)
    return found


PLANTS = [Plant("a line out of shape", append("agent/agent.h", "int   x ;\n"))]

if __name__ == "__main__":
    main(violations, PLANTS)
