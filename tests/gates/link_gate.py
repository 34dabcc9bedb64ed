#!/usr/bin/python3
"""The product is linked by the C driver, without libstdc++: no C++ heap and no throw can slip in."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path
from typing import Callable, List

from gate import Plant, Project, main, output

PROGRAMS = ("miagent.symbols", "miagent-sim")
CXX_LIBRARIES = re.compile(r"lib(?:stdc\+\+|supc\+\+|c\+\+|gcc_eh|gcc_s|unwind)")
INSTEAD = "see MiagentRules in toolchains/flags.cmake"


def link_command(project: Project, program: str) -> List[str]:
    last = output(["ninja", "-C", str(project.product), "-t", "commands", "-s", program])
    line = next(line for line in last.splitlines() if f"-o {program} " in line + " ")
    return shlex.split(line.replace(": && ", "", 1))


def judge(program: str, command: List[str], map_text: str) -> List[str]:
    found = []
    driver = Path(command[0]).name
    if "++" in driver:
        found.append(f"{program}: linked by {driver}, a C++ driver: {INSTEAD}")
    for option in command[1:]:
        if CXX_LIBRARIES.search(option) or option in ("-lstdc++", "-lc++", "-lsupc++", "-lgcc_s"):
            found.append(f"{program}: links {option}: {INSTEAD}")
    for option in ("-nostdlib", "-static-pie"):
        if option not in command:
            found.append(f"{program}: not linked with {option}: {INSTEAD}")
    for match in set(CXX_LIBRARIES.findall(map_text)):
        found.append(f"{program}: the link map names {match}: {INSTEAD}")
    return found


def violations(project: Project) -> List[str]:
    found = []
    for program in PROGRAMS:
        text = (project.product / f"{program.replace('.symbols', '')}.map").read_text(errors="replace")
        found += judge(program, link_command(project, program), text)
    return found


def edited(pattern: str, replacement: str) -> Callable[[Project], None]:
    """A plant's act: a build folder whose link commands differ."""
    def act(project: Project) -> None:
        folder = Path(tempfile.mkdtemp(dir=project.root))
        for name in ("build.ninja", "CMakeFiles/rules.ninja", "miagent.map", "miagent-sim.map"):
            text = (project.product / name).read_text(errors="replace")
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(re.sub(pattern, replacement, text))
        project.product = folder
    return act


PLANTS = [
    Plant("the C++ driver", edited(r"clang-19 (--target=)", r"clang++-19 \1")),
    Plant("libstdc++", edited(r"-nostdlib", "-nostdlib -lstdc++")),
    Plant("a shared program", edited(r" -static-pie", "")),
    Plant("an object out of libstdc++", edited(r"libc\.a\(memcpy\.lo\)", "libstdc++.a(new_op.o)"),
          "link map"),
]

if __name__ == "__main__":
    main(violations, PLANTS)
