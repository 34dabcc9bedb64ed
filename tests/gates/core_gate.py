#!/usr/bin/python3
"""What is simulated is what is shipped: one core library, in the product and in both simulators.

`miagent`, `miagent-sim` and the tests' `sim` have to take every object of the core from the same
library file, and their linked code of the core has to be the same functions with the same sizes.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path
from typing import Dict, List, Set, Tuple

from gate import Plant, Project, main

LIBRARY = "libmiagent_core.a"
# A line of lld's map: address, load address, size, alignment, FILE(OBJECT):(SECTION)
INPUT = re.compile(r"^\s*[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+(\S+)\((\S+?\.cpp\.o)\):"
                   r"\((\.text\S*)\)$")
CORE_OBJECT = re.compile(r"miagent_core\.dir/agent/\S+\.cpp\.o:\(\.text")


def maps(project: Project) -> Dict[str, Tuple[Path, Path]]:
    """By program: its link map, and the folder that the map's names are relative to."""
    return {
        "miagent": (project.product / "miagent.map", project.product),
        "miagent-sim": (project.product / "miagent-sim.map", project.product),
        "sim": (project.tests / "sim.map", project.tests),
    }


def core_of(path: Path, folder: Path) -> Tuple[Set[Path], Dict[Tuple[str, str], int], bool]:
    """The library files, the core's sections by object and name, whether an object came alone."""
    libraries: Set[Path] = set()
    sections: Dict[Tuple[str, str], int] = {}
    is_alone = False
    for line in path.read_text(errors="replace").splitlines():
        is_alone = is_alone or CORE_OBJECT.search(line) is not None
        match = INPUT.match(line)
        if match and Path(match.group(2)).name == LIBRARY:
            libraries.add((folder / match.group(2)).resolve())
            sections[match.group(3), match.group(4)] = int(match.group(1), 16)
    return libraries, sections, is_alone


def violations(project: Project) -> List[str]:
    found = []
    instead = ": link libmiagent_core.a of the product's build, and nothing else of agent/"
    shipped: Dict[Tuple[str, str], int] = {}
    hashes: Dict[str, str] = {}
    for program, (path, folder) in maps(project).items():
        if not path.exists():
            found.append(f"{program}: was not built ({path.name} is missing): `make test` builds it")
            continue
        libraries, sections, is_alone = core_of(path, folder)
        if is_alone:
            found.append(f"{program}: has core objects that come from no library{instead}")
        if len(libraries) != 1 or not sections:
            found.append(f"{program}: takes the core from {len(libraries)} libraries{instead}")
            continue
        library = libraries.pop()
        if not library.exists():
            found.append(f"{program}: linked {library}, which is gone: build again")
            continue
        hashes[program] = f"{library} {hashlib.sha256(library.read_bytes()).hexdigest()}"
        if hashes.get("miagent", hashes[program]) != hashes[program]:
            found.append(f"{program}: its core is {hashes[program]}, the product's is "
                         f"{hashes['miagent']}{instead}")
        if path.stat().st_mtime < library.stat().st_mtime:
            found.append(f"{program}: was linked before the core was built: build again")
        shipped = shipped or sections
        for key in sorted(shipped.keys() & sections.keys()):
            if shipped[key] != sections[key]:
                found.append(f"{program}: {key[0]} {key[1]} has {sections[key]} bytes, "
                             f"{shipped[key]} in the product{instead}")
        if program == "miagent-sim" and len(shipped.keys() & sections.keys()) < len(sections) // 2:
            found.append(f"{program}: shares little of the core with the product{instead}")
    return found


def other_library(project: Project) -> None:
    folder = Path(tempfile.mkdtemp(dir=project.root))
    (folder / LIBRARY).write_bytes((project.product / LIBRARY).read_bytes() + b"\n")
    text = (project.tests / "sim.map").read_text(errors="replace")
    (folder / "sim.map").write_text(re.sub(r"\S+/" + LIBRARY, str(folder / LIBRARY), text))
    project.tests = folder


def core_recompiled(project: Project) -> None:
    folder = Path(tempfile.mkdtemp(dir=project.root))
    text = (project.tests / "sim.map").read_text(errors="replace")
    (folder / "sim.map").write_text(re.sub(
        r"\S+/" + LIBRARY + r"\((\S+?)\)", r"CMakeFiles/miagent_core.dir/agent/\1", text))
    project.tests = folder


PLANTS = [
    Plant("another library of the same name", other_library),
    Plant("a core that was compiled for the simulator", core_recompiled),
]

if __name__ == "__main__":
    main(violations, PLANTS)
