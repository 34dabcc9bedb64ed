#!/usr/bin/python3
"""`miagent run`: its life. Signals, restarts after kill -9, and readers that race with it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import unittest
from pathlib import Path
from typing import Dict

from support import (Agent, EmulatedTest, Reader, config_text, look, miagent, requests_for,
                     wait_until)

import verify


class RunTest(EmulatedTest):
    def host(self, more: str = "") -> str:
        return f"{self.id().rpartition('.')[2].replace('_', '-')}{more}.example"

    def token(self, more: str = "", **keys: str) -> Dict[str, str]:
        return {"resource": f"https://{self.host(more)}/", "endpoint": self.emulator.url, **keys}

    def configure(self, tokens: Dict[str, Dict[str, str]], files: Dict[str, Dict[str, str]],
                  **agent: str) -> str:
        """Files are named without their folder."""
        return self.write_config(config_text(
            tokens, {str(self.folder / name): keys for name, keys in files.items()}, **agent))

    def configure_one(self, **file: str) -> str:
        return self.configure({"t": self.token()}, {"token": {"token": "t", **file}})

    def requests(self, more: str = "") -> "list[verify.Any]":
        return requests_for(self.emulator, self.host(more))

    def start_run(self, config: str) -> Agent:
        agent = self.start("run", "-c", config)
        agent.wait_event("started")
        return agent

    def verified(self, path: Path, mode: int = 0o600, format_name: str = "raw") -> str:
        """The SHA-256 of the token in a good file."""
        return verify.verify_file(str(path), self.keys, verify.Expectation(
            format_name, mode, os.geteuid(), seconds_left_min=3600)).token_sha256


class Signals(RunTest):
    def test_start_and_stop(self) -> None:
        for number, on_stop in ((signal.SIGTERM, "keep"), (signal.SIGINT, "keep"),
                                (signal.SIGTERM, "remove"), (signal.SIGINT, "remove")):
            with self.subTest((number, on_stop)):
                agent = self.start_run(self.configure_one(on_stop=on_stop))
                wait_until(self.file.exists, "the file")
                self.verified(self.file)
                self.assertEqual(agent.stop(number), 0)
                self.assertEqual(self.file.exists(), on_stop == "keep")
                self.assertEqual(self.temporaries(), [])
                agent.wait_event("stopped")

    def test_stop_in_the_middle_of_a_request(self) -> None:
        self.emulator.add_steps(f"when {self.host()} silence")
        agent = self.start_run(self.configure_one())
        wait_until(self.requests, "the request")
        self.assertEqual(agent.stop(), 0)

    def test_usr1_asks_past_the_endpoints_cache(self) -> None:
        agent = self.start_run(self.configure({"a": self.token("-a"), "b": self.token("-b")},
                                              {"a": {"token": "a"}, "b": {"token": "b"}}))
        agent.wait_event("published", count=2)
        before = {name: self.verified(self.folder / name) for name in "ab"}
        agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=4)
        for name in "ab":
            self.assertNotEqual(self.verified(self.folder / name), before[name])
            first, second = self.requests(f"-{name}")
            self.assertNotIn("bypass_cache", first.query)
            self.assertEqual(second.query, {**first.query, "bypass_cache": "true"})
            self.assertEqual(second.connection, first.connection)

    def test_usr1_many_times_is_one_request(self) -> None:
        agent = self.start_run(self.configure_one())
        agent.wait_event("published")
        for _ in range(200):
            agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=2)
        self.assertLessEqual(len(self.requests()), 3)
        self.assertEqual(agent.stop(), 0)

    def test_usr2_changes_nothing(self) -> None:
        agent = self.start_run(self.configure_one())
        agent.wait_event("published")
        before = look(self.file)
        for _ in range(50):
            agent.send(signal.SIGUSR2)
        agent.send(signal.SIGHUP)  # told when it is done, so those before it are
        agent.wait_event("reloaded")
        self.assertEqual((look(self.file), len(self.requests())), (before, 1))
        self.assertEqual(agent.stop(), 0)

    def test_a_file_that_vanished_comes_back_with_the_same_token(self) -> None:
        self.emulator.add_steps(f'when {self.host()} set access_token="abc.def.ghi" x*')
        agent = self.start_run(self.configure_one())
        agent.wait_event("published")
        before = look(self.file)
        self.assertEqual(before.content, b"abc.def.ghi")
        agent.send(signal.SIGUSR1)
        agent.wait_event("unchanged")
        self.assertEqual(look(self.file), before)
        self.file.unlink()
        agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=2)
        self.assertEqual(look(self.file).content, before.content)

    def test_signals_of_others_are_as_ever(self) -> None:
        agent = self.start_run(self.configure_one())
        agent.send(signal.SIGPIPE)
        agent.send(signal.SIGCHLD)
        agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=2)
        self.assertEqual(agent.stop(), 0)


class Logs(RunTest):
    def test_a_log_that_nobody_reads_stops_nothing(self) -> None:
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.set_blocking(writing, False)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(writing, bytes(4096))
        os.set_blocking(writing, True)
        agent = self.start("run", "-c", self.configure_one(), stderr=writing)
        os.close(writing)
        wait_until(self.file.exists, "the file")
        agent.send(signal.SIGUSR1)
        wait_until(lambda: len(self.requests()) == 2, "another request")
        self.assertEqual(agent.stop(), 0)

    def test_a_log_that_is_closed_stops_nothing(self) -> None:
        reading, writing = os.pipe()
        agent = self.start("run", "-c", self.configure_one(), stderr=writing)
        os.close(writing)
        os.close(reading)
        wait_until(self.file.exists, "the file")
        self.assertEqual(agent.stop(), 0)

    def test_levels(self) -> None:
        levels = {"error": {"error"}, "warning": {"error", "warning"},
                  "info": {"error", "warning", "info"}}
        agents = {}
        for level in levels:
            host = self.host(f"-{level}")
            self.emulator.add_steps(f"when {host} lifetime 3s\nwhen {host} status 400")
            agents[level] = self.start("run", "-c", self.configure(
                {"t": self.token(f"-{level}")}, {level: {"token": "t"}}, log_level=level))
            wait_until((self.folder / level).exists, "the file")
        for level, agent in agents.items():
            with self.subTest(level):
                agent.wait_event("expired")
                agent.send(signal.SIGUSR1)
                agent.wait_event("refresh_failed")
                self.assertEqual(agent.stop(), 0)
                words = {line.partition(" ")[0] for line in agent.log().splitlines()}
                self.assertEqual(words, {f"level={word}" for word in levels[level]})


class Reloads(RunTest):
    def setUp(self) -> None:
        super().setUp()
        self.agent = self.start_run(self.configure_one())
        self.agent.wait_event("published")
        self.before = look(self.file)
        self.reload_count = 0

    def reload(self) -> None:
        self.reload_count += 1
        self.agent.send(signal.SIGHUP)
        self.agent.wait_event("reloaded", count=self.reload_count)

    def test_the_same_again(self) -> None:
        self.reload()
        self.agent.wait_event("unchanged")
        self.assertEqual((look(self.file), len(self.requests())), (self.before, 1))

    def test_a_bad_one_is_told_and_the_old_one_stays(self) -> None:
        config = self.write_config("[agent]\nlog_level = loud\n[token t]\nresource = x\n\n[oops]\n")
        self.agent.send(signal.SIGHUP)
        self.agent.wait_event("reload_failed")
        for line in (2, 4, 6):
            self.assertIn(f"{config}:{line}: ", self.agent.log())
        self.assertEqual(look(self.file), self.before)
        os.unlink(config)
        self.agent.send(signal.SIGHUP)
        self.agent.wait_event("reload_failed", count=2)
        self.agent.send(signal.SIGUSR1)
        self.agent.wait_event("published", count=2)
        self.assertNotEqual(look(self.file).content, self.before.content)
        self.configure_one()
        self.reload()

    def test_an_unsafe_directory_refuses_all_of_it(self) -> None:
        unsafe = self.make_folder(str(self.folder))
        unsafe.chmod(0o777)
        self.configure({"t": self.token()}, {"token": {"token": "t", "mode": "0640"},
                                             f"{unsafe.name}/x": {"token": "t"}})
        self.agent.send(signal.SIGHUP)
        self.agent.wait_event("reload_failed")
        self.assertIn("writable by group or others", self.agent.log())
        self.assertEqual(look(self.file), self.before)

    def test_a_new_file_needs_no_request(self) -> None:
        self.configure({"t": self.token()},
                       {"token": {"token": "t"}, "more": {"token": "t", "format": "json"}})
        self.reload()
        self.agent.wait_event("published", "/more")
        self.assertEqual(self.verified(self.folder / "more", format_name="json"),
                         self.before.sha256)
        self.assertEqual((look(self.file), len(self.requests())), (self.before, 1))

    def test_a_new_token(self) -> None:
        self.configure({"new": self.token("-new"), "t": self.token()},
                       {"new": {"token": "new"}, "token": {"token": "t"}})
        self.reload()
        self.agent.wait_event("published", "/new")
        self.verified(self.folder / "new")
        self.assertEqual(look(self.file), self.before)
        self.assertEqual([len(self.requests()), len(self.requests("-new"))], [1, 1])

    def test_another_mode_and_form(self) -> None:
        for keys, mode, form in (({"mode": "0644"}, 0o644, "raw"),
                                 ({"mode": "0400", "format": "env"}, 0o400, "env"),
                                 ({"mode": "0600"}, 0o600, "raw")):
            self.configure_one(**keys)
            self.reload()
            self.agent.wait_event("published", count=1 + self.reload_count)
            self.assertEqual(self.verified(self.file, mode, form), self.before.sha256)
        self.assertEqual(len(self.requests()), 1)

    def test_a_dropped_file_gets_its_on_stop(self) -> None:
        files = {"token": {"token": "t"}, "kept": {"token": "t", "on_stop": "keep"},
                 "removed": {"token": "t", "on_stop": "remove"}}
        self.configure({"t": self.token()}, files)
        self.reload()
        self.agent.wait_event("published", count=3)
        self.configure({"t": self.token()}, {"token": files["token"]})
        self.reload()
        self.assertEqual(sorted(os.listdir(self.folder)), ["kept", "token"])
        self.agent.send(signal.SIGUSR1)
        self.agent.wait_event("published", count=4)
        self.assertEqual(self.verified(self.folder / "kept"), self.before.sha256)
        self.assertNotEqual(self.verified(self.file), self.before.sha256)

    def test_in_the_middle_of_a_request(self) -> None:
        self.emulator.add_steps(f"when {self.host('-slow')} delay 700ms")
        tokens = {"t": self.token(), "slow": self.token("-slow")}
        files = {"token": {"token": "t"}, "slow": {"token": "slow"}}
        self.configure(tokens, files)
        self.reload()
        wait_until(lambda: self.requests("-slow"), "the request")
        self.configure(dict(reversed(tokens.items())), {**files, "more": {"token": "slow"}})
        self.reload()
        self.agent.wait_event("published", "/more")
        self.assertEqual(self.verified(self.folder / "slow"), self.verified(self.folder / "more"))
        self.assertEqual(len(self.requests("-slow")), 1)

    def test_what_failed_is_tried_at_once(self) -> None:
        self.emulator.add_steps(f"when {self.host('-bad')} status 400")
        tokens = {"t": self.token(), "bad": self.token("-bad")}
        self.configure(tokens, {"bad": {"token": "bad"}})
        self.reload()
        self.agent.wait_event("refresh_failed", "token=bad")
        self.reload()
        self.agent.wait_event("published", "/bad", timeout_s=5)


class Restarts(RunTest):
    def test_kill_9_and_restart(self) -> None:
        config = self.configure_one()
        agent = self.start_run(config)
        agent.wait_event("published")
        before = look(self.file)
        for _ in range(3):
            agent.kill()
            self.assertEqual(look(self.file), before)
            self.verified(self.file)
            agent = self.start_run(config)
            agent.wait_event("unchanged")
            self.assertEqual(look(self.file), before)  # the same inode: no rename
        self.emulator.forget_tokens()
        agent.kill()
        agent = self.start_run(config)
        agent.wait_event("published")
        self.assertNotEqual(look(self.file).content, before.content)

    def test_leftovers_are_swept_and_nothing_else(self) -> None:
        dead = subprocess.Popen(["true"])
        dead.wait()
        kept = {f".miagent-{os.getpid():08x}.tmp", ".miagent-0000.tmp", ".miagent-notes",
                "miagent.tmp", ".miagent-0000000g.tmp"}
        for name in {f".miagent-{dead.pid:08x}.tmp", ".miagent-ffffffff.tmp", *kept}:
            (self.folder / name).write_text("left", encoding="ascii")
        agent = self.start_run(self.configure_one())
        agent.wait_event("published")
        self.assertEqual(set(os.listdir(self.folder)), {"token", *kept})

    def test_two_agents_at_one_file(self) -> None:
        config = self.configure_one()
        agents = [self.start_run(config) for _ in range(2)]
        for agent in agents:
            agent.wait_event("fetched")
            agent.send(signal.SIGUSR1)
        for agent in agents:
            agent.wait_event("fetched", count=2)
        self.verified(self.file)
        self.assertEqual([agent.stop() for agent in agents], [0, 0])
        self.assertEqual(os.listdir(self.folder), ["token"])

    def test_options_in_place_of_a_configuration(self) -> None:
        agent = self.start("run", "--resource", self.token()["resource"], "--endpoint",
                           self.emulator.url, "--file", str(self.file), "--timeout=5")
        agent.wait_event("published")
        self.verified(self.file)
        agent.send(signal.SIGHUP)
        agent.wait_event("reloaded")
        self.assertEqual(agent.stop(), 0)

    def test_what_is_wrong_at_the_start(self) -> None:
        for arguments, code in ((["-c", str(self.place / "none")], 78), (["--nonsense"], 64),
                                (["-c", self.write_config("[token]")], 78)):
            with self.subTest(arguments):
                self.check_result(miagent("run", *arguments, timeout_s=10), code)


class Racing(RunTest):
    """A reader in a tight loop sees one whole token after the other, whatever happens."""

    def setUp(self) -> None:
        super().setUp()
        self.config = self.configure_one()
        self.agent = self.start_run(self.config)
        self.agent.wait_event("published")
        self.reader = Reader(self.file)
        self.addCleanup(self.reader.kill)

    def check_reader(self) -> None:
        """Nothing was missing; each content was a token that was issued, in the order of issue."""
        [found] = self.reader.finish()
        self.assertEqual(found["missing"], 0)
        self.assertGreater(found["count"], 100)
        issued = [request.token_sha256 for request in self.requests()]
        places = [issued.index(sha256) for sha256 in found["seen"]]  # ValueError: never issued
        self.assertEqual(places, sorted(set(places)))
        self.assertEqual(found["seen"][-1], self.verified(self.file))

    def test_refreshes(self) -> None:
        for count in (2, 3, 4):
            self.agent.send(signal.SIGUSR1)
            self.agent.wait_event("published", count=count)
        self.check_reader()
        self.assertEqual(len(self.requests()), 4)

    def test_reloads_that_write_the_file_anew(self) -> None:
        for count in range(1, 60):
            self.configure_one(mode="0640" if count % 2 else "0600")
            self.agent.send(signal.SIGHUP)
            self.agent.wait_event("published", count=count + 1)
        self.configure_one()
        self.agent.send(signal.SIGHUP)
        self.agent.wait_event("published", count=61)
        self.check_reader()

    def test_kill_9_again_and_again(self) -> None:
        for round_number in range(20):
            self.emulator.forget_tokens()
            time.sleep(round_number * 0.0007)  # some die before, some while they publish
            self.agent.kill()
            self.agent = self.start("run", "-c", self.config)
        # The one before may have written the very token that this one gets.
        wait_until(lambda: self.agent.events("published") + self.agent.events("unchanged"),
                   "the file judged")
        wait_until(lambda: not self.temporaries(), "leftovers swept")
        self.check_reader()


if __name__ == "__main__":
    unittest.main()
