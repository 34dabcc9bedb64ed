#!/usr/bin/python3
"""The binary stands alone and is hardened: no heap, no stdio, no exceptions, no interpreter."""

from __future__ import annotations

import re
from typing import List

import elf
from gate import Plant, Project, compiled, main

# By symbol: what it would mean, and what to do instead.
FORBIDDEN = [
    (re.compile(r"(?:__libc_|__)?(?:malloc|calloc|realloc|reallocarray|free|aligned_alloc|memalign|"
                r"posix_memalign|valloc|strdup|strndup|sbrk|brk|__malloc_.*)"),
     "a heap: give the memory a place in struct Agent, with its limit in agent/limits.h"),
    (re.compile(r"_Z(?:n[wa]|d[la]).*"),
     "new or delete: give the memory a place in struct Agent"),
    (re.compile(r"(?:__cxa_(?!finalize).*|_Unwind_.*|__gxx_personality.*|_ZSt\d+__throw.*|"
                r"_ZSt9terminate.*)"),
     "exceptions or a static destructor: return a Status; use the helpers of agent/base/bytes.h"),
    (re.compile(r"_ZT[VIS].*"), "a virtual function or RTTI: use a table of functions"),
    (re.compile(r"__(?:v?[sfdo]?n?w?printf|vf?w?scanf).*|v?[sfda]?n?w?printf|printf_core|"
                r"f(?:open|close|read|gets|puts)|puts|putchar|perror"),
     "stdio: write with Append() of agent/base/bytes.h and a verb of platform.h"),
    (re.compile(r"getaddrinfo|gethostby.*|dlopen|dlsym|pthread_create|system|popen|fork|gets"),
     "what a static program without threads and shells doesn't need"),
    (re.compile(r"[gs]etlocale|newlocale|strto[df]|strtold|atof"),
     "locales or floating point: use ParseUnsigned of agent/base/bytes.h"),
]
DT_NEEDED, DT_TEXTREL, DT_FLAGS, DT_FLAGS_1 = 1, 22, 30, 0x6FFFFFFB
DF_TEXTREL, DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 4, 8, 1, 0x08000000


def shape(file: elf.Elf, name: str) -> List[str]:
    found = []
    segments = {segment.type: segment for segment in file.segments()}
    dynamic = file.dynamic()
    flags = next((value for tag, value in dynamic if tag == DT_FLAGS), 0)
    flags_1 = next((value for tag, value in dynamic if tag == DT_FLAGS_1), 0)
    how = "; see the link options in toolchains/flags.cmake"
    if elf.PT_INTERP in segments:
        found.append(f"{name}: has an interpreter: link with -static-pie{how}")
    if any(tag == DT_NEEDED for tag, _ in dynamic):
        found.append(f"{name}: needs a shared library: link statically{how}")
    if file.type != elf.ET_DYN or not flags_1 & DF_1_PIE:
        found.append(f"{name}: not position-independent: link with -static-pie{how}")
    if elf.PT_GNU_RELRO not in segments:
        found.append(f"{name}: relocations stay writable: link with -z relro{how}")
    if not (flags & DF_BIND_NOW or flags_1 & DF_1_NOW):
        found.append(f"{name}: binds lazily: link with -z now{how}")
    if elf.PT_GNU_STACK not in segments or segments[elf.PT_GNU_STACK].flags & elf.PF_X:
        found.append(f"{name}: the stack is executable: link with -z noexecstack{how}")
    if flags & DF_TEXTREL or any(tag == DT_TEXTREL for tag, _ in dynamic):
        found.append(f"{name}: relocations in code: link with -z text{how}")
    if any(each.type == elf.PT_LOAD and each.flags & 3 == 3 for each in file.segments()):
        found.append(f"{name}: memory that is writable and executable{how}")
    return found


def violations(project: Project) -> List[str]:
    found = shape(elf.Elf(project.stripped), project.stripped.name)
    symbols = sorted({symbol.name.split("@")[0] for symbol in elf.Elf(project.symbols).symbols() if symbol.name})
    if len(symbols) < 10:
        found.append(f"{project.symbols.name}: has no symbols to judge")
    for name in symbols:
        for pattern, instead in FORBIDDEN:
            if pattern.fullmatch(name):
                found.append(f"{project.symbols.name}: {name}: {instead}")
    return found


_MAIN = "int main() { return 0; }"
_USES_HEAP = "#include <cstdlib>\nint main(int c, char**) { return malloc(c) != nullptr; }"
_THROWS = "int main(int c, char**) { if (c) throw c; }"
PLANTS = [
    Plant("a program with an interpreter", compiled(_MAIN), "interpreter"),
    Plant("a shared library", compiled(_MAIN), "shared library"),
    Plant("a fixed address", compiled(_MAIN, "-static", "-no-pie"), "position-independent"),
    Plant("an executable stack", compiled(_MAIN, "-Wl,-z,execstack"), "executable"),
    Plant("lazy binding", compiled(_MAIN, "-Wl,-z,lazy"), "binds lazily"),
    Plant("no relro", compiled(_MAIN, "-Wl,-z,norelro"), "relocations stay writable"),
    Plant("malloc", compiled(_USES_HEAP, "-static-pie"), "malloc: a heap"),
    Plant("new", compiled("int main() { return *new int(0); }"), "new or delete"),
    Plant("an exception", compiled(_THROWS), "__cxa_throw"),
    Plant("a virtual function", compiled("struct A { virtual void F() {} }; A a;" + _MAIN),
          "a virtual function"),
    Plant("printf", compiled("#include <cstdio>\nint main(int c, char**) { printf(\"%d\", c); }"),
          "printf: stdio"),
]

if __name__ == "__main__":
    main(violations, PLANTS)
