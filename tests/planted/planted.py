#!/usr/bin/env python3
"""Plants each fault of faults.toml in a copy of the project and sees that it is found.

    planted.py --build DIR [--jobs N] [--list] [NAME...]
    planted.py --check      only that each fault's edits still have their place, and its finders are

DIR keeps the copy and what was built of it, so that a second run starts at once. Exit 1 when a
fault survives that isn't told as a hole, or a test fails without any fault.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("agent", "platform", "tests", "toolchains", "packaging", "CMakeLists.txt", "Makefile",
          "README.md", "LICENSE", "NOTICE", ".clang-format", ".clang-tidy")
PROGRAMS = {"unit": "unit", "sim": "sim_sanitized", "contract": "contract_linux", "fleet": "fleet"}
PYTHON = "/usr/bin/python3"
TEST_TIMEOUT_S = 300
UNIT_TIMEOUT_S = 60   # of the tests in one file: a fault may well make them hang
BUILD_TIMEOUT_S = 900


class Copy:
    """A copy of the project, and what is built of it."""

    def __init__(self, folder: Path, jobs: int) -> None:
        # As in the project itself, so that a compiler's cache serves both.
        self.source = folder
        self.product = folder / "build"
        self.tests = folder / "build" / "tests"
        self.jobs = jobs

    def refresh(self) -> None:
        """Makes the copy what the project is now; what didn't change keeps its time."""
        wanted = set()
        for name in COPIED:
            top = ROOT / name
            for path in [top] if top.is_file() else sorted(top.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    wanted.add(path.relative_to(ROOT))
        for name in wanted:
            here, there = ROOT / name, self.source / name
            if there.exists() and there.read_bytes() == here.read_bytes():
                continue
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here, there)
        for name in COPIED:
            for there in list((self.source / name).rglob("*")):
                if there.is_file() and there.relative_to(self.source) not in wanted:
                    there.unlink()

    def configure(self) -> None:
        processor = {"arm64": "aarch64", "armv7l": "armv7hf"}.get(os.uname().machine,
                                                                  os.uname().machine)
        if not (self.product / "build.ninja").exists():
            self.run("cmake", "-S", self.source, "-B", self.product, "-G", "Ninja", "--toolchain",
                     self.source / f"toolchains/{processor}-linux-musl.cmake",
                     "-DMIAGENT_WERROR=OFF")  # what a fault leaves unused is not the point
        if not (self.tests / "build.ninja").exists():
            self.run("cmake", "-S", self.source, "-B", self.tests, "-G", "Ninja", "--toolchain",
                     self.source / "toolchains/host-clang.cmake", "-DMIAGENT_TESTS=ON",
                     f"-DMIAGENT_PRODUCT_DIR={self.product}", "-DMIAGENT_WERROR=OFF")

    def run(self, *command: object) -> None:
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=BUILD_TIMEOUT_S,
                              check=False)
        if done.returncode != 0:
            sys.exit(f"planted: {command[0]} failed\n{done.stdout[-3000:]}")

    def build(self, finder: str) -> Tuple[bool, str]:
        """Builds what the finder needs."""
        kind, name = finder.partition("/")[::2]
        if kind in PROGRAMS:
            folder, target = self.tests, PROGRAMS[kind]
        elif kind == "fuzz":
            folder, target = self.tests, f"fuzz_{name}"
        elif kind == "build":
            folder, target = self.tests, "miagent_core"
        else:
            folder, target = self.product, "all"
        done = subprocess.run(["cmake", "--build", folder, "--parallel", str(self.jobs), "--target",
                               target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=BUILD_TIMEOUT_S, check=False)
        return done.returncode == 0, done.stdout

    def passes(self, finder: str) -> Tuple[bool, str]:
        """Runs the finder, which was built."""
        kind, name = finder.partition("/")[::2]
        environment = dict(os.environ, MIAGENT=str(self.product / "miagent"),
                           PYTHONDONTWRITEBYTECODE="1")
        if kind == "build":
            return True, ""
        if kind in PROGRAMS:
            command = [str(self.tests / "tests" / PROGRAMS[kind]), f"-sf=*/{name}"]
        elif kind == "fuzz":
            command = [PYTHON, str(self.source / "tests/fuzz/fuzz.py"), "--tests",
                       str(self.tests), "--runs", "50000", name]
        elif kind == "e2e":
            command = [PYTHON, "-m", "unittest", "discover", "-f", "-s",
                       str(self.source / "tests/e2e"), "-p", name]
        else:
            command = [PYTHON, str(self.source / f"tests/gates/{name}_gate.py"), "--product",
                       str(self.product), "--tests", str(self.tests)]
        try:
            done = subprocess.run(command, cwd=self.source, env=environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  errors="replace", check=False,
                                  timeout=UNIT_TIMEOUT_S if kind in PROGRAMS else TEST_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return False, "it didn't end"
        return done.returncode == 0, done.stdout

    def plant(self, edits: List[List[str]]) -> Dict[Path, str]:
        """Puts a fault in; what the files were before."""
        before: Dict[Path, str] = {}
        for name, old, new in edits:
            path = self.source / name
            text = path.read_text()
            before.setdefault(path, text)
            if text.count(old) != 1:
                self.mend(before)
                sys.exit(f"planted: {name} has {text.count(old)} times, not once: {old}")
            path.write_text(text.replace(old, new))
        return before

    @staticmethod
    def mend(before: Dict[Path, str]) -> None:
        for path, text in before.items():
            path.write_text(text)


def judge(copy: Copy, fault: dict) -> List[str]:
    """Which of the finders miss the fault; an empty list: it is found by each."""
    before = copy.plant(fault["edits"])
    missed = []
    try:
        for finder in fault.get("found_by", []):
            is_built, told = copy.build(finder)
            if finder == "build":
                if is_built:
                    missed.append(finder)
                continue
            if not is_built:
                missed.append(f"{finder} (doesn't build: {told[-1500:]})")
            elif copy.passes(finder)[0]:
                missed.append(finder)
    finally:
        copy.mend(before)
    return missed


def baseline(copy: Copy, faults: Dict[str, dict]) -> None:
    """Without a fault every finder passes; else its failing would say nothing."""
    finders = sorted({finder for fault in faults.values() for finder in fault.get("found_by", [])})
    for finder in finders:
        is_built, told = copy.build(finder)
        if is_built:
            is_built, told = copy.passes(finder)
        if not is_built:
            sys.exit(f"planted: {finder} fails without a fault\n{told[-3000:]}")


def check(faults: Dict[str, dict]) -> int:
    wrong = []
    for name, fault in faults.items():
        for file, old, new in fault["edits"]:
            count = (ROOT / file).read_text().count(old)
            if count != 1 or old == new:
                wrong.append(f"{name}: {file} has {count} times, not once: {old}")
        if not fault.get("found_by") and "hole" not in fault:
            wrong.append(f"{name}: neither found_by nor hole")
        for finder in fault.get("found_by", []):
            kind, file = finder.partition("/")[::2]
            path = {"gates": f"gates/{file}_gate.py", "fuzz": f"fuzz/{file}_fuzz.cpp"}.get(kind,
                                                                                         finder)
            if kind != "build" and not (ROOT / "tests" / path).is_file():
                wrong.append(f"{name}: there is no tests/{path}")
    for line in wrong:
        print(f"planted: {line}", file=sys.stderr)
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "planted")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--list", action="store_true", help="the faults and what finds them")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--without", action="append", default=[], metavar="KIND",
                        help="leave the finders of a kind out: e2e, fuzz, ...")
    parser.add_argument("names", nargs="*", help="only these faults")
    options = parser.parse_args()
    with (Path(__file__).parent / "faults.toml").open("rb") as file:
        faults = tomllib.load(file)
    unknown = set(options.names) - set(faults)
    if unknown:
        sys.exit(f"planted: there is no fault {', '.join(sorted(unknown))}")
    faults = {name: fault for name, fault in faults.items()
              if not options.names or name in options.names}
    if options.check:
        return check(faults)
    for fault in faults.values():
        fault["found_by"] = [finder for finder in fault.get("found_by", [])
                             if finder.partition("/")[0] not in options.without]
    if options.list:
        for name, fault in faults.items():
            print(f"{name:34} {fault['what']}\n{'':34}   "
                  + (", ".join(fault.get("found_by", [])) or f"a hole: {fault['hole']}"))
        return 0
    copy = Copy(options.build.resolve(), options.jobs)
    copy.refresh()
    copy.configure()
    begin = time.monotonic()
    baseline(copy, faults)
    print(f"no fault: everything passes ({time.monotonic() - begin:.0f} s)", flush=True)
    survivors = holes = 0
    for name, fault in faults.items():
        if "hole" in fault:
            holes += 1
            print(f"HOLE      {name}: {fault['hole']}", flush=True)
            continue
        begin = time.monotonic()
        missed = judge(copy, fault)
        seconds = time.monotonic() - begin
        if missed:
            survivors += 1
            print(f"SURVIVES  {name}: not found by {', '.join(missed)} ({seconds:.0f} s)",
                  flush=True)
        else:
            print(f"found     {name}: by {', '.join(fault['found_by'])} ({seconds:.0f} s)",
                  flush=True)
    print(f"{len(faults)} faults: {len(faults) - survivors - holes} found, {survivors} survive, "
          f"{holes} known holes")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
