#!/usr/bin/python3
"""Lives simulated lives; a broken one is shrunk to the shortest that still breaks.

    shrink.py SIMULATOR SEED YEARS [COUNT]

What a step draws hangs on its seed and its number alone, so a life without some kinds of faults, or
without some steps, is still the same life otherwise. First whole kinds are left out, then steps, by
halves; what is left is printed as the command that lives it, and as the story of what happened.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import List, Optional, Sequence, Tuple

LIFE_TIMEOUT_S = 600
STORY_LINE_COUNT = 60
STEP_RANGE_COUNT_MAX = 64   # kStepRangeCountMax in swarm.h
NO_STEP = "4294967295"
AGAIN = re.compile(r"^again: miagent-sim (\d+) (\d+)", re.MULTILINE)
BROKEN = re.compile(r"^BROKEN: (.*?), in step (\d+)", re.MULTILINE)


class Life:
    """One seed's life, of which parts can be left out."""

    def __init__(self, simulator: str, seed: int, years: int) -> None:
        self.command = [simulator, str(seed), str(years)]
        self.steps: List[int] = []  # that do something, with the kinds that are left

    def live(self, kinds: Optional[Sequence[str]], steps: Optional[Sequence[int]],
             *more: str) -> str:
        return subprocess.run([*self.words(kinds, steps), *more], stdout=subprocess.PIPE,
                              text=True, errors="replace", timeout=LIFE_TIMEOUT_S,
                              check=False).stdout

    def words(self, kinds: Optional[Sequence[str]], steps: Optional[Sequence[int]]) -> List[str]:
        words = list(self.command)
        if kinds is not None:
            words += ["--only", ",".join(kinds) or "none"]
        if steps is not None:
            words += ["--steps", ",".join(self.ranges(steps)) or NO_STEP]
        return words

    def ranges(self, steps: Sequence[int]) -> List[str]:
        """Steps that follow each other, but for those that do nothing, as one range."""
        ranges: List[List[int]] = []
        for step in steps:
            at = self.steps.index(step)
            if ranges and at > 0 and self.steps[at - 1] == ranges[-1][1]:
                ranges[-1][1] = step
            else:
                ranges.append([step, step])
        return [str(first) if first == last else f"{first}-{last}" for first, last in ranges]

    def breaks(self, kinds: Optional[Sequence[str]], steps: Optional[Sequence[int]]
               ) -> Optional[Tuple[str, int]]:
        """What breaks, in which step; None where nothing does."""
        if steps is not None and len(self.ranges(steps)) > STEP_RANGE_COUNT_MAX:
            return None
        match = BROKEN.search(self.live(kinds, steps))
        return (match.group(1), int(match.group(2))) if match else None


def shrink(parts: List, still_breaks) -> List:  # type: ignore[no-untyped-def, type-arg]
    """A part of `parts` that still breaks, and doesn't with any one left out (ddmin)."""
    size = max(len(parts) // 2, 1)
    while parts:
        rest = list(parts)
        for begin in range(0, len(parts), size):
            without = [part for part in rest if part not in parts[begin:begin + size]]
            if len(without) < len(rest) and still_breaks(without):
                rest = without
        if size == 1 and len(rest) == len(parts):
            break
        parts, size = rest, max(size // 2, 1)
    return parts


def shrink_life(simulator: str, seed: int, years: int) -> None:
    life = Life(simulator, seed, years)
    kinds = [line.split(":")[0]
             for line in life.live(None, None, "--kinds").splitlines()]
    first = life.breaks(None, None)
    if first is None:
        sys.exit("the life doesn't break again: it isn't one seed, one history")
    # Another invariant may break by the way: the shortest life is what counts.
    kinds = shrink(kinds, lambda some: life.breaks(some, None) is not None)
    found = life.breaks(kinds, None)
    assert found is not None
    told = life.live(kinds, None, "--story")
    life.steps = [int(step) for step in re.findall(r": step (\d+), for ", told)]
    steps = shrink(life.steps, lambda some: life.breaks(kinds, some) is not None)
    found = life.breaks(kinds, steps)
    assert found is not None
    words = life.words(kinds, steps)
    story = life.live(kinds, steps, "--story").splitlines()
    print(f"\nthe shortest life that breaks ({found[0]}):\n  {' '.join(words)}\n")
    print("\n".join(line[:200] for line in story[-STORY_LINE_COUNT:]))


def main() -> None:
    simulator, seed, years = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    count = sys.argv[4] if len(sys.argv) > 4 else "1"
    done = subprocess.run([simulator, str(seed), str(years), count], stdout=subprocess.PIPE,
                          text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode == 0:
        return
    again = AGAIN.search(done.stdout)
    if again is not None:
        shrink_life(simulator, int(again.group(1)), int(again.group(2)))
    sys.exit(1)


if __name__ == "__main__":
    main()
