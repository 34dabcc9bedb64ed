#!/usr/bin/python3
"""Boots the images of `make image` and judges what they do: run.py IMAGES CROSS PROCESSOR…

The metadata service is the emulator, on the host's side of the guest's network. Each token comes
out by the console, and its signature is verified here. Prints sizes, times and memory at the end.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

import archive
import images
from console import Console, Failure
from images import Image, Machine

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "emulator"))

import verify
from harness import Emulator

RESOURCE = "https://vault.azure.net"
FILE = "/run/tokens/vault"
PUBLISHED = r"event=published .*file=/run/tokens/vault\.header"
# The image that has nothing but miagent: the kernel's words, the program's, what it says.
ALONE = "rdinit=/miagent rootfstype=ramfs ip=dhcp"
OPTIONS = "--resource vault --source imds"
ALONE_PUBLISHED = r"event=published .*file=/token\b"
GONE = "refuse for 3600s"
READ_TRIES = 5  # the agent's log may get between a token's bytes
PANIC = r"\[ *(\d+\.\d+)\] Kernel panic - not syncing: Attempted to kill init! exitcode=0x(\w{8})"


@dataclass
class Figures:
    """What a user wants to know of an image on a machine."""

    machine: str
    image: Image
    seconds_to_token: float
    resident_kib: int
    resident_kib_max: int


class Bench:
    """The metadata service, and what the guests ran on."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.keys = verify.fetch_keys(emulator.jwks_url)
        self.figures: List[Figures] = []
        self.tsc_khz = ""

    def begin(self, gone: bool = False) -> None:
        """A machine begins with a service that is there, or isn't, and has given no token yet."""
        self.emulator.forget_tokens()
        if gone:
            self.emulator.set_steps(GONE)
        else:
            self.emulator.clear_steps()

    def boot(self, machine: Machine, image: Image, words: str = "", *more: str) -> Console:
        # README.md says why.
        if image.is_alone and machine.processor == "x86_64":
            words = f"tsc=reliable tsc_early_khz={self.tsc_khz} {words}"
        elif machine.name == "microvm":
            words = f"tsc_early_khz={self.tsc_khz} {words}"
        return Console([*machine.command(image, self.emulator.port, words), *more])

    def request_count(self) -> int:
        return len(self.emulator.requests())

    def check_token(self, token: str) -> str:
        """Judges a token as the service it is for would; its SHA-256."""
        claims = verify.verify_token(token, self.keys)
        require(claims["aud"] == RESOURCE, f"a token for {claims['aud']}")
        require(claims["exp"] > time.time(), "a token that has expired")
        sha256 = hashlib.sha256(token.encode()).hexdigest()
        require(sha256 in {request.token_sha256 for request in self.emulator.requests()},
                "a token that was never given")
        return str(sha256)

    def check_files(self, console: Console) -> str:
        """Judges both files in a guest; the token's SHA-256."""
        for _ in range(READ_TRIES):
            sums = console.shell(f"sha256sum {FILE} {FILE}.header | cut -c1-64").split()
            said = console.shell(f"cat {FILE}.header")
            if hashlib.sha256(said.encode()).hexdigest() == sums[1]:
                break
        else:
            raise Failure("a file can't be read from the console")
        published = verify.parse_published(said.encode(), "header")
        require(self.check_token(published.token) == sums[0], "the files hold two tokens")
        require(console.shell(f"stat -c %a:%u {FILE}").strip() == "600:0", "another mode or owner")
        return sums[0]


def require(condition: bool, reason: str) -> None:
    if not condition:
        raise Failure(reason)


def say(text: str) -> None:
    print(text, flush=True)


def memory(console: Console, process: str) -> Dict[str, int]:
    status = console.shell(f"cat /proc/{process}/status")
    return {name: int(re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)[1])  # type: ignore
            for name in ("VmRSS", "VmHWM")}


def set_clock(bench: Bench, console: Console, config: str = "") -> None:
    """The time is learned, 56 years late: no request, and no file is touched."""
    require(console.shell("date +%Y").strip() == "1970", "the clock isn't in 1970")
    sha256, count = bench.check_files(console), bench.request_count()
    console.shell(f"date -s @{int(time.time())}")
    console.shell(f"miagent wait {config} --fresh 3600 --timeout 60 && sleep 3 && "
                  f"miagent status {config}")
    require(bench.check_files(console) == sha256, "another token after the clock's step")
    require(bench.request_count() == count, "the clock's step led to a request")


def survive_outage(bench: Bench, console: Console) -> None:
    """What was published stays while the service is gone; then there is a new one."""
    sha256 = bench.check_files(console)
    bench.emulator.set_steps(GONE)
    console.shell("kill -USR1 $(pidof miagent)")
    console.wait("event=refresh_failed", "a refresh that fails")
    require(bench.check_files(console) == sha256, "the token of before isn't there")
    bench.emulator.clear_steps()
    console.wait(PUBLISHED, "a token after the outage")
    require(bench.check_files(console) != sha256, "still the token of before")


def survive_kill(bench: Bench, console: Console) -> None:
    """init starts it again, and what was published is there all the time."""
    sha256, process = bench.check_files(console), console.shell("pidof miagent").strip()
    console.shell(f"kill -9 {process}")
    console.wait("event=started", "a new start")
    require(bench.check_files(console) == sha256, "the token of before isn't there")
    require(console.shell("pidof miagent").strip() not in ("", process), "no new process")


def service_life(bench: Bench, machine: Machine, image: Image) -> None:
    """BusyBox and miagent: the first token, the clock's step, an outage, kill -9, a new boot."""
    bench.begin()
    with bench.boot(machine, image) as console:
        console.wait(PUBLISHED, "a token")
        seconds = float(console.shell("until [ -s /run/seconds-to-token ]; do usleep 50000; done; "
                                      "cat /run/seconds-to-token"))
        bench.check_files(console)
        used = memory(console, "$(pidof miagent)")
        bench.figures.append(Figures(machine.name, image, seconds, used["VmRSS"], used["VmHWM"]))
        say(f"{machine.name}: service: a token {seconds:.2f} s after the kernel's start, verified")
        set_clock(bench, console)
        say(f"{machine.name}: service: from 1970 to today in one step: the same token, no request")
        survive_outage(bench, console)
        say(f"{machine.name}: service: an outage: the token stayed, then a new one")
        survive_kill(bench, console)
        say(f"{machine.name}: service: kill -9: started again by init, the token stayed")
        tsc = re.search(r"tsc: Detected (\d+)\.(\d{3}) MHz", console.said())
        if tsc:
            bench.tsc_khz = tsc[1] + tsc[2]

        bench.begin(gone=True)
        console.type("reboot -f\n")
        console.wait("Run /init as init process", "a new boot")
        console.wait("event=refresh_failed", "a request that fails")
        console.shell(f"[ ! -e {FILE} ]")
        bench.emulator.clear_steps()
        console.wait(PUBLISHED, "a token after the boot")
        set_clock(bench, console)
        say(f"{machine.name}: service: booted anew in 1970, the service gone: a token once it came")


def get_life(bench: Bench, machine: Machine, image: Image, words: str) -> float:
    """`get` as the first process, whose end is the machine's; the seconds that it took."""
    bench.begin()
    with bench.boot(machine, image, words, "-no-reboot") as console:
        token = console.wait(r"^(eyJ[\w-]+\.[\w-]+\.[\w-]+)\r?\n", "a token").group(1)
        end = console.wait(PANIC, "the end of the first process")
        console.wait_end()
    bench.check_token(token)
    require(int(end.group(2), 16) == 0, f"the first process ended with {end.group(2)}")
    seconds = float(end.group(1))
    say(f"{machine.name}: {image.name}, get: a token {seconds:.2f} s after the kernel's start, "
        "verified")
    return seconds


def run_life(bench: Bench, machine: Machine, image: Image, words: str, published: str) -> None:
    """`run` as the first process, the service gone at first."""
    bench.begin(gone=True)
    with bench.boot(machine, image, words) as console:
        console.wait("event=refresh_failed", "a request that fails")
        bench.emulator.clear_steps()
        console.wait(published, "a token")
    say(f"{machine.name}: {image.name}, run: the service gone at first, then a token")


def init_life(bench: Bench, machine: Machine, image: Image) -> None:
    """Nothing but miagent, and what brings up its network."""
    seconds = get_life(bench, machine, image, "-- get --resource vault")
    run_life(bench, machine, image, "-- run -c /miagent.conf", PUBLISHED)
    used = exec_life(bench, machine, image)
    bench.figures.append(Figures(machine.name, image, seconds, used["VmRSS"], used["VmHWM"]))


def alone_life(bench: Bench, machine: Machine, image: Image) -> None:
    """Nothing but miagent, without a configuration; then a shell beside it, to look at it."""
    seconds = get_life(bench, machine, image, f"{ALONE} -- get {OPTIONS}")
    run_life(bench, machine, image, f"{ALONE} -- run {OPTIONS} --file /token", ALONE_PUBLISHED)
    bench.begin()
    words = "rdinit=/bin/sh rootfstype=ramfs ip=dhcp PATH=/bin"
    with bench.boot(machine, with_shell(image, machine.processor), words) as console:
        console.wait("^.*# ", "a shell")
        console.shell("mknod /dev/null c 1 3 && mkdir /proc && mount -t proc proc /proc")
        console.shell(f"{{ miagent run {OPTIONS} --file /token & }}")
        console.wait(ALONE_PUBLISHED, "a token")
        bench.check_token(console.shell("cat /token"))
        require(console.shell("stat -c %a:%u /token").strip() == "600:0", "another mode or owner")
        used = memory(console, "$!")
    say(f"{machine.name}: alone, run: the file has the token, verified")
    bench.figures.append(Figures(machine.name, image, seconds, used["VmRSS"], used["VmHWM"]))


def with_shell(image: Image, processor: str) -> Image:
    """The same, and unpacked over it a program to start, as an appliance adds its own."""
    both = Image(image.name, image.folder / "with-shell")
    both.folder.mkdir(exist_ok=True)
    shutil.copyfile(image.kernel, both.kernel)
    applets = ("cat", "cut", "date", "mkdir", "mknod", "mount", "ps", "sh", "sha256sum", "sleep",
               "stat")
    both.initramfs.write_bytes(image.initramfs.read_bytes() + archive.pack([
        archive.file("bin/busybox", images.busybox(processor), 0o755),
        *(archive.link(f"bin/{name}", "busybox") for name in applets),
        archive.link("bin/miagent", "../miagent")]))
    return both


def exec_life(bench: Bench, machine: Machine, image: Image) -> Dict[str, int]:
    """`exec` as the first process, of a shell; the memory it took."""
    bench.begin()
    bench.emulator.set_steps("status 503 x2")
    count = bench.request_count()
    words = "PATH=/bin -- exec -c /miagent.conf --- /bin/sh"
    with bench.boot(machine, with_shell(image, machine.processor), words, "-no-reboot") as console:
        console.wait("^.*# ", "the program's start")
        answers = [request.status for request in bench.emulator.requests()[count:]]
        require(answers == [503, 503, 200], f"the program was started after {answers}")
        command = console.shell("cat /proc/1/cmdline").replace("\0", " ")
        require(command.startswith("/miagent exec"), f"the first process is {command}")
        set_clock(bench, console, "-c /miagent.conf")
        console.shell("(sleep 1 & echo $! >/run/orphan) && sleep 2")
        require("Z" not in console.shell("ps -o stat").split(), "an orphan was not reaped")
        console.shell("[ ! -e /proc/$(cat /run/orphan) ]")
        used = memory(console, "1")
        console.type("exit 7\n")
        end = console.wait(PANIC, "the end of the first process")
        require(end.group(2) == "00000700", f"the first process ended with {end.group(2)}")
        console.wait_end()
    say(f"{machine.name}: init, exec: waited for a token, reaped an orphan, ended as its program")
    return used


def check_same_bytes(image: Image, cross: Path, processor: str) -> None:
    """An initramfs doesn't depend on when, by whom and in which order it is made."""
    umask = os.umask(0o077)
    again = archive.pack(images.FILES[image.name](cross / processor, processor)[::-1])
    os.umask(umask)
    require(image.initramfs.read_bytes() == again, f"{image.initramfs}: made twice, it differs")


LIVES = {"service": service_life, "init": init_life, "alone": alone_life}


def main() -> None:
    folder, cross, processors = Path(sys.argv[1]).resolve(), Path(sys.argv[2]), sys.argv[3:]
    with Emulator("--lifetime", "12h") as emulator:
        bench = Bench(emulator)
        for processor in processors:
            made = images.make(folder, cross, processor)
            for image in made:
                check_same_bytes(image, cross, processor)
            for machine in images.MACHINES:
                if machine.processor == processor:
                    try:
                        for image in made:
                            LIVES[image.name](bench, machine, image)
                    except (Failure, verify.Rejected) as failure:
                        sys.exit(f"{machine.name}: {failure}")
    print(f"\n{'':20}{'kernel':>12}{'initramfs':>12}{'together':>12}{'token after':>13}"
          f"{'resident':>11}{'peak':>9}")
    for each in bench.figures:
        kernel, initramfs = (path.stat().st_size
                             for path in (each.image.kernel, each.image.initramfs))
        print(f"{each.machine + ' ' + each.image.name:20}"
              f"{kernel:12,}{initramfs:12,}{kernel + initramfs:12,}"
              f"{each.seconds_to_token:11.2f} s{each.resident_kib:7,} KiB{each.resident_kib_max:5,}"
              " KiB")


if __name__ == "__main__":
    main()
