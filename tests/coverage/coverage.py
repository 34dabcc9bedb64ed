#!/usr/bin/python3
"""Which branches of agent/ the tests take, both ways, and which they don't.

    coverage.py --product DIR --build DIR [--jobs N] [--again]

Builds the core with clang's counters, runs the programs of PROGRAMS over it, and prints a table
with a line to each room and then every branch that was never taken, as FILE:LINE. exceptions.toml
holds those that no test of these takes, each with its reason; open.txt those that a test is still
owed for. Exit 1 where a branch is missing that is in neither, or a line of theirs has no branch any
more. --again judges the last run's counts; --open writes open.txt anew.

By rule no exceptions: the failing side of a CHECK, which a test that reached it would show as a
defect; what a `switch` without a default does with a value that isn't of its enum; and a condition
that is a constant.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

ROOT = Path(__file__).resolve().parents[2]
EXCEPTIONS = Path(__file__).parent / "exceptions.toml"
OPEN = Path(__file__).parent / "open.txt"
PROGRAMS = {"unit": (), "contract_sim": (), "sim_sanitized": (), "sim_https": (), "tls": (),
            "swarm": (1, 2, 40)}  # and what they are called with: 40 lives of two years
EXPANSION = 1  # the kind of a region that a macro stands in
IS_CONSTANT = re.compile(r"true|false|std::is_\w+<.*>|sizeof\b.*")


class Place(NamedTuple):
    """A condition, as it is written: where it begins, and what is in a macro of that name."""

    file: str
    line: int
    column: int
    end: Tuple[int, int]
    macro: str
    inside: Tuple[int, int]


@dataclass(frozen=True)
class Miss:
    """A condition of which a side was never taken; or, without a side, a function never run."""

    file: str
    line: int
    side: str   # "true", "false", "never" or "function"
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self._told()}"

    def listed(self) -> str:
        """As it stands in a list: without the number of the line, which other edits move."""
        return f"{self.file}: {self._told()}"

    def _told(self) -> str:
        what = {"true": "is never true", "false": "is never false", "never": "is never asked",
                "function": "never runs"}[self.side]
        return f"{what}: {self.text}"


class Source:
    """A file's text, and where its CHECKs are."""

    def __init__(self, name: str) -> None:
        self.lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        self.checks: List[Tuple[Tuple[int, int], Tuple[int, int]]] = []
        for number, line in enumerate(self.lines, 1):
            for found in re.finditer(r"\bCHECK\(", line):
                self.checks.append(((number, found.start() + 1), self._close(number, found.end())))

    def _close(self, number: int, column: int) -> Tuple[int, int]:
        depth = 1
        while number <= len(self.lines):
            for index in range(column, len(self.lines[number - 1])):
                depth += {"(": 1, ")": -1}.get(self.lines[number - 1][index], 0)
                if depth == 0:
                    return number, index + 1
            number, column = number + 1, 0
        return number, 0

    def text(self, begin: Tuple[int, int], end: Tuple[int, int]) -> str:
        if begin[0] == end[0]:
            return self.lines[begin[0] - 1][begin[1] - 1:end[1] - 1]
        return self.lines[begin[0] - 1][begin[1] - 1:]

    def is_checked(self, position: Tuple[int, int]) -> bool:
        return any(begin <= position <= end for begin, end in self.checks)


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"coverage: {command[0]} failed\n{done.stdout[-3000:]}")
    return done.stdout


def count(product: Path, build: Path, jobs: int, is_again: bool) -> dict:
    """Builds and runs the programs; what llvm-cov tells of them."""
    if not is_again:
        if not (build / "build.ninja").exists():
            run("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "--toolchain",
                ROOT / "toolchains/host-clang.cmake", "-DMIAGENT_TESTS=ON", "-DMIAGENT_COVERAGE=ON",
                f"-DMIAGENT_PRODUCT_DIR={product}")
        run("cmake", "--build", build, "--parallel", jobs, "--target", *PROGRAMS)
        for name, words in PROGRAMS.items():
            print(f"running {name}", file=sys.stderr)
            run(build / "tests" / name, *words, cwd=ROOT,
                env=dict(os.environ, LLVM_PROFILE_FILE=str(build / f"{name}.profraw")))
    run("llvm-profdata-19", "merge", "-sparse", "-o", build / "all.profdata",
        *(build / f"{name}.profraw" for name in PROGRAMS))
    objects = [word for name in PROGRAMS for word in ("-object", build / "tests" / name)]
    told = subprocess.run(["llvm-cov-19", "export", f"-instr-profile={build / 'all.profdata'}",
                           *objects, "-sources", ROOT / "agent"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True)
    return json.loads(told.stdout)["data"][0]


def site(function: dict, sources: Dict[str, Source], branch: List[int]) -> Place:
    """Where a branch is written: for one of a macro, where the macro stands."""
    line, column, line_end, column_end, _, _, file = branch[:7]
    macro, inside = "", (0, 0)
    expansions = {region[6]: region for region in function["regions"] if region[7] == EXPANSION}
    while file in expansions:
        inside = inside if macro else (line, column)
        line, column, line_end, column_end, _, file = expansions[file][:6]
        name = relative(function["filenames"][file])
        macro = sources[name].text((line, column), (line_end, column_end)) if name else "?"
    return Place(relative(function["filenames"][file]), line, column, (line_end, column_end), macro,
                 inside)


def relative(name: str) -> str:
    """The name in the project; empty: it isn't of agent/."""
    path = Path(name)
    if not path.is_relative_to(ROOT / "agent"):
        return ""
    return path.relative_to(ROOT).as_posix()


def judge(told: dict) -> Tuple[Counter, Counter, List[Miss]]:
    """How many branches each file has, how many were taken, and those that weren't."""
    counts: Dict[Place, List[int]] = defaultdict(lambda: [0, 0])
    functions: Dict[Tuple[str, int], int] = Counter()
    sources: Dict[str, Source] = {}
    for function in told["functions"]:
        for name in map(relative, function["filenames"]):
            if name and name not in sources:
                sources[name] = Source(name)
        name = relative(function["filenames"][0])
        if not name:
            continue
        functions[(name, function["regions"][0][0])] += function["count"]
        for branch in function["branches"]:
            place = site(function, sources, branch)
            if place.file:
                counts[place][0] += branch[4]
                counts[place][1] += branch[5]
    total: Counter = Counter()
    taken: Counter = Counter()
    missed: List[Miss] = []
    for (name, line), runs in sorted(functions.items()):
        if runs == 0 and not sources[name].lines[line - 1].startswith("constexpr "):
            missed.append(Miss(name, line, "function", sources[name].lines[line - 1].strip()))
    for place, (if_true, if_false) in sorted(counts.items()):
        source = sources[place.file]
        text = source.text((place.line, place.column), place.end)
        if source.is_checked((place.line, place.column)) or IS_CONSTANT.fullmatch(text):
            continue
        if source.lines[place.line - 1][:place.column - 1].endswith("switch ("):
            continue
        if place.macro == "TRY" and if_true == if_false == 0:
            # The condition, or its `while (false)`, which has no sides.
            if "while" in (ROOT / "agent/base/status.h").read_text().splitlines()[
                    place.inside[0] - 1][:place.inside[1]]:
                continue
        total[place.file] += 2
        taken[place.file] += (if_true > 0) + (if_false > 0)
        if if_true == 0 or if_false == 0:
            side = "never" if if_true == if_false else "true" if if_true == 0 else "false"
            line = source.lines[place.line - 1].strip()
            missed.append(Miss(place.file, place.line, side,
                               line if place.macro else f"{text}   in   {line}"))
    return total, taken, missed


def except_listed(missed: List[Miss]) -> Tuple[List[Miss], List[str]]:
    """What isn't in exceptions.toml, and what is wrong with that."""
    with EXCEPTIONS.open("rb") as file:
        listed = tomllib.load(file).get("except", [])
    left = list(missed)
    wrong = []
    for entry in listed:
        words = entry.get("lines", [""])  # without: the whole file
        hit = [miss for miss in left if miss.file == entry["file"]
               and any(word in miss.text for word in words)]
        wrong += [f"{EXCEPTIONS.name}: {entry['file']}: taken by now, or gone: {word}"
                  for word in words if not any(word in miss.text for miss in hit)]
        left = [miss for miss in left if miss not in hit]
    return left, wrong


def without_open(missed: List[Miss]) -> Tuple[List[Miss], List[str]]:
    """What isn't in open.txt, and what is wrong with that."""
    owed = Counter(OPEN.read_text(encoding="utf-8").splitlines())
    left = []
    for miss in missed:
        if owed[miss.listed()] > 0:
            owed[miss.listed()] -= 1
        else:
            left.append(miss)
    return left, [f"{OPEN.name}: taken by now, or gone: {line}" for line in owed.elements()]


def room(name: str) -> str:
    return "/".join(name.split("/")[:-1])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--product", type=Path, default=ROOT / "build")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "coverage")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--again", action="store_true", help="judge the last run's counts")
    parser.add_argument("--open", action="store_true", help="write open.txt anew")
    options = parser.parse_args()
    told = count(options.product.resolve(), options.build.resolve(), options.jobs, options.again)
    total, taken, missed = judge(told)
    unexcepted, wrong = except_listed(missed)
    if options.open:
        OPEN.write_text("".join(f"{miss.listed()}\n" for miss in unexcepted), encoding="utf-8")
    left, wrong_open = without_open(unexcepted)
    print(f"{'room':16}{'branches':>10}{'taken':>10}{'%':>9}")
    for name in [*sorted(set(map(room, total))), "all"]:
        files = [file for file in total if name in ("all", room(file))]
        branches, hit = sum(total[file] for file in files), sum(taken[file] for file in files)
        print(f"{name:16}{branches:10,}{hit:10,}{hit * 100 / branches:9.2f}")
    print(f"{len(missed) - len(unexcepted)} excepted ({EXCEPTIONS.name}), "
          f"{len(unexcepted) - len(left)} owed ({OPEN.name}), {len(left)} missing")
    for line in [*left, *wrong, *wrong_open]:
        print(line)
    return 1 if left or wrong or wrong_open else 0


if __name__ == "__main__":
    sys.exit(main())
