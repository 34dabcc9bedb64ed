#!/usr/bin/env python3
"""Runs the fuzz targets, one after the other.

    fuzz.py --tests DIR --seconds T [NAME...]     T seconds each (`make fuzz T=60`)
    fuzz.py --tests DIR --runs N [NAME...]        N runs each, the same every time (ctest)
    fuzz.py --tests DIR --canary                  the canary must be found
    fuzz.py --tests DIR --minimise [NAME...]      what was found new goes into tests/fuzz/corpus

DIR is the tests' build folder. A long run begins with what the ones before it found, in
DIR/fuzz/NAME/corpus; crashers are kept in DIR/fuzz/NAME. Exit 1 where there was one.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List, Optional, Tuple

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
CANARY = "canary"
CANARY_RUNS = 3_000_000   # found after some ten thousand
SIZE_MAX = 4096           # of an input; some targets make more of it
INPUT_TIMEOUT_S = 60      # for one input, on a machine that has other things to do
SEEDS_SIZE_MAX = 300 * 1024


def targets() -> List[str]:
    names = [path.name[:-len("_fuzz.cpp")] for path in sorted(HERE.glob("*_fuzz.cpp"))]
    return [name for name in names if name != CANARY]


class Run:
    """One run of a target: its command, and what it told."""

    def __init__(self, tests: Path, name: str, work: Path, options: List[str]) -> None:
        self.program = tests / "tests" / f"fuzz_{name}"
        if not self.program.exists():
            sys.exit(f"fuzz: there is no {self.program}: `make tests` builds it")
        (work / "corpus").mkdir(parents=True, exist_ok=True)
        seeds = CORPUS / name
        folders = [str(work / "corpus")] + ([str(seeds)] if seeds.is_dir() else [])
        self.work = work
        self.command = [str(self.program), *options, f"-max_len={SIZE_MAX}",
                        f"-timeout={INPUT_TIMEOUT_S}", "-print_final_stats=1",
                        f"-artifact_prefix={work}/", *folders]

    def go(self) -> Tuple[bool, str]:
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:symbolize=1",
                           ASAN_SYMBOLIZER_PATH="/usr/bin/llvm-symbolizer-19")
        done = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=environment, text=True, errors="replace", check=False)
        return done.returncode == 0, done.stdout


def number(pattern: str, text: str) -> Optional[int]:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else None


def summary(name: str, told: str, work: Path) -> str:
    executions = number(r"stat::number_of_executed_units:\s+(\d+)", told)
    a_second = number(r"stat::average_exec_per_sec:\s+(\d+)", told)
    begun = re.search(r"INITED cov: (\d+) ft: (\d+)", told)
    cover = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/(\S+)", told)
    if not begun or not cover:
        return f"{name:22} {executions or 0:>10,} runs"
    edges, features, count, size = cover[-1]
    return (f"{name:22} {executions or 0:>10,} runs {a_second or 0:>8,}/s  edges {edges:>5} "
            f"(+{int(edges) - int(begun[1])})  features {features:>6} "
            f"(+{int(features) - int(begun[2])})  corpus {count} of {size.rstrip('b')} bytes")


def crash(name: str, run: Run, told: str) -> None:
    print(f"{name}: BROKEN\n{told[-4000:]}", file=sys.stderr)
    for path in sorted(run.work.glob("*-*")):
        if path.is_file():
            print(f"fuzz: again with: {run.program} {path}", file=sys.stderr)


def fuzz(tests: Path, names: List[str], seconds: int) -> int:
    broken = 0
    for name in names:
        work = tests / "fuzz" / name
        run = Run(tests, name, work, [f"-max_total_time={seconds}"])
        is_good, told = run.go()
        print(summary(name, told, work), flush=True)
        if not is_good:
            broken += 1
            crash(name, run, told)
    print(f"{len(names)} targets, {seconds} s each: {broken} broken")
    return 1 if broken else 0


def short(tests: Path, names: List[str], runs: int) -> int:
    """The same inputs each time; what broke is kept with the long runs' crashers."""
    broken = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            run = Run(tests, name, work, [f"-runs={runs}", "-seed=1"])
            kept = tests / "fuzz" / name
            kept.mkdir(parents=True, exist_ok=True)
            run.work = kept
            run.command = [word.replace(f"-artifact_prefix={work}/", f"-artifact_prefix={kept}/")
                           for word in run.command]
            is_good, told = run.go()
            print(summary(name, told, work), flush=True)
            if not is_good:
                broken += 1
                crash(name, run, told)
    size = sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file())
    if size > SEEDS_SIZE_MAX:
        print(f"fuzz: tests/fuzz/corpus has {size:,} bytes; {SEEDS_SIZE_MAX:,} are the limit",
              file=sys.stderr)
        return 1
    return 1 if broken else 0


def canary(tests: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(tests, CANARY, Path(folder), [f"-runs={CANARY_RUNS}", "-seed=1"])
        is_good, told = run.go()
    if is_good or "BROKEN: " not in told:
        print(f"fuzz: the canary lives: nothing is being fuzzed\n{told[-2000:]}", file=sys.stderr)
        return 1
    runs = number(r"stat::number_of_executed_units:\s+(\d+)", told) or number(r"#(\d+)", told)
    print(f"the canary was found after {runs or 0:,} runs")
    return 0


def minimise(tests: Path, names: List[str]) -> int:
    """Makes the seeds the smallest set of inputs that reaches every edge reached. Regressions,
    which are named by what they found, stay."""
    for name in names:
        program = tests / "tests" / f"fuzz_{name}"
        seeds = CORPUS / name
        seeds.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            merged = Path(folder)
            subprocess.run([str(program), "-set_cover_merge=1", "-use_counters=0",
                            f"-max_len={SIZE_MAX}", str(merged),
                            str(seeds), str(tests / "fuzz" / name / "corpus")],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            for path in seeds.iterdir():
                if not path.name.startswith("regression-"):
                    path.unlink()
            known = {path.read_bytes() for path in seeds.iterdir()}
            for path in sorted(merged.iterdir(), key=lambda each: each.stat().st_size):
                if path.read_bytes() not in known:
                    (seeds / path.name).write_bytes(path.read_bytes())
        sizes = [path.stat().st_size for path in seeds.iterdir()]
        print(f"{name:22} {len(sizes)} seeds, {sum(sizes):,} bytes")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tests", type=Path, required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seconds", type=int)
    what.add_argument("--runs", type=int)
    what.add_argument("--canary", action="store_true")
    what.add_argument("--minimise", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    tests = options.tests.resolve()
    unknown = set(options.names) - set(targets())
    if unknown:
        sys.exit(f"fuzz: there is no target {', '.join(sorted(unknown))}; "
                 f"there are {', '.join(targets())}")
    names = options.names or targets()
    if options.canary:
        return canary(tests)
    if options.minimise:
        return minimise(tests, names)
    if options.seconds is not None:
        return canary(tests) or fuzz(tests, names, options.seconds)
    return short(tests, names, options.runs)


if __name__ == "__main__":
    sys.exit(main())
