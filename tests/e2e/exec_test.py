#!/usr/bin/python3
"""`miagent exec`: when its program starts, what reaches it, and how both end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from support import (PYTHON, WAIT_TIMEOUT_S, Agent, EmulatedTest, binary, check_no_secret,
                     clean_environment, config_text, miagent, wait_until)

# A program that notes every signal that comes, by number: `PATH [the signals that end it] [those
# that it leaves to the system]`. Blocked signals are fetched one by one, so none comes unseen.
NOTES = """
import os, signal, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
ends = {int(each) for each in sys.argv[2].split(",")}
left = {int(each) for each in sys.argv[3].split(",")}
signals = set(range(1, 65)) - {9, 19, 32, 33} - left
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
os.write(log, b"up %d\\n" % os.getpid())
while True:
    number = signal.sigwaitinfo(signals).si_signo
    os.write(log, b"%d\\n" % number)
    if number in ends:
        sys.exit(40)
"""

# Leaves COUNT orphans, and ends with 0 once none of them is there, not even as a zombie.
ORPHANS = """
import os, sys, time
for _ in range(int(sys.argv[1])):
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            os._exit(3)
        os._exit(0)
    os.waitpid(middle, 0)
for _ in range(2000):
    others = [name for name in os.listdir("/proc") if name.isdigit()]
    if len(others) == 2:
        sys.exit(0)
    time.sleep(0.01)
sys.exit(f"still there: {others}")
"""


def state_of(pid: int) -> str:
    """R, S, T, Z ...; empty where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[0]


def children_of(pid: int) -> List[int]:
    return [int(word) for word in
            Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


class ExecTest(EmulatedTest):
    def host(self) -> str:
        return f"{self.id().rpartition('.')[2].replace('_', '-')}.example"

    def configure(self, file: Optional[Dict[str, str]] = None, **agent: str) -> str:
        return self.simple_config(self.emulator.url, f"https://{self.host()}/", file=file, **agent)

    def prepared(self, file: Optional[Dict[str, str]] = None, **agent: str) -> str:
        """A configuration whose file is good already."""
        config = self.configure(file, **agent)
        self.assertEqual(miagent("once", "-c", config).code, 0)
        return config

    @property
    def notes(self) -> Path:
        return self.place / "notes"

    def noting(self, ends: str = "15", left: str = "18") -> List[str]:
        self.notes.unlink(missing_ok=True)
        return [PYTHON, "-c", NOTES, str(self.notes), ends, left]

    def noted(self) -> List[str]:
        return self.notes.read_text().split("\n")[:-1] if self.notes.exists() else []

    def wait_noted(self, *numbers: int) -> None:
        wait_until(lambda: set(map(str, numbers)) <= set(self.noted()), f"{numbers} in the notes")

    def wait_up(self, times: int = 1) -> int:
        """The program's process, once it is there for the so-many-th time."""
        def seen() -> List[str]:
            found = [line for line in self.noted() if line.startswith("up ")]
            return found if len(found) >= times else []
        return int(wait_until(seen, "the program")[-1].split()[1])

    def start_exec(self, config: str, *command: str, **more: Any) -> Agent:
        return self.start("exec", "-c", config, "--", *command, **more)


class CommandLine(ExecTest):
    def test_wrong_use(self) -> None:
        config = self.configure()
        for arguments, said in (([], "-- CMD ARG"), (["--"], "-- CMD ARG"), (["ls"], "-- CMD ARG"),
                                (["-c", config, "ls"], "-- CMD ARG"),
                                (["--bogus", "--", "ls"], "has no option '--bogus'"),
                                (["--json", "--", "ls"], "has no option '--json'"),
                                (["--resource", "arm", "--", "ls"], "has no option '--resource'"),
                                (["--timeout", "0", "--", "ls"], "1 to 86400"),
                                (["--timeout", "--", "ls"], "needs a value"),
                                (["-c", config, "-c", config, "--", "ls"], "once")):
            with self.subTest(arguments):
                self.check_result(miagent("exec", *arguments), 64, said)

    def test_options_behind_the_command_are_its_own(self) -> None:
        done = miagent("exec", "-c", self.configure(), "--", "echo", "--", "-c", "--timeout", "")
        self.assertEqual((done.code, done.out), (0, "-- -c --timeout \n"), done.err)

    def test_no_configuration(self) -> None:
        self.check_result(miagent("exec", "-c", "/nowhere", "--", "true"), 78, "/nowhere")

    def test_check_tells_on_refresh(self) -> None:
        for value, said in (("signal SIGUSR2", "on_refresh signal USR2\n"),
                            ("signal HUP", "on_refresh signal HUP\n"),
                            ("restart", "on_refresh restart\n"), ("none", ""), ("", "")):
            done = miagent("check", "-c", self.configure(on_refresh=value))
            self.assertEqual(done.code, 0, done.err)
            self.assertEqual("".join(re.findall(r"^on_refresh.*\n", done.out, re.MULTILINE)), said)
        for value in ("signal", "signal 1", "signal FOO", "restart now", "hup"):
            self.check_result(miagent("check", "-c", self.configure(on_refresh=value)), 78,
                              "on_refresh: expected none, restart, or signal and a name")


class Start(ExecTest):
    def test_the_file_is_there_before_the_program(self) -> None:
        done = miagent("exec", "-c", self.configure(), "--", "cat", str(self.file))
        self.assertEqual((done.code, done.out), (0, self.file.read_text()), done.err)
        self.assertTrue(done.out.startswith("eyJ"))

    def test_the_program_may_ask_for_the_status(self) -> None:
        config = self.configure(status_file=str(self.folder / "status.json"))
        # Where the file was good, its token is asked for only now, and missing until the answer.
        for files, tries in (("new", 1), ("good already", 100)):
            asks = (f"{binary()} wait -c {config} --timeout 10 || exit; for _ in $(seq {tries}); do "
                    f"{binary()} status -c {config} && exit; sleep 0.1; done; exit 1")
            with self.subTest(files):
                done = miagent("exec", "-c", config, "--", "sh", "-c", asks)
                self.assertEqual(done.code, 0, done.err)
                self.assertIn("fresh", done.out)
                (self.folder / "status.json").unlink()

    def test_a_good_file_is_enough(self) -> None:
        config = self.prepared()
        self.emulator.add_steps(f"when {self.host()} status 500 x*")
        done = miagent("exec", "-c", config, "--", "cat", str(self.file))
        self.assertEqual((done.code, done.out), (0, self.file.read_text()), done.err)

    def test_without_a_token_nothing_is_started(self) -> None:
        config = self.configure()
        witness = self.place / "witness"
        command = ("--", "touch", str(witness))
        self.emulator.add_steps(f"when {self.host()} status 400 error invalid_resource")
        self.check_result(miagent("exec", "-c", config, *command), 69, "refused")
        self.emulator.add_steps(f"when {self.host()} silence x*")
        self.check_result(miagent("exec", "-c", config, "--timeout", "1", *command), 75,
                          "no answer in time")
        os.chmod(self.folder, 0o777)
        self.check_result(miagent("exec", "-c", config, *command), 77, "writable")
        self.assertFalse(witness.exists())

    def test_a_signal_ends_the_wait(self) -> None:
        config = self.configure()
        self.emulator.add_steps(f"when {self.host()} silence x*")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT,
                       signal.SIGUSR1, signal.SIGALRM):
            with self.subTest(number):
                agent = self.start_exec(config, *self.noting())
                count = len(self.emulator.requests())
                wait_until(lambda: len(self.emulator.requests()) > count or self.waits(agent),
                           "the request")
                for harmless in (signal.SIGCONT, signal.SIGWINCH, signal.SIGURG, signal.SIGCHLD):
                    agent.send(harmless)
                self.assertEqual(agent.stop(number), 75)
                self.assertIn("exec: stopped by a signal", agent.log())
                self.assertEqual(self.noted(), [])

    def waits(self, agent: Agent) -> bool:
        """Whether it watches signals and has a connection."""
        links = [os.readlink(each) for each in Path(f"/proc/{agent.pid}/fd").iterdir()
                 if each.exists() or each.is_symlink()]
        return any("signalfd" in link for link in links) and any("socket" in link for link in links)

    def test_what_cannot_be_started(self) -> None:
        plain = self.place / "plain"
        plain.write_text("x")
        text = self.place / "text"
        text.write_text("neither script nor program\n")
        text.chmod(0o755)
        for program, code in (("no-such-program-x", 127), ("/nowhere/x", 127), ("", 127),
                              (str(plain) + "/x", 127), (str(plain), 126), (str(text), 126),
                              (str(self.place), 126)):
            with self.subTest(program):
                done = miagent("exec", "-c", self.configure({"on_stop": "remove"}), "--", program)
                self.check_result(done, code, f"miagent: {program}: can't start it: ")
                self.assertEqual(done.err.count("\n"), 1, done.err)
                self.assertFalse(self.file.exists())

    def test_path_is_searched(self) -> None:
        folder = self.place / "bin"
        folder.mkdir()
        (folder / "found-here").write_text("#!/bin/sh\necho found\n")
        (folder / "found-here").chmod(0o755)
        for path in (f"/nowhere:{folder}", f"{folder}:/bin", f"/bin:{self.place}/{'x' * 3000}:{folder}"):
            done = miagent("exec", "-c", self.prepared(), "--", "found-here",
                           environment={"PATH": path})
            self.assertEqual((done.code, done.out), (0, "found\n"), done.err)

    def test_it_has_what_the_agent_was_given(self) -> None:
        config = self.prepared()

        def prepare() -> None:
            resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

        def run(*command: str) -> Tuple[str, str]:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env={"A": "1", "PATH": "/bin", "B": "x y"},
                                  preexec_fn=prepare, check=True, cwd=self.place)
            return done.stdout.decode(), done.stderr.decode()

        wrapper = (binary(), "exec", "-c", config, "--")
        for command in (("env", "-0"), ("cat", "/proc/self/limits"), ("pwd",), ("sh", "-c", "umask"),
                        ("ls", "/proc/self/fd"),
                        ("grep", "-E", "^(SigPnd|SigBlk|SigIgn|SigCgt|Shd|Uid|Gid|Groups|Cap|NoNew)",
                         "/proc/self/status")):
            with self.subTest(command):
                bare, wrapped = run(*command)[0], run(*wrapper, *command)[0]
                self.assertNotEqual(bare, "")
                self.assertEqual(wrapped, bare)
                self.assertNotIn("eyJ", wrapped)


class End(ExecTest):
    def test_exit_codes(self) -> None:
        config = self.prepared()
        for code in (0, 1, 42, 126, 127, 255):
            done = miagent("exec", "-c", config, "--", "sh", "-c", f"exit {code}")
            self.assertEqual(done.code, code, done.err)

    def test_signals(self) -> None:
        config = self.prepared()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT,
                       signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGTERM,
                       signal.SIGUSR1, signal.SIGRTMAX):
            done = miagent("exec", "-c", config, "--", "sh", "-c", f"kill -{int(number)} $$")
            self.assertEqual(done.code, 128 + number, done.err)

    def test_on_stop(self) -> None:
        for on_stop, code in (("keep", 0), ("remove", 3)):
            config = self.configure({"on_stop": on_stop})
            done = miagent("exec", "-c", config, "--", "sh", "-c", f"test -s {self.file}; exit {code}")
            self.assertEqual((done.code, self.file.exists()), (code, on_stop == "keep"), done.err)
            self.assertEqual(self.temporaries(), [])

    def test_a_parent_that_ignores_children(self) -> None:
        done = miagent("exec", "-c", self.prepared(), "--", "sh", "-c", "exit 7",
                       preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(done.code, 7, done.err)

    def test_one_that_ignores_term_is_waited_for(self) -> None:
        agent = self.start_exec(self.prepared({"on_stop": "remove"}), *self.noting(ends="12"))
        pid = self.wait_up()
        agent.send(signal.SIGTERM)
        self.wait_noted(15)
        agent.send(signal.SIGINT)
        self.wait_noted(2)
        self.assertTrue(agent.is_alive() and self.file.exists())
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(agent.wait(), 137)
        self.assertFalse(self.file.exists())

    def test_the_agent_is_killed(self) -> None:
        agent = self.start_exec(self.prepared(), *self.noting())
        pid = self.wait_up()
        agent.process.kill()
        agent.process.wait()
        self.wait_noted(15)
        wait_until(lambda: state_of(pid) in ("", "Z"), "the program's end")

    def test_it_tells(self) -> None:
        agent = self.start_exec(self.prepared(), *self.noting())
        pid = self.wait_up()
        agent.wait_event("child_started", f"pid={pid}")
        agent.send(signal.SIGTERM)
        self.assertEqual(agent.wait(), 40)
        self.assertEqual(len(agent.events("child_ended", f"pid={pid} status=40")), 1)
        self.assertEqual(len(agent.events("stopped")), 1)


class Signals(ExecTest):
    def test_each_arrives_once(self) -> None:
        left = {signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTERM}
        numbers = [int(number) for number in
                   (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
                    signal.SIGALRM, signal.SIGCONT, signal.SIGTSTP, signal.SIGWINCH, signal.SIGURG,
                    signal.SIGIO, signal.SIGPWR, signal.SIGVTALRM, signal.SIGPROF, 16, 34, 50, 64)]
        self.assertFalse(left & set(numbers))
        agent = self.start_exec(self.prepared(), *self.noting(left="17"))
        self.wait_up()
        for number in numbers:
            os.kill(agent.pid, number)
            self.wait_noted(number)
        # What would have come twice would be there before this.
        agent.send(signal.SIGTERM)
        self.assertEqual(agent.wait(), 40)
        self.assertEqual(sorted(self.noted()[1:]), sorted(map(str, numbers + [15])))
        self.assertFalse(agent.events("reloaded") + agent.events("refresh_forced"))

    def test_many_at_once(self) -> None:
        agent = self.start_exec(self.prepared(), *self.noting())
        self.wait_up()
        os.kill(agent.pid, signal.SIGSTOP)
        numbers = (1, 2, 3, 10, 12, 14, 28, 40, 64)
        for number in numbers:
            os.kill(agent.pid, number)
        os.kill(agent.pid, signal.SIGCONT)
        self.wait_noted(*numbers)
        self.assertEqual(agent.stop(), 40)
        self.assertEqual(sorted(self.noted()[1:]), sorted(map(str, (*numbers, 15))))

    def test_a_program_that_stops_is_nothing_to_end_for(self) -> None:
        agent = self.start_exec(self.prepared(), *self.noting())
        pid = self.wait_up()
        for _ in range(5):
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: state_of(pid) == "T", "the stop")
            os.kill(pid, signal.SIGCONT)
            wait_until(lambda: state_of(pid) == "S", "its going on")
        self.assertTrue(agent.is_alive())
        self.assertEqual(agent.stop(), 40)

    def test_term_at_every_point(self) -> None:
        config = self.prepared()
        witness = self.place / "witness"
        self.check_every_point(config, witness, signal.SIGTERM,
                               ("sh", "-c", f"echo >{witness}; exec sleep 1000"), {143})

    def test_term_at_every_point_of_a_short_life(self) -> None:
        self.check_every_point(self.prepared(), self.place / "none", signal.SIGTERM, ("true",),
                               {0, 143})

    def check_every_point(self, config: str, witness: Path, number: signal.Signals,
                          command: Tuple[str, ...], codes: "set[int]") -> None:
        begin = time.monotonic()
        miagent("exec", "-c", config, "--", "true")
        whole = time.monotonic() - begin
        seen: Dict[int, int] = {}
        for turn in range(80):
            witness.unlink(missing_ok=True)
            agent = Agent("exec", "-c", config, "--", *command)
            time.sleep(1.2 * whole * turn / 80)
            agent.send(number)
            # A signal that is lost would show here: nothing else ends the program.
            code = agent.wait()
            if code in (75, -number):  # the latter: not yet watched, so nothing was begun
                self.assertFalse(witness.exists() and not agent.events("child_started"),
                                 agent.log())
                self.assertFalse(agent.events("child_started"), agent.log())
            else:
                self.assertIn(code, codes, agent.log())
            seen[code] = seen.get(code, 0) + 1
            agent.kill()
        self.assertTrue(codes & set(seen), seen)


class OnRefresh(ExecTest):
    def refreshed(self, **agent: str) -> str:
        """A file that is good still, of a token that will be followed by another at once."""
        self.emulator.add_steps(f"when {self.host()} lifetime 1h")
        return self.prepared(**agent)

    def test_none(self) -> None:
        agent = self.start_exec(self.refreshed(), *self.noting())
        self.wait_up()
        agent.wait_event("published")
        self.assertEqual(agent.stop(), 40)
        self.assertEqual(self.noted()[1:], ["15"])

    def test_signal(self) -> None:
        config = self.refreshed(on_refresh="signal USR2")
        # By then the program takes note of signals.
        self.emulator.add_steps(f"when {self.host()} delay 3s")
        agent = self.start_exec(config, *self.noting())
        agent.wait_event("published")
        self.wait_noted(12)
        self.assertEqual(agent.stop(), 40)
        self.assertEqual(self.noted()[1:], ["12", "15"])

    def test_restart(self) -> None:
        agent = self.start_exec(self.refreshed(on_refresh="restart"), *self.noting())
        agent.wait_event("child_restarted")
        first = agent.events("child_started")[0].rpartition("pid=")[2]
        agent.wait_event("child_ended", f"pid={first}")
        pid = wait_until(lambda: self.wait_up() != int(first) and self.wait_up(), "the next")
        self.assertEqual(children_of(agent.pid), [pid])
        self.assertEqual(agent.stop(), 40)
        self.assertEqual(len(agent.events("child_ended")), 2)

    def test_a_restart_ends_where_the_end_is_asked_for(self) -> None:
        config = self.refreshed(on_refresh="restart")
        # By then the program survives the signal that a restart begins with.
        self.emulator.add_steps(f"when {self.host()} delay 3s")
        agent = self.start_exec(config, "sh", "-c",
                                f"trap : TERM; echo up $$ >{self.notes}; "
                                "while :; do sleep 0.1; done")
        pid = self.wait_up()
        agent.wait_event("published")
        agent.send(signal.SIGTERM)
        time.sleep(0.3)
        self.assertTrue(agent.is_alive())
        os.kill(pid, signal.SIGKILL)
        self.assertIn(agent.wait(), (137, 143))
        self.assertEqual(agent.events("child_restarted"), [])


class FirstProcess(ExecTest):
    def test_orphans(self) -> None:
        unshare = shutil.which("unshare")
        prefix = [unshare or "unshare", "--pid", "--fork", "--mount-proc"]
        if os.geteuid() != 0:
            prefix[1:1] = ["--user", "--map-root-user"]
        if unshare is None or subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL,
                                             check=False).returncode != 0:
            self.skipTest("this kernel or user permits no process namespace")
        config = self.prepared()
        done = subprocess.run([*prefix, binary(), "exec", "-c", config, "--", PYTHON, "-c", ORPHANS,
                               "1000"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env=clean_environment(), timeout=120, check=False)
        check_no_secret(done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("child_ended"), 1)


class Terminal(ExecTest):
    """An interactive shell with job control, on a terminal of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.config = self.prepared()
        self.said = b""
        self.shell, self.master = pty.fork()
        if self.shell == 0:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores
            environment = {**clean_environment(), "PS1": "ready> ", "HISTFILE": "/dev/null"}
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"],
                      environment)
        self.addCleanup(self.end_shell)
        self.expect("ready> ")

    def end_shell(self) -> None:
        if self.master >= 0:
            os.close(self.master)
        try:
            os.killpg(self.shell, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.shell, 0)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str) -> str:
        """What the terminal shows up to `text`."""
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while text.encode() not in self.said:
            left = deadline - time.monotonic()
            self.assertGreater(left, 0, f"{text!r} is not in {self.said!r}")
            if select.select([self.master], [], [], left)[0]:
                self.said += os.read(self.master, 4096)
        before, _, self.said = self.said.partition(text.encode())
        check_no_secret(before.decode("utf-8", "replace"))
        return before.decode("utf-8", "replace")

    def run_exec(self, *command: str) -> int:
        """The shell runs the program in the foreground; its process."""
        script = self.place / "script"
        words = " ".join(f"'{word}'" for word in (binary(), "exec", "-c", self.config, "--", *command))
        script.write_text(f"exec {words}\n")
        self.type(f"sh {script}\n")
        return self.wait_up()

    def test_interrupt(self) -> None:
        self.run_exec(*self.noting(ends="2"))
        self.type("\x03")
        self.wait_noted(2)
        self.expect("ready> ")
        self.type("echo code=$?.\n")
        self.expect("code=40.")
        self.assertEqual(self.noted()[1:], ["2"])

    def test_interrupt_ends_a_plain_program(self) -> None:
        self.run_exec(*self.noting(left="2"))
        self.type("\x03")
        self.expect("ready> ")
        self.type("echo code=$?.\n")
        self.expect("code=130.")

    def test_stop_and_continue(self) -> None:
        pid = self.run_exec(*self.noting(left="20,18"))
        agent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        for turn in range(3):
            if turn < 2:
                self.type("\x1a")
            else:
                os.kill(agent, signal.SIGTSTP)  # as if typed
            self.expect("Stopped")
            self.expect("ready> ")
            wait_until(lambda: state_of(agent) + state_of(pid) == "TT", "both are stopped")
            self.type("fg\n")
            wait_until(lambda: state_of(agent) + state_of(pid) == "SS", "both go on")
        self.type("\x1a")
        self.expect("Stopped")
        self.type("bg\n")
        wait_until(lambda: state_of(agent) + state_of(pid) == "SS", "both go on")
        os.kill(agent, signal.SIGTERM)
        self.wait_noted(15)
        self.type("wait; echo over.\n")
        self.expect("over.")
        self.assertEqual(self.noted()[1:], ["15"])

    def test_quit_and_the_window_s_size(self) -> None:
        self.run_exec(*self.noting(ends="3"))
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
        self.wait_noted(28)
        self.type("\x1c")
        self.wait_noted(3)
        self.expect("ready> ")
        self.assertEqual(self.noted()[1:], ["28", "3"])

    def test_a_pipeline(self) -> None:
        wrapper = f"{binary()} exec -c {self.config} -- cat 2>/dev/null"

        def states() -> str:
            mine = children_of(self.shell)
            return "".join(map(state_of, mine + [each for pid in mine for each in children_of(pid)]))
        self.type(f"{wrapper} | sed s/a/b/ -u\n")
        self.expect("\n")
        self.type("alpha\n")
        self.expect("blpha")
        self.type("\x1a")
        self.expect("Stopped")
        self.expect("ready> ")
        # What is typed before `cat`, no child of the shell, has stopped could still be its own.
        wait_until(lambda: states() == "TTT", "all three are stopped")
        self.type("fg\n")
        self.type("another\n")
        self.expect("bnother")
        self.type("\x04")
        self.expect("ready> ")
        self.type("echo code=$?.\n")
        self.expect("code=0.")
        self.expect("ready> ")  # or the next one looks as if it were that of what follows
        self.type(f"{wrapper} | false\n")
        self.expect("\n")
        self.type("x\n")
        self.expect("ready> ")
        self.type("echo codes=${PIPESTATUS[*]}.\n")
        self.expect(f"codes={128 + signal.SIGPIPE} 1.")

    def test_it_reads_the_terminal(self) -> None:
        self.type(f"{binary()} exec -c {self.config} -- head -n 1 2>/dev/null\n")
        self.expect("\n")
        self.type("line\n")
        self.expect("line\r\nline\r\n")
        self.expect("ready> ")

    def on_terminal(self, *command: str) -> Tuple[int, int]:
        """The agent as the leader of a session of its own: its process, and the terminal's master.

        Returns once the terminal is the process's own, which is about to become the agent.
        """
        ready, tells = os.pipe()
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
        pid, master = pty.fork()
        if pid == 0:
            os.write(tells, b"x")
            os.execve(binary(), ["miagent", "exec", "-c", self.config, "--", *command],
                      clean_environment())
        signal.signal(signal.SIGINT, before)
        os.read(ready, 1)
        os.close(ready)
        os.close(tells)
        return pid, master

    def test_the_terminal_hangs_up(self) -> None:
        pid, master = self.on_terminal(*self.noting(ends="1"))
        self.wait_up()
        os.close(master)
        self.wait_noted(1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 40)
        self.assertEqual([each for each in self.noted()[1:] if each != "18"], ["1"])

    def test_interrupt_at_every_point(self) -> None:
        begin = time.monotonic()
        miagent("exec", "-c", self.config, "--", "true")
        whole = time.monotonic() - begin
        for turn in range(60):
            pid, master = self.on_terminal("sleep", "1000")
            time.sleep(1.2 * whole * turn / 60)
            os.write(master, b"\x03")
            said = b""
            deadline = time.monotonic() + WAIT_TIMEOUT_S
            while True:
                if select.select([master], [], [], 0.01)[0]:
                    try:
                        said += os.read(master, 4096)
                    except OSError:
                        pass  # the terminal has no user any more
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    break
                self.assertLess(time.monotonic(), deadline, f"lost at {turn}: {said!r}")
            os.close(master)
            self.assertIn(os.waitstatus_to_exitcode(status), (75, 130, -2), said)


if __name__ == "__main__":
    unittest.main()
