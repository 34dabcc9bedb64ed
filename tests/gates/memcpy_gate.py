#!/usr/bin/python3
"""A token is copied nowhere but where memcpy.txt says why: files of agent/ that move bytes."""

from __future__ import annotations

import re
from typing import Dict, List

from gate import Plant, Project, append, main

LIST = "tests/gates/memcpy.txt"
CALL = re.compile(r"\b(?:__builtin_)?(memcpy|memmove|strcpy|strncpy|stpcpy|strcat|strncat|bcopy)"
                  r"\s*\(")


def allowed(project: Project) -> Dict[str, str]:
    """By file: the reason. A line is `FILE: REASON`."""
    listed = {}
    for line in (project.root / LIST).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition(":")
            listed[name.strip()] = reason.strip()
    return listed


def violations(project: Project) -> List[str]:
    reasons = allowed(project)
    found = [f"{LIST}: {name}: no reason is given" for name, why in reasons.items() if not why]
    seen = set()
    for path in project.sources("agent"):
        name = project.name(path)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = CALL.search(line.split("//")[0])
            if not match:
                continue
            seen.add(name)
            if name not in reasons:
                found.append(f"{name}:{number}: calls {match.group(1)}: pass a view (string_view, "
                             f"Span) instead; if a copy is right, say why in {LIST}")
    found += [f"{LIST}: {name} copies nothing any more: remove its line"
              for name in reasons if name not in seen]
    return found


PLANTS = [
    Plant("a copy", append("agent/source/imds.cpp", "void F(char* a) { memcpy(a, a, 1); }\n")),
    Plant("a reason too many", append(LIST, "agent/agent.h: none\n")),
]

if __name__ == "__main__":
    main(violations, PLANTS)
