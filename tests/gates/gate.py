"""What every gate shares: options, the project's files, and the self-test.

A gate is a program `NOUN_gate.py` with

    def violations(project: Project) -> List[str]: …   # each says where, what, and what to do instead
    PLANTS = [Plant("what is planted", lambda project: …), …]

It exits 0 when nothing is wrong, 1 with every violation on standard error, 77 when this machine
can't judge. `--self-test` plants each violation in a copy, one after the other, and fails when the
gate doesn't see it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, List, Optional, Sequence

ROOT = Path(__file__).resolve().parents[2]
EXIT_SKIPPED = 77
COPIED = ("agent", "platform", "tests", "toolchains", "CMakeLists.txt", "Makefile", ".clang-format",
          ".clang-tidy", "README.md")


class Skip(Exception):
    """This machine lacks what the gate needs; the text says what."""


@dataclass
class Project:
    """A tree to judge, and what was built of it."""

    root: Path
    product: Path  # the product's build folder
    tests: Path    # the tests' build folder
    binary: Optional[Path] = None   # in place of the product's, in a self-test

    @property
    def stripped(self) -> Path:
        return self.binary or self.product / "miagent"

    @property
    def symbols(self) -> Path:
        return self.binary or self.product / "miagent.symbols"

    def sources(self, *folders: str) -> List[Path]:
        found = [path for folder in folders or ("agent", "platform")
                 for path in (self.root / folder).rglob("*") if path.suffix in (".h", ".cpp")]
        return sorted(found)

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


@dataclass(frozen=True)
class Plant:
    """A violation: `act` puts it into a copy of the project."""

    what: str
    act: Callable[[Project], None]
    says: str = ""  # what the gate has to say of it, among other things


def append(name: str, text: str) -> Callable[[Project], None]:
    """A plant's act: text at the end of a file, which may be new."""
    def act(project: Project) -> None:
        path = project.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    return act


def compiled(source: str, *options: str) -> Callable[[Project], None]:
    """A plant's act: a program of this C++ source in the binary's place."""
    def act(project: Project) -> None:
        folder = Path(tempfile.mkdtemp(dir=project.root))
        (folder / "planted.cpp").write_text(source)
        project.binary = folder / "planted"
        output(["clang++-19", "-O0", *options, str(folder / "planted.cpp"), "-o",
                str(project.binary)])
    return act


def output(command: Sequence[str]) -> str:
    """Standard output of a command that has to succeed."""
    done = subprocess.run(list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            raise Skip(f"{tool} is not installed (toolchains/setup.sh test)")


def _copy(project: Project, folder: Path) -> Project:
    for name in COPIED:
        source = project.root / name
        if source.is_dir():
            shutil.copytree(source, folder / name,
                            ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        elif source.exists():
            shutil.copy2(source, folder / name)
    return Project(folder, project.product, project.tests)


def _self_test(project: Project, violations: Callable[[Project], List[str]],
               plants: Iterable[Plant], has_baseline: bool) -> int:
    before = set(violations(project)) if has_baseline else set()
    blind = 0
    count = 0
    for plant in plants:
        count += 1
        with tempfile.TemporaryDirectory(prefix="miagent-gate-") as folder:
            copy = _copy(project, Path(folder).resolve())
            plant.act(copy)
            seen = [text for text in violations(copy)
                    if text not in before and plant.says in text]
        if seen:
            print(f"sees {plant.what}:\n    {seen[0]}")
        else:
            blind += 1
            print(f"DOES NOT SEE {plant.what}", file=sys.stderr)
    if count == 0:
        print("the gate has no plants: it was never seen to fail", file=sys.stderr)
    return 1 if blind or count == 0 else 0


def main(violations: Callable[[Project], List[str]], plants: Iterable[Plant],
         report: Optional[Callable[[Project], None]] = None, has_baseline: bool = True) -> None:
    """Runs the gate. Without a baseline, a self-test's copy has no violations but the planted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--product", type=Path, default=ROOT / "build")
    parser.add_argument("--tests", type=Path, default=ROOT / "build" / "tests")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--report", action="store_true", help="print what was measured, too")
    options = parser.parse_args()
    project = Project(ROOT, options.product.resolve(), options.tests.resolve())
    try:
        if options.self_test:
            sys.exit(_self_test(project, violations, plants, has_baseline))
        if options.report and report is not None:
            report(project)
        found = violations(project)
    except Skip as skip:
        print(f"skipped: {skip}", file=sys.stderr)
        sys.exit(EXIT_SKIPPED)
    for text in found:
        print(text, file=sys.stderr)
    if found:
        print(f"{len(found)} found by {Path(sys.argv[0]).name}", file=sys.stderr)
    sys.exit(1 if found else 0)
