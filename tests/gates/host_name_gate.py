#!/usr/bin/python3
"""No file names a package registry by its host: a user's machine has mirrors of its own.

Which hosts are meant comes from this machine's own clients: apt's and npm's settings.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import List, Set

from gate import Plant, Project, main

ADDRESS = re.compile(r"[a-z][a-z+]*://(?:[^/@\s]*@)?([A-Za-z0-9.-]+)")
FOLDERS_LEFT_OUT = {".git", "build", "__pycache__", "node_modules"}


def hosts() -> Set[str]:
    found: Set[str] = set()
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            if re.match(r"\s*(URIs:|deb\b|deb-src\b)", line):
                found.update(ADDRESS.findall(line))
    if shutil.which("npm"):
        done = subprocess.run(["npm", "config", "get", "registry"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False)
        found.update(ADDRESS.findall(done.stdout))
    return {host for host in found if "." in host}


def violations(project: Project) -> List[str]:
    names = hosts()
    found = []
    for path in sorted(project.root.rglob("*")):
        parts = path.relative_to(project.root).parts
        if FOLDERS_LEFT_OUT.intersection(parts) or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{project.name(path)}:{number}: names the host {host}: leave it to the "
                      "package client's own settings" for host in sorted(names) if host in line]
    return found


def plant(project: Project) -> None:
    names = sorted(hosts()) or ["no.host"]
    (project.root / "README.md").write_text(f"see https://{names[0]}/x\n", encoding="utf-8")


PLANTS = [Plant("a registry's host in a text", plant)] if hosts() else [
    Plant("nothing, as this machine names no registry", lambda project: None)]

if __name__ == "__main__":
    main(violations, PLANTS)
