#!/usr/bin/python3
"""toolchains/gcc-musl.cmake, with the compilers that are here: gcc.py FOLDER CROSS PROCESSOR…

Builds with this machine's GCC and with Debian's for aarch64, and with a stand-in for a musl SDK: a
compiler that says it is one, and finds headers, start files and libraries by itself as such do. Each
program has to be static and position-independent, and to live the same simulated year as the program
that clang made for the first PROCESSOR (in CROSS).
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Optional

from builds import ROOT, builds
from run import PYTHON, output, year

SEED = "3"
STAND_IN = """#!/bin/sh
# {machine}, or as good as: {compiler} with musl's headers and libraries in place of its own.
[ "$*" != -dumpmachine ] || {{ echo {machine}; exit; }}
case " $* " in
  *" -c "* | *" -E "*) exec {compiler} -nostdinc {cxx_headers} -isystem {musl}/include \\
    -isystem {own_headers} "$@" ;;
esac
for word; do  # GCC 12's own -static-pie would add an interpreter
  shift
  [ "$word" = -static-pie ] || set -- "$@" "$word"
done
exec {compiler} -nostdlib -static -Wl,-pie,--no-dynamic-linker {musl}/lib/rcrt1.o \\
  {musl}/lib/crti.o "$@" -Wl,--start-group {musl}/lib/libc.a -lgcc -Wl,--end-group {musl}/lib/crtn.o
"""
LEAKS = "'-D__GLIBC_PREREQ(a,b)=0' -D__locale_t=locale_t -D_GLIBCXX_GTHREAD_USE_WEAK=0"


def cxx_headers(prefix: str) -> str:
    done = subprocess.run([f"{prefix}g++", "-E", "-v", "-x", "c++", "/dev/null"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return " ".join(f"-isystem {line.strip()}" for line in done.stdout.splitlines()
                    if line.startswith(" /") and "/c++/" in line)


def stand_in(folder: Path, prefix: str, processor: str, debian: str) -> str:
    """Makes the compilers of an SDK for musl; what their names begin with."""
    machine = f"{processor}-stand-in-linux-musl"
    folder.mkdir(parents=True, exist_ok=True)
    musl = subprocess.run([str(ROOT / "toolchains" / "fetch.sh"), "musl", debian],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    own = output([f"{prefix}gcc", "-print-file-name=include"]).strip()
    for tool, headers in (("gcc", ""), ("g++", f"-nostdinc++ {LEAKS} {cxx_headers(prefix)}")):
        path = folder / f"{machine}-{tool}"
        path.write_text(STAND_IN.format(machine=machine, compiler=prefix + tool, musl=musl,
                                        cxx_headers=headers, own_headers=own), encoding="utf-8")
        path.chmod(0o755)
    for tool in ("ar", "ranlib", "strip"):
        link = folder / f"{machine}-{tool}"
        link.unlink(missing_ok=True)
        link.symlink_to(str(shutil.which(prefix + tool)))
    return str(folder / f"{machine}-")


def build(folder: Path, prefix: str, emulator: Optional[str]) -> str:
    """Builds with `prefix`gcc, judges, and gives the year that its simulator lived."""
    if "/" not in prefix and shutil.which(f"{prefix}g++") is None:
        print(f"{folder.name:16}skipped: there is no {prefix}g++ here")
        return ""
    output(["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", "--fresh", "--toolchain",
            str(ROOT / "toolchains" / "gcc-musl.cmake"), f"-DMIAGENT_CROSS_PREFIX={prefix}"])
    output(["cmake", "--build", str(folder)])
    output([PYTHON, str(ROOT / "tests" / "gates" / "import_gate.py"), "--product", str(folder)])
    run = [emulator] if emulator else []
    version = output([*run, str(folder / "miagent"), "--version"]).splitlines()[0]
    print(f"{folder.name:16}{(folder / 'miagent').stat().st_size:,} bytes, {version}", flush=True)
    return output([*run, str(folder / "miagent-sim"), SEED, "1"]).strip()


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    own = platform.machine()
    debian = {"x86_64": "amd64", "aarch64": "arm64"}[own]
    foreign = shutil.which("qemu-aarch64-static")
    clang = builds(Path(sys.argv[2]), sys.argv[3:4])[0]
    years: List[str] = [year(clang, clang.emulator() or "", int(SEED))]
    years.append(build(folder / own, "", None))
    years.append(build(folder / "sdk", stand_in(folder / "bin", "", own, debian), None))
    if foreign:
        years.append(build(folder / "aarch64-debian", "aarch64-linux-gnu-", foreign))
    lived = {each for each in years if each}
    print("\n".join(sorted(lived)))
    if len(lived) != 1:
        sys.exit("another life with another compiler")


if __name__ == "__main__":
    main()
