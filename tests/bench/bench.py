#!/usr/bin/python3
"""What miagent costs beside the least that is possible and beside what users run in its place.

    /usr/bin/python3 tests/bench/bench.py [--quick] [--only KEY,…] [--with az]       (make bench)

Everything runs against one server at 169.254.169.254:80 in a network namespace, interleaved in one
run, as times drift with the machine: the ratios to the floor are what counts. Writes results.md
and charts into bench/ and the tables into README.md; with --quick or --only into build/bench/.

    peers.py   what is measured          install.py  gets it          measure.py  measures one
    phases.py  what is done, in order    report.py   the tables       render.py, figures.py
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import List, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "e2e")]

import install
import netns
import peers
import phases
import render
import report

EXIT_SKIPPED = 77
MEMORY = Path("/dev/shm")


def chosen(only: str, optional: Sequence[str]) -> List[peers.Peer]:
    keys = set(only.split(",")) if only else None
    unknown = (keys or set()) - {peer.key for peer in peers.PEERS}
    if unknown:
        sys.exit(f"bench.py: no such peer: {', '.join(sorted(unknown))}")
    return [peer for peer in peers.PEERS if (keys is None or peer.key in keys)
            and (not peer.is_optional or peer.key in optional or shutil.which(peer.programs[0]))]


def build(product: Path) -> Path:
    """The benchmark's own programs; where they are."""
    done = subprocess.run(["cmake", "--build", str(product), "--target", "bench_programs"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench.py: the programs were not built:\n{done.stdout}")
    return product / "bench"


def build_large(product: Path) -> Path:
    """The product again, as the same machine's, with room for 1,024 tokens; its folder."""
    cache = (product / "CMakeCache.txt").read_text(encoding="utf-8")
    kept = re.findall(r"^((?:CMAKE_TOOLCHAIN_FILE|MIAGENT_TLS):\w+=.+)$", cache, re.MULTILINE)
    folder = product / "bench" / "large"
    for command in (["-S", str(ROOT), "-B", str(folder), "-G", "Ninja",
                     *(f"-D{each}" for each in kept), "-DMIAGENT_TOKENS_MAX=1024",
                     "-DMIAGENT_FILES_MAX=2048", "-DMIAGENT_CONFIG_KIB_MAX=1024"],
                    ["--build", str(folder), "--target", "miagent_stripped"]):
        done = subprocess.run(["cmake", *command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"bench.py: the build with larger limits failed:\n{done.stdout[-3000:]}")
    return folder


def write(results: phases.Results, folder: Path, readme: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = report.document(results)
    (folder / "results.md").write_text(text, encoding="utf-8")
    for name, chart in report.charts(results).items():
        (folder / name).write_text(chart, encoding="utf-8")
    print(f"\n{text}\nwritten to {folder}")
    if readme:
        path = ROOT / "README.md"
        path.write_text(render.insert(path.read_text(encoding="utf-8"), report.summary(results)),
                        encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--product", type=Path, default=ROOT / "build")
    parser.add_argument("--output", type=Path, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a minute, and rougher")
    parser.add_argument("--smoke", action="store_true", help="as little as shows that it works")
    parser.add_argument("--only", default="", metavar="KEY,…", help="these rows alone")
    parser.add_argument("--with", dest="optional", action="append", default=[], metavar="KEY",
                        help="install this one too (az)")
    parser.add_argument("--no-install", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    product = options.product.resolve()
    plan = phases.SMOKE if options.smoke else phases.QUICK if options.quick else phases.FULL
    wanted = chosen(options.only, options.optional)
    skipped = {peer.label: f"not asked for (WITH={peer.key})" for peer in peers.PEERS
               if not options.only and peer not in wanted}
    bench = build(product)
    has_large = any(phases.is_large(*each) for each in plan.scale)
    large = build_large(product) if has_large else product
    reasons = install.prepare(wanted, bench, not options.no_install)
    for peer in wanted:
        if peer.key in reasons:
            skipped[peer.label] = reasons[peer.key]
    for label, reason in skipped.items():
        print(f"skipped: {label}: {reason}", flush=True)
    if not os.path.ismount(MEMORY):
        print(f"bench.py: not run: {MEMORY} is no tmpfs here", file=sys.stderr)
        return EXIT_SKIPPED
    status = netns.enter()
    if not status.entered:
        print(f"bench.py: not run: {status.reason}", file=sys.stderr)
        return EXIT_SKIPPED
    with tempfile.TemporaryDirectory(prefix="miagent-bench-", dir=MEMORY) as folder:
        places = phases.Places(product, large, bench, install.clients_folder(bench), Path(folder))
        results = phases.run([peer for peer in wanted if peer.key not in reasons], plan, places,
                             skipped)
    results.minutes = (time.monotonic() - began) / 60
    is_whole = plan is phases.FULL and not options.only
    output = options.output or (ROOT / "bench" if is_whole else bench / "results")
    write(results, output, readme=is_whole and options.output is None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
