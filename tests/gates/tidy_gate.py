#!/usr/bin/python3
"""clang-tidy finds nothing in agent/ and platform/; .clang-tidy has the checks.

What was found clean is remembered in the tests' build folder, by the content of the file, of all
headers and of the settings, so that a second run looks only at what changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List

from gate import ROOT, Plant, Project, append, main, need

FINDING = re.compile(r"^\S+:\d+:\d+: (?:error|warning): .*$", re.MULTILINE)
WORKERS = 2
# The analyzer explores less of each function: a quarter of the time.
SHALLOW = ("--extra-arg=-Xclang", "--extra-arg=-analyzer-config", "--extra-arg=-Xclang",
           "--extra-arg=mode=shallow")


def database(project: Project) -> List[Dict[str, str]]:
    """The product's compile commands for agent/ and platform/, as if they were for this tree."""
    text = (project.product / "compile_commands.json").read_text()
    return [{"directory": entry["directory"],
             "file": entry["file"].replace(f"{ROOT}/", f"{project.root}/"),
             "command": entry["command"].replace(f"-I{ROOT} ", f"-I{project.root} ").replace(
                 f" {ROOT}/", f" {project.root}/")}
            for entry in json.loads(text)
            if Path(entry["file"]).is_relative_to(ROOT / "agent")
            or Path(entry["file"]).is_relative_to(ROOT / "platform")]


def judge(project: Project, folder: str, path: str) -> List[str]:
    command = ["clang-tidy-19", "--quiet", "-p", folder, *SHALLOW, path]
    done = subprocess.run(command, cwd=project.root, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    found = list(dict.fromkeys(FINDING.findall(done.stdout.replace(f"{project.root}/", ""))))
    if done.returncode != 0 and not found:
        found = [f"{path}: clang-tidy failed:\n{done.stdout}{done.stderr}"]
    return [f"{each}: mend it; where the tool is wrong, // NOLINT(check) with a reason"
            for each in found]


def is_planted(project: Project, path: str) -> bool:
    """Whether a copy's file differs from the project's own."""
    original = ROOT / Path(path).relative_to(project.root)
    return Path(path).read_bytes() != original.read_bytes()


def violations(project: Project) -> List[str]:
    need("clang-tidy-19")
    entries = {entry["file"]: entry for entry in database(project)}
    if project.root != ROOT:  # a self-test's copy: only what was planted is of interest
        return run(project, [path for path in entries if is_planted(project, path)])

    shared = hashlib.sha256((project.root / ".clang-tidy").read_bytes())
    for path in project.sources():
        if path.suffix == ".h":
            shared.update(path.read_bytes())
    keys = {path: hashlib.sha256(shared.digest() + Path(path).read_bytes() +
                                 entry["command"].encode()).hexdigest()
            for path, entry in entries.items()}
    memory = project.tests / "tidy.json"
    clean: List[str] = json.loads(memory.read_text()) if memory.exists() else []
    work = [path for path in sorted(entries) if keys[path] not in clean]
    found = run(project, work)
    named = {text.split(":")[0] for text in found}
    if project.tests.is_dir():
        memory.write_text(json.dumps([key for path, key in keys.items() if key in clean or not named]))
    return found


def run(project: Project, paths: List[str]) -> List[str]:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        (Path(folder) / "compile_commands.json").write_text(json.dumps(database(project)))
        found = pool.map(lambda path: judge(project, folder, path), paths)
        return list(dict.fromkeys(text for texts in found for text in texts))


PLANTS = [
    Plant("recursion", append("platform/linux/clock.cpp",
                              "namespace { int F(int x) { return x > 0 ? F(x - 1) : 0; } }\n"
                              "int G(int x) { return F(x); }\n"), "recursi"),
    Plant("a conversion that loses bits", append("platform/linux/clock.cpp",
                                                 "int H(long long x) { return x; }\n"), "narrowing"),
]

if __name__ == "__main__":
    main(violations, PLANTS, has_baseline=False)
