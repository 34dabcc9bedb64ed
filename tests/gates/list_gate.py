#!/usr/bin/python3
"""Every source file and every test is in CMake's explicit lists: none is silently left out."""

from __future__ import annotations

import re
from typing import List

from gate import Plant, Project, append, main

NOT_LISTED = {"tests/main.cpp"}  # in every test program


def violations(project: Project) -> List[str]:
    product = (project.root / "CMakeLists.txt").read_text(encoding="utf-8")
    tests = (project.root / "tests" / "CMakeLists.txt").read_text(encoding="utf-8")
    found = []
    for path in sorted([*project.sources("agent", "platform", "tests"),
                        *(project.root / "tests").rglob("test_*.py"),
                        *(project.root / "tests").rglob("*_test.py"),
                        *(project.root / "tests").rglob("*_gate.py")]):
        name = project.name(path)
        if path.suffix == ".h" or name in NOT_LISTED:
            continue
        short = path.name if path.suffix == ".py" else name.replace("tests/", "", 1)
        if name.endswith("_gate.py"):
            listed = re.search(rf"\b{path.name[:-len('_gate.py')]}\b", tests)
        else:
            listed = re.search(rf"[\s/]{re.escape(short)}\b", tests) or f" {name}" in product
        if not listed:
            found.append(f"{name}: is in no list: name it in CMakeLists.txt (sources) or "
                         "tests/CMakeLists.txt (tests and gates)")
    return found


PLANTS = [
    Plant("a source that isn't built", append("agent/http/more.cpp", "\n"), "more.cpp"),
    Plant("a test that doesn't run", append("tests/unit/more_test.cpp", "\n"), "more_test.cpp"),
    Plant("a Python test that doesn't run", append("tests/e2e/test_more.py", "\n"), "test_more.py"),
    Plant("a gate that doesn't run", append("tests/gates/more_gate.py", "\n"), "more_gate.py"),
]

if __name__ == "__main__":
    main(violations, PLANTS)
