#!/usr/bin/python3
"""Runs miagent-fleet and writes bench/fleet.md with its charts.

    report.py PROGRAM [--agents N] [--into FOLDER]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bench"))

import render

Run = Dict[str, Any]
CASES = {"boot": "booted in one second",
         "refresh": "tokens of one second refreshed",
         "outage": "an outage of an hour, in which all were due",
         "boot in an outage": "booted in one second, an hour into which the endpoint is back"}
NONE, STEPS, PRODUCT = "#cf222e", "#9a6700", "#1a7f37"


def name(run: Run) -> str:
    if run["jitter"] == "share":
        return f"a retry 0–{run['share_permille'] // 10} % later"
    return {"none": "none", "steps": "0–20 % later, in steps of a thousandth",
            "product": "**miagent's**"}[run["jitter"]]


def seconds(milliseconds: int) -> str:
    return "never" if milliseconds < 0 else f"{milliseconds / 1000:,.0f}"


def table(runs: Sequence[Run], heads: Sequence[str]) -> str:
    rows = [[name(run), f"{run['requests']:,}", f"{run['throttled']:,}", f"{run['peak']:,}",
             f"{run['retry_peak']:,}", seconds(run["half_ms"]), seconds(run["most_ms"]),
             seconds(run["all_ms"]), seconds(run["wait_max_ms"])] for run in runs]
    return render.table(heads, rows)


HEADS = ["jitter", "requests", "of them 429", "busiest second", "of retries", "half fresh after s",
         "99 %", "all", "longest wait of one, s"]


def pick(runs: Sequence[Run], case: str, retry_after_s: int = 0) -> List[Run]:
    return [run for run in runs if run["case"] == case and run["retry_after_s"] == retry_after_s]


def busiest(run: Run, second_count: int, bin_size: int) -> List[Tuple[float, float]]:
    """The busiest second of each bin; bins keep the picture small and its peaks right."""
    per_second = [each[0] for each in run["per_second"][:second_count]]
    return [(float(at), float(max(per_second[at:at + bin_size])))
            for at in range(0, len(per_second), bin_size)]


def requests_chart(runs: Sequence[Run], case: str, second_count: int, bin_size: int) -> str:
    by_jitter = {run["jitter"]: run for run in pick(runs, case)}
    label = f"seconds ({bin_size} s each, the busiest of them)" if bin_size > 1 else "seconds"
    return render.curves(
        f"Requests a second: {CASES[case]}", label, "requests a second",
        [render.Curve("no jitter", busiest(by_jitter["none"], second_count, bin_size), NONE),
         render.Curve("0–20 %, in thousandths", busiest(by_jitter["steps"], second_count, bin_size),
                      STEPS),
         render.Curve("miagent", busiest(by_jitter["product"], second_count, bin_size), PRODUCT)],
        is_logarithmic=True)


def fresh_chart(runs: Sequence[Run], agent_count: int) -> str:
    by_jitter = {run["jitter"]: run for run in pick(runs, "boot")}

    def shares(run: Run) -> List[Tuple[float, float]]:
        return [(float(at), 100 * run["per_second"][at][1] / agent_count)
                for at in range(0, 600, 2)]

    return render.curves(
        f"Agents with a token: {CASES['boot']}", "seconds", "per cent",
        [render.Curve("no jitter", shares(by_jitter["none"]), NONE),
         render.Curve("0–20 %, in thousandths", shares(by_jitter["steps"]), STEPS),
         render.Curve("miagent", shares(by_jitter["product"]), PRODUCT)])


def figure(runs: Sequence[Run], case: str, jitter: str, what: str) -> int:
    return next(int(run[what]) for run in pick(runs, case) if run["jitter"] == jitter)


def words(runs: Sequence[Run]) -> str:
    def all_s(case: str, jitter: str) -> str:
        return seconds(figure(runs, case, jitter, "all_ms"))

    def count(case: str, jitter: str, what: str) -> str:
        return f"{figure(runs, case, jitter, what):,}"

    lines = [
        "- **Without jitter** the fleet stays in step: of each burst the endpoint takes one "
        f"second's worth, and it is {all_s('boot', 'none')} s until all are fresh, after a boot as "
        "after an outage.",
        "- **A retry** waits, by protocol.md's table, 2, 6, 14, 30, 60, 60 … seconds, and at "
        "random up to half as much again, and the minute up to a fifth. The short waits spread "
        "the fleet, and cost one machine some seconds; a fifth of the minute is enough after an "
        "outage, and keeps a machine that waits alone from waiting longer. All are fresh "
        f"{all_s('boot', 'product')} s after the boot, and {all_s('boot', 'steps')} s with a fifth "
        "throughout. As much again, for every wait, would come to "
        f"{seconds(figure_share(runs, 'boot', 1000))} s after the boot, but "
        f"{seconds(figure_share(runs, 'outage', 1000))} s in place of {all_s('outage', 'product')} "
        "after an outage; and the five tries of `once`, which somebody waits for, take 78 s at "
        "most with this, and would take 104.",
        "- **A refresh** comes up to 5 % early, to the millisecond. In steps of a thousandth a "
        "fleet of one age comes in 51 bursts, the busiest second with "
        f"{count('refresh', 'steps', 'peak')} requests; to the millisecond it has "
        f"{count('refresh', 'product', 'peak')}.",
        "- **The first request** is not delayed: one machine's token is there at once, and the "
        "burst of a fleet is refused in the same second, whatever comes after it.",
        "- **Retry-After** is waited for, then the same rule spreads the fleet. An endpoint that "
        "says 10 gets rid of the load sooner than one that says nothing, or 60."]
    return "\n".join("\n  ".join(render.wrap(line, 98)) for line in lines)


def figure_share(runs: Sequence[Run], case: str, share_permille: int) -> int:
    return next(int(run["all_ms"]) for run in pick(runs, case)
                if run["share_permille"] == share_permille)


def page(result: Dict[str, Any]) -> str:
    runs: List[Run] = result["runs"]
    agents, limit = f"{result['agents']:,}", f"{result['limit']:,}"
    intro = ("Made by `make fleet`. " f"{agents} agents, one token of 24 hours each, against one "
             f"endpoint that gives {limit} tokens a second and answers what is over that with 429: "
             f"the whole fleet takes {result['agents'] // result['limit']} s at the least. An agent "
             "here is what decides when it asks: the product's `RetryDelay` and `RefreshAt`, and "
             "its random numbers; [`tests/fleet/fleet_test.cpp`](../tests/fleet/fleet_test.cpp) "
             "shows that whole agents on simulated machines ask at the same milliseconds.")
    parts = ["# A fleet of agents", "\n".join(render.wrap(intro)), "## What the numbers show",
             words(runs), "![requests a second after a boot](fleet-boot.svg)",
             "![agents with a token after a boot](fleet-fresh.svg)"]
    for case, title in CASES.items():
        parts += [f"## {title[0].upper()}{title[1:]}", table(pick(runs, case), HEADS)]
        if case in ("refresh", "outage"):
            parts.append(f"![requests a second](fleet-{case}.svg)")
    for retry_after_s in (10, 60):
        parts += [f"## Booted in one second, each 429 with Retry-After: {retry_after_s}",
                  table(pick(runs, "boot", retry_after_s), HEADS)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("--agents", type=int, default=100_000)
    parser.add_argument("--into", type=Path, default=ROOT / "bench")
    options = parser.parse_args()
    output = subprocess.run([str(options.program), str(options.agents)], check=True,
                            stdout=subprocess.PIPE).stdout
    result = json.loads(output)
    runs = result["runs"]
    options.into.mkdir(parents=True, exist_ok=True)
    for file, text in {"fleet.md": page(result),
                       "fleet-boot.svg": requests_chart(runs, "boot", 600, 2),
                       "fleet-fresh.svg": fresh_chart(runs, result["agents"]),
                       "fleet-refresh.svg": requests_chart(runs, "refresh", 2400, 10),
                       "fleet-outage.svg": requests_chart(runs, "outage", 600, 2)}.items():
        (options.into / file).write_text(text, encoding="utf-8")
    print(table(pick(runs, "boot"), HEADS), end="")
    print(f"{options.into / 'fleet.md'} has the rest")


if __name__ == "__main__":
    main()
