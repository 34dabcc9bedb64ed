#!/usr/bin/python3
"""The arrows between the rooms: who may include whom, and what of the system.

    main → agent → {source, sink, notify, status, refresh, cache, cli} → {http, json, config, tls}
         → base
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List, Tuple

from gate import Plant, Project, append, main

# A room includes itself and rooms of a lower level. Two rooms of one level don't see each other.
LEVELS: Dict[str, int] = {
    "base": 0,
    "http": 1, "json": 1, "config": 1, "tls": 1, "dns": 1,
    "source": 2, "sink": 2, "notify": 2, "status": 2, "refresh": 2, "cache": 2, "cli": 2,
    "agent": 3,  # the files directly in agent/
    "main": 4,
}

# Exceptions, each with its reason.
ALLOWED: Dict[Tuple[str, str], str] = {
    ("config", "agent/source/source.h"): "a configuration names sources; the table is there",
    ("config", "agent/tls/trust.h"): "a configuration names CA files; the engine may be absent",
    ("http", "agent/dns/resolver.h"): "a connection looks its server's name up",
    ("http", "agent/tls/trust.h"): "a connection is told whom it may speak with",
    ("http", "agent/tls/tls.h"): "a connection moves its bytes through the engine",
    ("config", "agent/sink/format.h"): "a configuration names formats; the table is there",
    ("config", "agent/notify/signal_name.h"): "a configuration names signals; the table is there",
}

# Only those who touch the world know its verbs.
PLATFORM_USERS = ("agent/http/connection.", "agent/sink/file.", "agent/tls/", "agent/notify/",
                  "agent/status/file.",
                  "agent/dns/resolver.")  # asks name servers over sockets of its own
PLATFORM_TYPES = ("platform/time.h", "platform/address.h")

# What agent/ may include of the languages' libraries: nothing that allocates, throws or calls the
# system.
AGENT_SYSTEM_HEADERS = {
    "algorithm", "array", "cerrno", "cstddef", "cstdint", "cstring", "limits", "new",
    "string_view", "type_traits", "utility",
}
AGENT_MAIN_SYSTEM_HEADERS = AGENT_SYSTEM_HEADERS | {"cstdlib"}  # abort()
PLATFORM_NEVER = {"iostream", "string", "vector", "map", "memory", "functional", "fstream",
                  "sstream", "thread", "mutex", "stdexcept", "exception", "iomanip"}
# A name that ends in "/" stands for all below it.
THIRD_PARTY: Dict[str, str] = {"llhttp.h": "http", "jsmn.h": "json", "ini.h": "config",
                               "mbedtls/": "tls", "psa/": "tls"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def room(name: str) -> str:
    parts = Path(name).parts
    if parts[0] != "agent":
        return parts[0]
    if len(parts) > 2:
        return parts[1]
    return "main" if parts[1] == "main.cpp" else "agent"


def third_party(included: str) -> str:
    """The room that owns a third-party header; empty where it is none."""
    return next((owner for part, owner in THIRD_PARTY.items()
                 if included == part or part.endswith("/") and included.startswith(part)), "")


def of_agent(name: str, included: str) -> str:
    """Why a file of agent/ may not include this; empty when it may."""
    here = room(name)
    if third_party(included):
        owner = third_party(included)
        return "" if here == owner else (
            f"only agent/{owner}/ knows {included}: use what that room offers, or add it there")
    if included.startswith("platform/"):
        if here == "main" or included in PLATFORM_TYPES:
            return ""
        if included != "platform/platform.h":
            return "only main.cpp knows which platform it is: use platform/platform.h"
        if here == "agent" or name.startswith(PLATFORM_USERS):
            return ""
        return ("this room may not touch the world: take the time, the bytes or the fact as a "
                "parameter, and let agent/ ask for it")
    if included == "agent/limits.h":
        return ""
    there = room(included)
    if here == there or (here, included) in ALLOWED:
        return ""
    if there not in LEVELS or here not in LEVELS:
        return f"an unknown room: give it a level in {Path(__file__).name}"
    if LEVELS[there] < LEVELS[here]:
        return ""
    return (f"{here} (level {LEVELS[here]}) may not know {there} (level {LEVELS[there]}): pass it "
            "as a parameter from agent/, or move what both need to a lower room")


def violations(project: Project) -> List[str]:
    found = []
    graph: Dict[str, List[str]] = {}
    for path in project.sources():
        name = project.name(path)
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            bracket, included = match.groups()
            line = text.count("\n", 0, match.start(1)) + 1
            where = f"{name}:{line}: includes {included}: "
            graph.setdefault(name, []).append(included)
            if bracket == "<" and not third_party(included):
                allowed = AGENT_MAIN_SYSTEM_HEADERS if room(name) == "main" else AGENT_SYSTEM_HEADERS
                if name.startswith("agent/") and included not in allowed:
                    found.append(where + "agent/ doesn't call the system or allocate; a verb of "
                                 "platform/platform.h or a helper of agent/base/ is the way")
                if name.startswith("platform/") and included in PLATFORM_NEVER:
                    found.append(where + "platform/ has no heap and no exceptions: use fixed "
                                 "arrays and string_view")
            elif name.startswith("agent/"):
                why = of_agent(name, included)
                if why:
                    found.append(where + why)
            elif included.startswith("agent/"):
                found.append(where + "platform/ never knows agent/: the seam's types are "
                             "platform/'s own")
    return found + cycles(graph)


def cycles(graph: Dict[str, List[str]]) -> List[str]:
    found = []
    done: Dict[str, bool] = {}

    def visit(name: str, way: List[str]) -> None:
        if name in way:
            found.append(f"{name}: includes itself by {' → '.join(way[way.index(name):] + [name])}:"
                         " move what both need to a third header")
            return
        if done.get(name):
            return
        for included in graph.get(name, []):
            visit(included, way + [name])
        done[name] = True

    for name in sorted(graph):
        visit(name, [])
    return found


PLANTS = [
    Plant("base including a higher room",
          append("agent/base/bytes.h", '#include "agent/http/url.h"\n')),
    Plant("two rooms of one level", append("agent/http/url.cpp", '#include "agent/json/object.h"\n')),
    Plant("a leaf that reads the clock itself",
          append("agent/refresh/backoff.cpp", '#include "platform/platform.h"\n')),
    Plant("the agent tied to Linux",
          append("agent/plan.cpp", '#include "platform/linux/platform_linux.h"\n')),
    Plant("platform knowing the agent",
          append("platform/linux/file.cpp", '#include "agent/base/bytes.h"\n')),
    Plant("a system header in the core", append("agent/http/url.cpp", "#include <sys/socket.h>\n")),
    Plant("a container in the core", append("agent/http/url.cpp", "#include <string>\n")),
    Plant("a third-party part outside its room",
          append("agent/sink/format.cpp", '#include "jsmn.h"\n')),
    Plant("Mbed TLS outside its room",
          append("agent/http/url.cpp", "#include <mbedtls/ssl.h>\n")),
    Plant("a room without a level", append("agent/util/misc.cpp", '#include "agent/http/url.h"\n')),
    Plant("a cycle", append("platform/time.h", '#include "platform/platform.h"\n')),
]

if __name__ == "__main__":
    main(violations, PLANTS)
