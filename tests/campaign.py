#!/usr/bin/python3
"""A long campaign: simulates, tortures and fuzzes in turns, and sums up what came of it.

    campaign.py --product DIR --tests DIR [--hours H | --sim-years Y] [--jobs N] [--seed S]

With --sim-years it simulates that many years of agents' lives, ten a seed, and nothing else. The
summary is Markdown, for the README. Exit 1 where something broke; each break is printed with the
command that shows it again, as soon as it is found.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"
LIFE_YEARS = 10
LIVES_PER_PROCESS = 20
LIVES_PER_TURN = 400
FUZZ_SECONDS_PER_TARGET = 30
NICENESS = 15
FIRED = re.compile(r"^fired (\S+) (\d+) of (\d+)$", re.MULTILINE)
LIVED = re.compile(r"^seed (\d+) years (\d+) .* requests (\d+) ", re.MULTILINE)


class Campaign:
    """What was done so far, and what broke."""

    def __init__(self, product: Path, tests: Path, jobs: int, seed: int) -> None:
        self.product = product
        self.tests = tests
        self.jobs = jobs
        self.first_seed = seed
        self.next_seed = seed
        self.years = 0
        self.requests = 0
        self.cpu_s = 0.0
        self.fired: Dict[str, int] = {}
        self.armed: Dict[str, int] = {}
        self.breaks: List[str] = []
        self.torture: List[str] = []
        self.fuzz: List[str] = []

    def broken(self, what: str) -> None:
        self.breaks.append(what)
        print(f"BROKEN: {what}", flush=True)

    def live(self, seed: int, count: int) -> str:
        # A break ends a process; the lives behind it are lived by the next.
        said = ""
        end = seed + count
        while seed < end:
            done = subprocess.run(
                ["nice", "-n", str(NICENESS), str(self.product / "miagent-sim"), str(seed),
                 str(LIFE_YEARS), str(end - seed)], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
            said += done.stdout
            again = re.search(r"^again: miagent-sim (\d+) ", done.stdout, re.MULTILINE)
            if again is None:
                if done.returncode < 0:
                    said += f"BROKEN: signal {-done.returncode} from seed {seed}\n"
                break
            seed = int(again.group(1)) + 1
        return said

    def simulate(self, life_count: int) -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        starts = range(self.next_seed, self.next_seed + life_count, LIVES_PER_PROCESS)
        end = self.next_seed + life_count
        with ThreadPoolExecutor(self.jobs) as pool:
            for said in pool.map(lambda start: self.live(start, min(LIVES_PER_PROCESS, end - start)),
                                 starts):
                self.add(said)
        self.next_seed = end
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_s += (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

    def add(self, said: str) -> None:
        for _, years, requests in LIVED.findall(said):
            self.years += int(years)
            self.requests += int(requests)
        for kind, fired, armed in FIRED.findall(said):
            self.fired[kind] = self.fired.get(kind, 0) + int(fired)
            self.armed[kind] = self.armed.get(kind, 0) + int(armed)
        # That a kind never fired in one process's lives says little: the campaign is judged below.
        for match in re.finditer(r"^BROKEN: (.*\n?.*)$", said, re.MULTILINE):
            self.broken(match.group(1).replace("\n", "; "))
        for kind, fired, armed in re.findall(
                r"^never fired: (\S+) (\d+) of (\d+)$", said, re.MULTILINE):
            self.fired[kind] = self.fired.get(kind, 0) + int(fired)
            self.armed[kind] = self.armed.get(kind, 0) + int(armed)

    def run(self, *command: str) -> str:
        environment = {**os.environ, "MIAGENT": str((self.product / "miagent").resolve()),
                       "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(["nice", "-n", str(NICENESS), *command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                              env=environment, cwd=ROOT)
        if done.returncode != 0:
            self.broken(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}")
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        return "\n".join(lines)

    def torture_once(self) -> None:
        said = self.run(PYTHON, "tests/torture/torture.py")
        self.torture.append(said.splitlines()[-1] if said else "nothing")

    def fuzz_once(self) -> None:
        self.fuzz += self.run(PYTHON, "tests/fuzz/fuzz.py", "--tests", str(self.tests),
                              "--seconds", str(FUZZ_SECONDS_PER_TARGET)).splitlines()

    def summary(self, started: float) -> str:
        hours = (time.time() - started) / 3600
        rate = self.years / (self.cpu_s / 60) if self.cpu_s else 0
        lines = [
            f"{self.years:,} agent-years of faults (seeds {self.first_seed} to "
            f"{self.next_seed - 1}, {LIFE_YEARS} years each, {self.requests:,} requests), "
            f"{rate:,.0f} a CPU-minute, in {hours:.1f} hours: {len(self.breaks)} breaks", ""]
        if self.torture:
            lines += [f"Torture, {len(self.torture)} times; the last: {self.torture[-1]}", ""]
        if self.fuzz:
            lines += ["Fuzzing:", "", *(f"    {line}" for line in self.fuzz), ""]
        lines += ["| fault | fired | armed |", "|---|--:|--:|"]
        lines += [f"| {kind} | {self.fired[kind]:,} | {self.armed[kind]:,} |"
                  for kind in self.fired]
        return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--product", type=Path, required=True)
    parser.add_argument("--tests", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--sim-years", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    campaign = Campaign(options.product, options.tests, options.jobs, options.seed)
    started = time.time()
    try:
        if options.sim_years:
            wanted = -(-options.sim_years // LIFE_YEARS)
            while campaign.next_seed < options.seed + wanted:
                left = options.seed + wanted - campaign.next_seed
                campaign.simulate(min(LIVES_PER_TURN, left))
                print(f"{campaign.years:,} years, {len(campaign.breaks)} breaks, "
                      f"{(time.time() - started) / 60:.0f} minutes", flush=True)
        while not options.sim_years and time.time() < started + options.hours * 3600:
            campaign.simulate(LIVES_PER_TURN)
            campaign.torture_once()
            campaign.fuzz_once()
    except KeyboardInterrupt:
        pass  # what was done is summed up
    for kind, armed in campaign.armed.items():
        if armed and not campaign.fired[kind]:
            campaign.broken(f"the fault {kind} was armed {armed} times and never fired")
    print(campaign.summary(started))
    sys.exit(1 if campaign.breaks else 0)


if __name__ == "__main__":
    main()
