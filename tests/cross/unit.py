#!/usr/bin/python3
"""Unit and contract tests of other processors, in qemu's user emulation:

    unit.py FOLDER JOBS CROSS PROCESSOR…

They are the programs that `make test` runs, built for each processor into FOLDER, without sanitizers
and with Debian's C and C++ libraries for it. CROSS has the product's builds. What isn't run, and why,
is in LEFT_OUT.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Dict, List, Sequence

from builds import ROOT, Build, builds
from run import output

TRIPLE = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu",
          "armv7hf": "arm-linux-gnueabihf", "riscv64": "riscv64-linux-gnu"}
PROGRAMS = ("unit", "contract_sim", "contract_linux")
LEFT_OUT: Dict[str, Sequence[str]] = {"contract_linux": (
    # An emulated process takes a signal a while after it was sent: here SIGKILL is faster.
    "another process is reached by its handle",
    # qemu keeps the last of the real-time signals for itself.
    "a wrapper's signals arrive with their numbers, and its own faults don't",
)}


def build(folder: Path, jobs: str, product: Build) -> None:
    output(["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", "--toolchain",
            str(ROOT / "toolchains" / "foreign-clang.cmake"), "-DMIAGENT_TESTS=ON",
            f"-DMIAGENT_GNU_TRIPLE={TRIPLE[product.processor]}",
            f"-DMIAGENT_PRODUCT_DIR={product.folder}"])
    output(["cmake", "--build", str(folder), "--parallel", jobs, "--target", *PROGRAMS])


def run(folder: Path, emulator: str, program: str) -> str:
    """Runs one; how many of its cases were."""
    left_out = ",".join(name.replace(",", "\\,") for name in LEFT_OUT.get(program, ()))
    said = output([emulator, str(folder / "tests" / program),
                   *([f"--test-case-exclude={left_out}"] if left_out else [])], cwd=ROOT)
    match = re.search(r"test cases: +(\d+) \| +(\d+) passed .*\| +(\d+) skipped", said)
    if match is None or match[1] != match[2] or match[1] == "0":
        sys.exit(f"{program}: not all of it was run\n{said}")
    return f"{program} {match[1]}" + (f" ({match[3]} not run)" if match[3] != "0" else "")


def main() -> None:
    folder, jobs = Path(sys.argv[1]).resolve(), sys.argv[2]
    seen = set()
    for product in builds(Path(sys.argv[3]), sys.argv[4:]):
        if product.processor in seen:
            continue
        seen.add(product.processor)
        emulator = product.emulator()
        if emulator is None:
            sys.exit(f"no qemu for {product.processor}: install qemu-user-static")
        build(folder / product.processor, jobs, product)
        said: List[str] = [run(folder / product.processor, emulator, each) for each in PROGRAMS]
        print(f"{product.name:16}{', '.join(said)} cases", flush=True)


if __name__ == "__main__":
    main()
