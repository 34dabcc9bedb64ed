"""What a run came to, as Markdown and charts."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence, Tuple

import figures
import render
from figures import median, number, ratio, times
from peers import DAEMON_ORDER, PEERS, Peer, by_key
from phases import FLAT_OUT, Cold, Results, Running, is_large

Pick = Callable[[Cold], Optional[float]]
PickRunning = Callable[[Running], Optional[float]]

NOTES = ("""
The **floor** is [`floor.c`](../tests/bench/floor.c): connect, one write, one read, memmem, write,
rename, in static C that knows its only answer. It checks nothing, retries nothing and has no
configuration: a bound, not a product. *Ratios* are to the floor of the same kind (standard output
or file, kept or new connection) in the same run; times drift with the machine.
""", """
What is fair to say: jq's start is most of *curl and jq* (*curl alone* is told, too). The SDKs keep
a token until it is near its expiry, so as daemons they were given tokens of 10 s (Node) and 1 s
(Python): with a day's tokens nobody's processor time for refreshing matters. What differs for a
user is memory, size, what has to be installed, and what happens when something fails. The Go and
Java samples are those of Microsoft's page put right, with no retries. The SDKs serve other
credentials and clouds, too, which miagent does not.
""", """
*Wall*, *CPU* (user and kernel) and *faults*: medians, by a static launcher of our own, which counts
all processes of a command. *Peak RSS*: the largest process's, read at its end. *Calls*: system
calls by strace -f, execve included. *Instructions*: in user space, all processes, by callgrind.
*Files touched*: the sizes of all files that were opened or executed. *Installed*: the program, or
Debian's packages with all that they depend on (Python: Debian's, with azure-identity and azure-core
of python3-azure's many parts).
""", """
A refresh: all daemons ran at once and refreshed every 1.1 s: the floor and miagent at SIGUSR1
(which costs miagent two system calls, floor one), the others on their own timers. CPU with the
kernel's share, median of windows. *New connection*: the floor closes it, for miagent the server
does. miagent logged warnings only, as the others log nothing. Idle: each held a token for a day;
wake-ups are those of all its threads in the idle time, extrapolated.
""")


def document(results: Results) -> str:
    parts = ["# miagent beside the least that is possible, and beside what users run in its place",
             f"Made by `make bench` ({results.plan.name}) in {results.minutes:.0f} minutes. "
             f"{'; '.join(results.machine)}.",
             "## One token, from a cold start", cold_table(results),
             "![wall time](cold-wall.svg) ![peak memory](cold-memory.svg) "
             "![installed size](installed.svg)",
             "## A refresh in a daemon", refresh_table(results),
             "![processor time of a refresh](refresh-cpu.svg)",
             long_text(results), "## Scale", scale_table(results), flat_out_text(results),
             "## How it was measured", *("\n".join(render.wrap(note)) for note in NOTES)]
    if results.skipped:
        parts += ["## Skipped", "\n".join(f"- {label.replace('*', '')}: {reason}"
                                          for label, reason in results.skipped.items())]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def summary(results: Results) -> str:
    """What the README shows."""
    return "\n\n".join([
        "One token from a metadata server in a network namespace, from a cold start; × the floor "
        "of the same run:\n\n" + short_cold_table(results).rstrip("\n"),
        "A daemon's refresh:\n\n" + refresh_table(results, short=True).rstrip("\n"),
        "Machine: " + "; ".join(results.machine) + "."])


# ---- cold ---------------------------------------------------------------------------------------

def _median(values: Sequence[float]) -> Optional[float]:
    return median(values) if values else None


def wall_ms(cold: Cold) -> Optional[float]:
    return _median([cost.wall_ms for cost in cold.costs])


def cpu_ms(cold: Cold) -> Optional[float]:
    return _median([cost.cpu_ms for cost in cold.costs])


def faults(cold: Cold) -> Optional[float]:
    return _median([cost.faults for cost in cold.costs])


def cold_rows(results: Results) -> List[Tuple[Peer, Cold]]:
    return [(peer, results.cold[peer.key]) for peer in PEERS
            if peer.key in results.cold and results.cold[peer.key].costs]


def _against(results: Results, peer: Peer, cold: Cold, pick: Pick) -> str:
    floor = results.cold.get(peer.floor)
    return times(ratio(pick(cold), pick(floor) if floor and floor.costs else None))


def cold_table(results: Results) -> str:
    rows = []
    for peer, cold in cold_rows(results):
        low, high = figures.quartiles([cost.wall_ms for cost in cold.costs])
        rows.append([
            peer.label, number(wall_ms(cold)), f"{number(low)}–{number(high)}",
            _against(results, peer, cold, wall_ms), number(cpu_ms(cold)),
            _against(results, peer, cold, cpu_ms), number(cold.peak_kib), number(faults(cold)),
            number(cold.calls), figures.count(cold.instructions), figures.size(cold.files_bytes),
            figures.size(cold.installed_bytes), str(len(cold.costs))])
    return render.table(["what", "wall ms", "quartiles", "× floor", "CPU ms", "× floor",
                         "peak RSS KiB", "faults", "calls", "instructions", "files touched",
                         "installed", "runs"], rows)


def short_cold_table(results: Results) -> str:
    rows = [[peer.label, number(wall_ms(cold)), _against(results, peer, cold, wall_ms),
             number(cpu_ms(cold)), number(cold.peak_kib), number(cold.calls),
             figures.count(cold.instructions), figures.size(cold.installed_bytes)]
            for peer, cold in cold_rows(results)]
    return render.table(["what", "wall ms", "× floor", "CPU ms", "peak RSS KiB", "system calls",
                         "user instructions", "installed"], rows)


# ---- daemons ------------------------------------------------------------------------------------

def running_rows(results: Results) -> List[Tuple[Peer, Running]]:
    return [(by_key(key), results.running[key]) for key in DAEMON_ORDER
            if key in results.running and results.running[key].cpu_us]


def refresh_cpu_us(running: Running) -> Optional[float]:
    return _median(running.cpu_us)


def _against_daemon(results: Results, peer: Peer, running: Running, pick: PickRunning) -> str:
    floor = results.running.get(peer.daemon_floor)
    return times(ratio(pick(running), pick(floor) if floor else None))


def refresh_table(results: Results, short: bool = False) -> str:
    rows = []
    for peer, row in running_rows(results):
        start = [peer.label, number(refresh_cpu_us(row)),
                 _against_daemon(results, peer, row, refresh_cpu_us)]
        rss = [number(row.rss_kib), number(row.idle_wakes)]
        if short:
            rows.append(start + rss)
            continue
        rows.append(start + [number(row.calls), figures.count(row.instructions),
                             number(_median(row.faults)), number(_median(row.switches)), *rss,
                             number(row.idle_cpu_us), number(row.threads), peer.note])
    heads = ["a refresh", "CPU µs", "× floor"]
    last = ["RSS KiB", "wake-ups an idle hour"]
    if short:
        return render.table(heads + last, rows)
    return render.table([*heads, "calls", "instructions", "faults", "context switches", *last,
                         "idle CPU µs a minute", "threads", "note"], rows)


def long_text(results: Results) -> str:
    long = results.long
    if not long.refreshes:
        return ""
    first = (1 + results.plan.warm) * long.tokens
    return "\n".join(render.wrap(
        f"Memory after {long.refreshes:,} refreshes: {long.rss_kib[1]} KiB; after the first "
        f"{first}: {long.rss_kib[0]} KiB. ({long.refreshes // long.tokens} times SIGUSR1, obeyed "
        f"once a second, to one agent with {long.tokens} tokens, a file each.)"))


# ---- scale --------------------------------------------------------------------------------------

def scale_table(results: Results) -> str:
    rows = []
    for row in results.scale:
        rows.append([
            f"{row.tokens:,} with {row.files}{' *' if is_large(row.tokens, row.files) else ''}",
            number(median([each.wall_ms for each in row.start])),
            number(row.start_calls), figures.count(row.start_instructions),
            number(row.refresh_cpu_us), number(row.refresh_calls),
            figures.count(row.refresh_instructions), number(row.refresh_faults),
            number(row.wake_cpu_us), number(row.wake_calls), figures.count(row.wake_instructions),
            number(row.rss_kib)])
    return render.table([
        "tokens, files of each", "start ms", "calls", "instructions", "a token's refresh CPU µs",
        "calls", "instructions", "faults", "idle wake-up CPU µs", "calls", "instructions",
        "RSS KiB"], rows) + "\n" + "\n".join(render.wrap(
            "*Start*: `once` with every file fresh: it reads the configuration, judges the "
            "directories, looks at each file, and asks for nothing. *Refresh*: all tokens at one "
            "SIGUSR1, divided by their number. *Idle wake-up*: SIGUSR2 without a status file, "
            "which changes nothing. *: by a build with larger limits (cmake "
            "-DMIAGENT_TOKENS_MAX=1024 and so on)."))


def flat_out_text(results: Results) -> str:
    if not results.flat_out:
        return ""
    floor = median([each[0] for each in results.flat_out])
    own = median([each[1] for each in results.flat_out])
    return "\n".join(render.wrap(
        f"Flat out, {FLAT_OUT} refreshes one after the other on one connection, a cold start "
        f"included: the floor {number(floor)} ms ({number(FLAT_OUT / floor * 1000)} a second), "
        f"`miagent once` with {FLAT_OUT} tokens {number(own)} ms ({number(FLAT_OUT / own * 1000)} "
        f"a second): {number(floor / own * 100)} % of the floor's."))


# ---- charts -------------------------------------------------------------------------------------

def charts(results: Results) -> Dict[str, str]:
    cold = cold_rows(results)
    running = running_rows(results)
    drawn: Dict[str, Tuple[str, List[render.Bar]]] = {
        "cold-wall.svg": ("One token from a cold start: wall time, ms (logarithmic)", [
            _bar(peer, wall_ms(row), number(wall_ms(row))) for peer, row in cold]),
        "cold-memory.svg": ("One token from a cold start: peak RSS, KiB (logarithmic)", [
            _bar(peer, row.peak_kib, number(row.peak_kib)) for peer, row in cold]),
        "installed.svg": ("What has to be installed (logarithmic)", [
            _bar(peer, row.installed_bytes, figures.size(row.installed_bytes))
            for peer, row in cold]),
        "refresh-cpu.svg": ("A daemon's refresh: processor time, µs (logarithmic)", [
            _bar(peer, refresh_cpu_us(row), number(refresh_cpu_us(row))) for peer, row in running]),
    }
    return {name: render.chart(title, bars) for name, (title, bars) in drawn.items()}


def _bar(peer: Peer, value: Optional[float], text: str) -> render.Bar:
    return render.Bar(peer.label.replace("*", ""), value or 0.0, text, peer.kind)
