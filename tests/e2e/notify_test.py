#!/usr/bin/python3
"""`notify`: hooks and signals after a publication, with real programs and processes."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from support import (NOBODY, PYTHON, Agent, EmulatedTest, miagent, requests_for, wait_until)

STANDARD_SIGNALS = (1 << 31) - 1  # the others are as whoever started the tests left them

# Says how it was started, as JSON on a file, and once on its output.
PROBE = """
import json, os, signal, sys
status = open("/proc/self/status").read()
said = {
    "arguments": sys.argv[2:],
    "environment": dict(os.environ),
    "descriptors": sorted(os.listdir("/proc/self/fd"), key=int)[:-1],
    "input": os.readlink("/proc/self/fd/0"),
    "output": os.readlink("/proc/self/fd/1")[:5],
    "same": os.readlink("/proc/self/fd/1") == os.readlink("/proc/self/fd/2"),
    "place": os.getcwd(),
    "leads": os.getpgrp() == os.getpid(),
    "masks": {line.split(":")[0]: int(line.split()[1], 16) for line in status.splitlines()
              if line.startswith(("SigBlk", "SigIgn", "SigCgt"))},
}
with open(sys.argv[1] + ".new", "w") as stream:
    json.dump(said, stream)
os.rename(sys.argv[1] + ".new", sys.argv[1])
"""

# A service with a pid file: writes down each SIGHUP.
SERVICE = """
import os, signal, sys
def note(number, frame):
    with open(sys.argv[1], "a") as stream:
        stream.write("%d\\n" % number)
signal.signal(signal.SIGHUP, note)
signal.signal(signal.SIGUSR2, note)
print("ready", flush=True)
while True:
    signal.pause()
"""

IN_MOVED_TO = 0x80
IN_ALL_EVENTS = 0xFFF


class NotifyTest(EmulatedTest):
    def host(self) -> str:
        return f"{self.id().rpartition('.')[2].replace('_', '-')}.example"

    def configure(self, notify: str, **agent: str) -> str:
        return self.simple_config(self.emulator.url, f"https://{self.host()}/",
                                  file={"notify": notify}, **agent)

    def start_run(self, notify: str, **agent: str) -> Agent:
        return self.start("run", "-c", self.configure(notify, **agent))

    def script(self, text: str, name: str = "hook") -> str:
        """A program that a shell runs; its path."""
        path = self.place / name
        path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    def read(self, path: Path) -> str:
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def service(self, user: Optional[int] = None) -> "Tuple[subprocess.Popen[bytes], Path]":
        """A process that notes its signals; where it notes them."""
        folder = self.make_folder(None)
        folder.chmod(0o777)
        notes = folder / "signals"
        more: Dict[str, Any] = {} if user is None else {"user": user, "group": user}
        process = subprocess.Popen([PYTHON, "-c", SERVICE, str(notes)], stdout=subprocess.PIPE,
                                   **more)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stdout
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process, notes

    def pid_file(self, content: str, name: str = "app.pid") -> Path:
        path = self.place / name
        path.write_text(content, encoding="utf-8")
        path.chmod(0o644)
        return path


class Exec(NotifyTest):
    def test_what_a_hook_gets(self) -> None:
        program = self.place / "probe.py"
        program.write_text(PROBE, encoding="utf-8")
        said = self.place / "said"
        agent = self.start(
            "run", "-c", self.configure(
                f'exec {PYTHON} -I {program} {said} "two words" it\'s "" $HOME "*"'),
            environment={"SECRET_OF_THE_AGENT": "x", "IDENTITY_HEADER": ""})
        agent.wait_event("notified", f"file={self.file}")
        facts = json.loads(said.read_text(encoding="utf-8"))
        self.assertEqual(facts["arguments"], ["two words", "it's", "", "$HOME", "*"])
        expires_on = facts["environment"].pop("MIAGENT_EXPIRES_ON")
        self.assertGreater(int(expires_on), time.time())
        self.assertIn(f"expires_on={expires_on}", agent.events("published")[0])
        facts["environment"].pop("LC_CTYPE", None)  # Python's own
        self.assertEqual(facts["environment"], {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MIAGENT_FILE": str(self.file),
            "MIAGENT_TOKEN": "t"})
        self.assertEqual(facts["descriptors"], ["0", "1", "2"])
        self.assertEqual((facts["input"], facts["output"], facts["same"], facts["place"]),
                         ("/dev/null", "pipe:", True, "/"))
        self.assertTrue(facts["leads"])
        python_ignores = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
        self.assertEqual(facts["masks"]["SigBlk"], 0)
        self.assertEqual(facts["masks"]["SigIgn"] & STANDARD_SIGNALS & ~python_ignores, 0)
        self.assertEqual(agent.stop(), 0)

    def test_a_hook_has_the_default_for_sigpipe(self) -> None:
        # Python changes it for itself, so a shell and grep look.
        hook = self.script(f"grep -E '^Sig(Blk|Ign)' /proc/self/status > {self.place}/masks.new\n"
                           f"mv {self.place}/masks.new {self.place}/masks\n")
        agent = self.start_run(f"exec {hook}")
        agent.wait_event("notified")
        for line in self.read(self.place / "masks").splitlines():
            self.assertEqual(int(line.split()[1], 16) & STANDARD_SIGNALS, 0, line)

    def test_output_in_the_log_without_tokens(self) -> None:
        hook = self.script('echo "reloading  now"\necho "to  stderr" >&2\n'
                           'echo "token: $(cat $MIAGENT_FILE)"\nprintf "\\033[31mlast"\n')
        agent = self.start_run(f"exec {hook}")
        agent.wait_event("notified")
        lines = [line.partition("text=")[2] for line in agent.events("hook_output")]
        self.assertEqual(lines, ['"reloading now"', '"to stderr"', '"token: [...]"', "?[31mlast"])
        self.assertTrue(self.file.read_text(encoding="utf-8").startswith("eyJ"))
        self.assertEqual(agent.stop(), 0)  # which looks for a token in the log

    def test_a_flood_of_output_is_bounded(self) -> None:
        agent = self.start_run(f"exec {self.script('seq 1 200000')}")
        agent.wait_event("notified")
        self.assertEqual(len(agent.events("hook_output")), 64)
        self.assertIn("lines=199936", agent.events("hook_output_cut")[0])
        self.assertEqual(agent.stop(), 0)

    def test_failures_are_told_once_per_change_and_ask_for_nothing(self) -> None:
        code = self.place / "code"
        code.write_text("3", encoding="utf-8")
        hook = self.script(f"exit $(cat {code})\n")
        status = self.folder / "status.json"
        metrics = self.folder / "metrics.prom"
        agent = self.start_run(f"exec {hook}", status_file=str(status), metrics_file=str(metrics))
        agent.wait_event("notify_failed", "exit status 3")

        def notify() -> Any:
            return json.loads(status.read_text(encoding="utf-8"))["files"][0]["notify"]

        agent.send(signal.SIGUSR1)
        wait_until(lambda: notify()["runs"] == 2, "the second run")
        self.assertEqual(notify(), {"runs": 2, "failures": 2, "last_error":
                                    "the hook failed, with exit status 3"})
        self.assertEqual(len(agent.events("notify_failed")), 1)
        code.write_text("0", encoding="utf-8")
        agent.send(signal.SIGUSR1)
        agent.wait_event("notify_recovered")
        wait_until(lambda: notify() == {"runs": 3, "failures": 2, "last_error": None}, "recovered")
        self.assertIn(f'miagent_notify_total{{file="{self.file}",result="failure"}} 2\n',
                      metrics.read_text(encoding="utf-8"))
        self.assertEqual(len(requests_for(self.emulator, self.host())), 3)
        self.assertEqual(agent.stop(), 0)

    def test_what_cant_be_started(self) -> None:
        plain = self.place / "plain"
        plain.write_text("#!/bin/sh\n", encoding="utf-8")
        binary = self.place / "binary"
        binary.write_bytes(b"\x00\x01")
        binary.chmod(0o755)
        for path, reason in ((self.place / "absent", "no such file"),
                             (plain, "permission denied"), (binary, "not a program")):
            with self.subTest(reason):
                agent = self.start_run(f"exec {path}")
                agent.wait_event("notify_failed", "can't start the hook", reason)
                self.assertEqual(agent.stop(), 0)
                self.file.unlink()

    def test_a_hook_that_hangs_is_killed_with_its_group(self) -> None:
        pids = self.place / "pids"
        hook = self.script(f"trap '' TERM HUP INT\nsleep 61 &\necho $$ $! > {pids}\nwait\nsleep 62\n")
        agent = self.start_run(f"exec {hook}")
        agent.wait_event("published")
        wait_until(lambda: len(self.read(pids).split()) == 2, "the hook")
        agent.wait_event("notify_failed", "took more than 10 seconds")
        for pid in self.read(pids).split():
            wait_until(lambda: not self.runs(pid), f"the end of {pid}")
        self.assertEqual(len(requests_for(self.emulator, self.host())), 1)
        self.assertEqual(agent.stop(), 0)

    @staticmethod
    def runs(pid: str) -> bool:
        try:
            return " Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return False

    def test_a_stopped_agent_leaves_its_hook_alone(self) -> None:
        done = self.place / "done"
        go = self.place / "go"
        os.mkfifo(go)
        hook = self.script(f"trap '' PIPE\nread word < {go}\necho nobody reads this\n"
                           f"echo $word > {done}\n")
        agent = self.start_run(f"exec {hook}")
        agent.wait_event("published")
        self.assertEqual(agent.stop(), 0)
        with open(go, "w", encoding="utf-8") as stream:
            stream.write("on\n")
        wait_until(lambda: self.read(done) == "on\n", "the hook's end")

    def test_once_waits_for_hooks_and_tells_a_failure_in_one_line(self) -> None:
        done = self.place / "done"
        config = self.configure(f"exec {self.script(f'sleep 0.3; echo x >> {done}; exit 4')}")
        result = miagent("once", "-c", config)
        self.check_result(result, 0)
        self.assertEqual(result.err,
                         f"miagent: {self.file}: the hook failed, with exit status 4\n")
        self.assertEqual(self.read(done), "x\n")
        again = miagent("once", "-c", config)  # the file is good: nothing is published
        self.assertEqual((again.code, again.err, self.read(done)), (0, "", "x\n"))

    def test_hooks_leave_no_zombie(self) -> None:
        agent = self.start_run(f"exec {self.script('true')}")
        agent.wait_event("notified")
        children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children")
        self.assertEqual(children.read_text(encoding="utf-8"), "")
        self.assertEqual(agent.stop(), 0)

    def test_check_prints_it(self) -> None:
        result = miagent("check", "-c", self.configure('exec /bin/echo "a b"'))
        self.check_result(result, 0)
        self.assertIn('\n  notify     exec /bin/echo "a b"\n', result.out)


class Signal(NotifyTest):
    def test_each_publication_reaches_the_process_of_the_moment(self) -> None:
        first, first_notes = self.service()
        second, second_notes = self.service()
        pid_file = self.pid_file(f"{first.pid}\n")
        agent = self.start_run(f"signal HUP {pid_file}")
        agent.wait_event("notified")
        wait_until(lambda: self.read(first_notes) == "1\n", "the signal")
        pid_file.write_text(f"{second.pid}", encoding="utf-8")
        agent.send(signal.SIGUSR1)
        agent.wait_event("notified", count=2)
        wait_until(lambda: self.read(second_notes) == "1\n", "the signal")
        self.assertEqual(self.read(first_notes), "1\n")
        self.assertEqual(agent.stop(), 0)

    def test_another_signal_by_once(self) -> None:
        process, notes = self.service()
        config = self.configure(f"signal SIGUSR2 {self.pid_file(str(process.pid))}")
        self.check_result(miagent("once", "-c", config), 0)
        wait_until(lambda: self.read(notes) == f"{int(signal.SIGUSR2)}\n", "the signal")

    def test_each_bad_pid_file_has_its_reason(self) -> None:
        process, notes = self.service()
        over = subprocess.Popen(["true"])
        over.wait()
        link = self.place / "link.pid"
        link.symlink_to(self.pid_file(str(process.pid), "real.pid"))
        fifo = self.place / "fifo.pid"
        os.mkfifo(fifo)
        writable = self.pid_file(str(process.pid), "writable.pid")
        writable.chmod(0o666)
        folder = self.place / "folder-link"
        folder.symlink_to(self.place)
        cases = (
            (self.place / "absent.pid", "can't open the pid file: no such file"),
            (link, "can't open the pid file: a symbolic link"),
            (fifo, "not a regular file"),
            (self.place, "not a regular file"),
            (folder / "real.pid", "can't open the pid file's directory"),
            (writable, "writable by group or others"),
            (self.pid_file(f"{over.pid}\n", "stale.pid"), "stale"),
            (self.pid_file("1\n", "init.pid"), "one decimal number above 1"),
            (self.pid_file("-1\n", "all.pid"), "one decimal number above 1"),
            (self.pid_file(f"{process.pid} {process.pid}", "two.pid"), "one decimal number"),
            (self.pid_file(str(process.pid) + " " * 40, "long.pid"), "larger than 32 bytes"),
        )
        for path, reason in cases:
            with self.subTest(reason):
                result = miagent("once", "-c", self.configure(f"signal HUP {path}"))
                self.check_result(result, 0, f"miagent: {self.file}: ", reason)
                self.assertEqual(len(result.err.splitlines()), 1)
                self.file.unlink()
        self.assertEqual(self.read(notes), "")

    def test_the_agents_own_id(self) -> None:
        pid_file = self.pid_file("0")
        agent = self.start_run(f"signal TERM {pid_file}")
        agent.wait_event("notify_failed", "one decimal number")
        pid_file.write_text(str(agent.pid), encoding="utf-8")
        agent.send(signal.SIGUSR1)
        agent.wait_event("notify_failed", "names the agent itself")
        self.assertTrue(agent.is_alive())
        self.assertEqual(agent.stop(), 0)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to be another user too")
    def test_a_foreign_users_pid_file_reaches_only_that_users_process(self) -> None:
        own, own_notes = self.service(NOBODY)
        foreign, foreign_notes = self.service()
        pid_file = self.pid_file(str(foreign.pid))
        os.chown(pid_file, NOBODY, NOBODY)
        agent = self.start_run(f"signal HUP {pid_file}")
        agent.wait_event("notify_failed", "belongs to a user")
        pid_file.write_text(str(own.pid), encoding="utf-8")
        agent.send(signal.SIGUSR1)
        agent.wait_event("notify_recovered")
        wait_until(lambda: self.read(own_notes) == "1\n", "the signal")
        self.assertEqual(self.read(foreign_notes), "")
        self.assertEqual(agent.stop(), 0)


class Watcher(EmulatedTest):
    def test_inotify_sees_one_move_for_a_publication(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        watch = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.assertGreaterEqual(watch, 0)
        self.addCleanup(os.close, watch)
        added = library.inotify_add_watch(watch, str(self.folder).encode(), IN_ALL_EVENTS)
        self.assertGreaterEqual(added, 0)
        config = self.simple_config(self.emulator.url, "https://inotify.example/",
                                    file={"notify": "exec /bin/true"})
        agent = self.start("run", "-c", config)
        for publication in (1, 2, 3):
            agent.wait_event("notified", count=publication)
            events = self.take(watch)
            # The first look at the directory, before anything is published, is no matter.
            self.assertEqual([mask for mask, name in events if name == self.file.name],
                             [IN_MOVED_TO])
            agent.send(signal.SIGUSR1)
        agent.wait_event("notified", count=4)
        self.assertEqual(agent.stop(), 0)

    @staticmethod
    def take(watch: int) -> List[Tuple[int, str]]:
        """The mask and name of each event so far."""
        try:
            data = os.read(watch, 65536)
        except BlockingIOError:
            return []
        events = []
        while data:
            _, mask, _, size = struct.unpack_from("iIII", data)
            name = data[16:16 + size].rstrip(b"\0").decode()
            events.append((mask, name))
            data = data[16 + size:]
        return events


if __name__ == "__main__":
    unittest.main()
