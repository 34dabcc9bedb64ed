#!/usr/bin/python3
"""Changes agent/ in each small way that a mistake would, and sees that a test fails.

    mutation.py --product DIR --build DIR [--jobs N] [--share S] [--seed N] [ROOM...]
    mutation.py --check     only that each survivor of survivors.toml still has its place

ROOM is a folder or a file of agent/ (all). DIR is that of coverage.py, whose programs are linked
anew with the changed sources. All mutants are compiled in at once, each behind its number
(mutant.h), so that one costs no build: only those test files run that come by it, its own and then
the quickest first, until one fails. A run that needs ten times its CPU time counts as failed:
seconds of CPU, so that a busy machine changes nothing.

Prints each mutant that no test finds (UNSEEN: none comes by), and a table with a line to each room.
survivors.toml lists those that needn't be found, with the reason. Exit 1 where another survives.
Not mutated: headers, what is constexpr, and what stands in a CHECK.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
SURVIVORS = HERE / "survivors.toml"
PROGRAMS = ("unit", "sim_sanitized", "sim_https", "tls")
CPU_S_MIN = 2
WALL_S_MAX = 300
COMPILE_TRIES_MAX = 12
# Neither are in the programs: the one is the program's own, the other stands in for TLS's engine.
WITHOUT = ("agent/main.cpp", "agent/call_none.cpp")
# TLS's engine is in the program of that name alone.
ENGINE = ("agent/tls/bundle.cpp", "agent/tls/pool.cpp", "agent/tls/tls_mbedtls.cpp")


@dataclass
class Found:
    """One mutant, where it stands."""

    number: int
    file: str
    line: int
    text: str
    change: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.change}: {self.text}"


@dataclass
class TestFile:
    """The test cases of one file in one program, and what they cost."""

    program: Path
    name: str
    cpu_s: float
    seen: bytes


def build_step(*command: object, folder: Path = ROOT) -> None:
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, cwd=folder,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"mutation: {command[0]} failed\n{done.stdout[-3000:]}")


class World:
    """The programs, with the mutants in them."""

    def __init__(self, product: Path, build: Path, jobs: int) -> None:
        self.product, self.build, self.jobs = product, build, jobs
        self.folder = build / "mutation"
        self.folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, files: List[str], programs: List[str]) -> List[Found]:
        if not (self.build / "build.ninja").exists():
            build_step("cmake", "-S", ROOT, "-B", self.build, "-G", "Ninja", "--toolchain",
                       ROOT / "toolchains/host-clang.cmake", "-DMIAGENT_TESTS=ON",
                       "-DMIAGENT_COVERAGE=ON", f"-DMIAGENT_PRODUCT_DIR={self.product}")
        build_step("cmake", "--build", self.build, "--parallel", self.jobs, "--target", "mutant",
                   *programs)
        with (self.build / "compile_commands.json").open(encoding="utf-8") as file:
            commands = {entry["file"]: shlex.split(entry["command"]) for entry in
                        reversed(json.load(file))}
        mutants: List[Found] = []
        objects: Dict[str, Path] = {}
        with ThreadPoolExecutor(self.jobs) as pool:
            jobs = []
            first = 1
            for name in files:
                source = self._source(ROOT / name, commands[str(ROOT / name)], first)
                first = source.next
                jobs.append((name, source, pool.submit(
                    self._compile, name, source, commands[str(ROOT / name)])))
            for name, source, job in jobs:
                objects[name] = job.result()
                mutants += [Found(mutant.number, name, mutant.line, mutant.text, mutant.change)
                            for edit in source.edits for mutant in edit.mutants]
        mutant_object = self.build / "tests/CMakeFiles/mutant.dir/mutation/mutant.cpp.o"
        for program in programs:
            self._link(program, [mutant_object, *(objects[name] for name in objects if
                                                  program == "tls" or name not in ENGINE)])
        return mutants

    @staticmethod
    def _options(command: List[str]) -> List[str]:
        options = command[1:command.index("-o")]
        return [word for word in options if not word.startswith(("-W", "-fprofile", "-fcoverage",
                                                                 "-g"))]

    def _source(self, path: Path, command: List[str], first: int) -> "Source":
        from source import Source
        return Source(path, self._options(command) + ["-resource-dir", RESOURCES], first)

    def _compile(self, name: str, source: "Source", command: List[str]) -> Path:
        written = self.folder / name
        written.parent.mkdir(parents=True, exist_ok=True)
        to = written.with_suffix(".o")
        for _ in range(COMPILE_TRIES_MAX):
            written.write_text(source.written(), encoding="utf-8")
            done = subprocess.run(["clang++-19", *self._options(command), "-w", "-ferror-limit=0",
                                   "-include", str(HERE / "mutant.h"), "-c", str(written), "-o",
                                   str(to)], cwd=self.build, stderr=subprocess.PIPE, text=True,
                                  check=False)
            if done.returncode == 0:
                return to
            lines = re.findall(rf"{re.escape(str(written))}:(\d+):\d+: (?:error|note)", done.stderr)
            if source.drop([int(line) for line in lines]) == 0:
                break
        sys.exit(f"mutation: {name} can't be compiled with its mutants\n{done.stderr[:3000]}")

    def _link(self, program: str, objects: List[Path]) -> None:
        told = subprocess.run(["ninja", "-C", self.build, "-t", "commands", f"tests/{program}"],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        words = shlex.split(told.splitlines()[-1])
        words = words[words.index("&&") + 1:]
        words = words[:words.index("&&")] if "&&" in words else words
        words[words.index("-o") + 1] = str(self.folder / program)
        # Before the libraries, so that theirs aren't taken.
        build_step(*words[:1], *objects, *words[1:], folder=self.build)

    def run(self, program: Path, name: str, mutant: int, cpu_s: float, seen: str = "") -> Tuple[
            bool, float]:
        """Whether the tests pass, and their CPU time."""
        limit = int(max(CPU_S_MIN, cpu_s * 10)) + 1
        environment = dict(os.environ, MUTANT=str(mutant), LLVM_PROFILE_FILE="/dev/null")
        if seen:
            environment["MUTANT_SEEN"] = seen
        # Whoever waits for nothing needs no CPU: hence `timeout`, too.
        with subprocess.Popen(
                ["timeout", "-s", "KILL", str(WALL_S_MAX), str(program), f"-sf=*/{name}", "-aa=1",
                 "-nv"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                preexec_fn=lambda: limits(limit)) as child:
            _, child.returncode, usage = os.wait4(child.pid, 0)
        return child.returncode == 0, usage.ru_utime + usage.ru_stime

    def test_files(self, programs: List[str]) -> List[TestFile]:
        """The test files, each run once without a mutant."""
        tests = []
        for program in programs:
            path = self.folder / program
            told = subprocess.run([path, "-ltc", "-r=xml"], stdout=subprocess.PIPE, text=True,
                                  env=dict(os.environ, LLVM_PROFILE_FILE="/dev/null"), check=True)
            for name in sorted(set(re.findall(r'filename="[^"]*/([^/"]+)"', told.stdout))):
                seen = self.folder / f"{program}-{name}.seen"
                passes, cpu_s = self.run(path, name, 0, 60, str(seen))
                if not passes:
                    sys.exit(f"mutation: {program}'s {name} fails without a mutant")
                tests.append(TestFile(path, name, cpu_s, seen.read_bytes()))
        return sorted(tests, key=lambda test: test.cpu_s)

    def judge(self, mutant: Found, tests: List[TestFile]) -> str:
        """What finds the mutant: a test file; "": no test does; "-": no test comes by."""
        passed = [test for test in tests if test.seen[mutant.number]]
        own = mutant.file[len("agent/"):-len(".cpp")].replace("/", "_")
        for test in sorted(passed, key=lambda test: not test.name.startswith(own)):
            if not self.run(test.program, test.name, mutant.number, test.cpu_s)[0]:
                return test.name
        return "" if passed else "-"


def limits(cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


def load_survivors() -> List[Dict[str, str]]:
    with SURVIVORS.open("rb") as file:
        return tomllib.load(file).get("survivor", [])


def is_listed(mutant: Found, survivors: List[Dict[str, str]]) -> bool:
    return any(entry["file"] == mutant.file and entry["line"] == mutant.text and
               mutant.change in entry["changes"] for entry in survivors)


def check() -> int:
    wrong = [f"mutation: {entry['file']} has no line: {entry['line']}" for entry in load_survivors()
             if entry["line"] not in [line.strip() for line in
                                      (ROOT / entry["file"]).read_text().splitlines()]
             or not entry.get("why")]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def listed_sources(rooms: List[str]) -> List[str]:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    files = sorted(set(re.findall(r"agent/[\w/]+\.cpp", text)) - set(WITHOUT))
    chosen = [file for file in files if not rooms or any(
        file == room or file.startswith(room.rstrip("/") + "/") for room in rooms)]
    return [file for file in chosen if rooms or file != "agent/tls/tls_none.cpp"]


RESOURCES = ""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--product", type=Path, default=ROOT / "build")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "coverage")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--share", type=float, default=1.0, help="of the mutants, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("rooms", nargs="*")
    options = parser.parse_args()
    if options.check:
        return check()
    files = listed_sources(options.rooms)
    if not files:
        sys.exit(f"mutation: no source is in {' '.join(options.rooms)}")
    global RESOURCES  # pylint: disable=global-statement
    RESOURCES = subprocess.run(["clang++-19", "-print-resource-dir"], stdout=subprocess.PIPE,
                               text=True, check=True).stdout.strip()
    world = World(options.product.resolve(), options.build.resolve(), options.jobs)
    programs = [name for name in PROGRAMS if name != "tls" or set(ENGINE) & set(files)]
    mutants = world.prepare(files, programs)
    tests = world.test_files(programs)
    survivors = load_survivors()
    drawn = random.Random(options.seed).sample(mutants, round(len(mutants) * options.share))
    drawn.sort(key=lambda mutant: mutant.number)
    total: Counter = Counter()
    tallies: Dict[str, Counter] = {name: Counter() for name in ("found", "missed", "unseen",
                                                                "listed")}
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, finder in zip(drawn, pool.map(lambda one: world.judge(one, tests), drawn)):
            room = mutant.file.rpartition("/")[0]
            total[room] += 1
            kind = "found" if finder not in ("", "-") else "listed" if is_listed(
                mutant, survivors) else "missed" if finder == "" else "unseen"
            tallies[kind][room] += 1
            if kind in ("missed", "unseen"):
                word = "SURVIVES" if kind == "missed" else "UNSEEN  "
                print(f"{word} {mutant}", flush=True)
    columns = ("mutants", "found", "listed", "survive", "unseen", "found %")
    print(f"{'room':16}" + "".join(f"{word:>9}" for word in columns))
    for room in [*sorted(total), "all"]:
        row = [sum(counts[name] for name in counts if room in ("all", name))
               for counts in (total, tallies["found"], tallies["listed"], tallies["missed"],
                              tallies["unseen"])]
        print(f"{room:16}" + "".join(f"{value:9,}" for value in row) +
              f"{row[1] * 100 / max(row[0] - row[2], 1):9.1f}")
    return 1 if tallies["missed"] or tallies["unseen"] else 0


if __name__ == "__main__":
    sys.exit(main())
