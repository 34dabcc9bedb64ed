#!/usr/bin/python3
"""`miagent status`, `wait`, status_file and metrics_file, with the real binary."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any, Dict

from support import Agent, E2eTest, Emulator, config_text, look, miagent, wait_until

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class StatusTest(E2eTest):
    emulator: Emulator

    @classmethod
    def setUpClass(cls) -> None:
        cls.emulator = Emulator("--lifetime", "12h")
        cls.addClassCleanup(cls.emulator.stop)

    def host(self) -> str:
        return self.id().rpartition(".")[2].replace("_", "-") + ".example"

    @property
    def status_file(self) -> Path:
        return self.folder / "status.json"

    @property
    def metrics_file(self) -> Path:
        return self.place / "miagent.prom"

    def config(self, **file: str) -> str:
        """One token, `t`, in two files; the metrics are on a disk."""
        return self.write_config(config_text(
            {"t": {"resource": f"https://{self.host()}/", "endpoint": self.emulator.url}},
            {str(self.file): {"token": "t", "mode": "0640", **file},
             str(self.folder / "second"): {"token": "t", "format": "header"}},
            status_file=str(self.status_file), metrics_file=str(self.metrics_file)))

    def start_run(self, config: str) -> Agent:
        agent = self.start("run", "-c", config)
        agent.wait_event("published", count=2)
        return agent

    def told(self) -> Dict[str, Any]:
        return dict(json.loads(self.status_file.read_text(encoding="utf-8")))


class Status(StatusTest):
    def test_the_file_and_both_ways_to_see_it(self) -> None:
        config = self.config()
        agent = self.start_run(config)
        wait_until(lambda: self.told()["files"][1]["state"] == "current", "both files are told")
        told = self.told()
        self.assertEqual(told["schema"], 1)
        self.assertEqual((told["agent"]["pid"], told["agent"]["state"]), (agent.pid, "running"))
        self.assertEqual(told["agent"]["boot_id"], BOOT_ID.read_text().strip())
        self.assertAlmostEqual(told["agent"]["written_at"], time.time(), delta=30)
        token = told["tokens"][0]
        self.assertEqual((token["name"], token["state"], token["http_status"], token["error"]),
                         ("t", "fresh", 200, None))
        self.assertEqual((token["requests"], token["successes"], token["failures"]), (1, 1, 0))
        boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 10**6
        self.assertAlmostEqual(token["expires_boot_ms"] - boot_ms, 12 * 3600 * 1000, delta=60000)
        self.assertAlmostEqual(token["expires_at"] - time.time(), 12 * 3600, delta=60)
        first = told["files"][0]
        self.assertEqual((first["path"], first["mode"], first["published"]),
                         (str(self.file), "0640", 1))
        self.assertEqual(int(self.file.stat().st_atime), token["expires_at"])
        self.assertEqual(look(self.status_file).mode, 0o644)
        self.assertEqual(look(self.metrics_file).mode, 0o644)
        self.assertNotIn("eyJ", self.status_file.read_text() + self.metrics_file.read_text())

        result = miagent("status", "-c", config)
        self.assertEqual((result.code, result.err), (0, ""))
        lines = result.out.splitlines()
        self.assertRegex(lines[0], rf"^miagent [\d.]+, process {agent.pid}: running; told this \d+s ago$")
        self.assertRegex(lines[1], r"^STATE +AGE +EXPIRES +NEXT +TOKEN$")
        self.assertRegex(lines[2], r"^fresh +\S+ +11h59m +[56]h\d\dm +t$")
        self.assertRegex(lines[3], r"^STATE +AGE +EXPIRES +NEXT +FILE$")
        self.assertRegex(lines[4], rf"^current +\d+s +11h59m +{re.escape(str(self.file))}$")
        self.assertEqual(len(lines), 6)

        result = miagent("status", "-c", config, "--json")
        self.assertEqual((result.code, result.err), (0, ""))
        shown = json.loads(result.out)
        read = shown.pop("read")
        self.assertEqual(shown, self.told())
        self.assertEqual(read["agent"], "running")
        self.assertAlmostEqual(read["at"], time.time(), delta=30)
        self.assertEqual(agent.stop(), 0)
        self.assertEqual(self.told()["agent"]["state"], "stopped")
        self.assertIn(": stopped; ", miagent("status", "-c", config).out)
        self.assertEqual(self.temporaries(), [])

    def test_an_agent_that_was_killed(self) -> None:
        config = self.config()
        agent = self.start_run(config)
        agent.kill()
        result = miagent("status", "-c", config)
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertIn(f"process {agent.pid}: gone, without having stopped", result.out)
        self.assertIn("\nfresh ", result.out)
        self.assertEqual(
            json.loads(miagent("status", "-c", config, "--json").out)["read"]["agent"], "gone")

    def test_what_the_endpoint_refuses(self) -> None:
        self.emulator.add_steps(f"when {self.host()} status 400 x*")
        config = self.config()
        agent = self.start("run", "-c", config)
        agent.wait_event("refresh_failed")
        wait_until(lambda: self.told()["tokens"][0]["state"] == "refused", "the refusal is told")
        result = miagent("status", "-c", config)
        self.assertEqual((result.code, result.err), (1, ""))
        self.assertRegex(result.out, r"\nrefused +- +- +\S+ +t: refused: HTTP 400 ")
        self.assertIn("Identity not found", result.out)
        self.assertEqual(agent.stop(), 0)

    def test_usr2_writes_now_and_asks_for_nothing(self) -> None:
        agent = self.start_run(self.config())
        wait_until(lambda: self.told()["files"][1]["state"] == "current", "both files are told")
        outputs = (self.status_file, self.metrics_file)
        # Not by the inode, which a file system may use again.
        before = [path.stat().st_ctime_ns for path in outputs]
        file = look(self.file)
        agent.send(signal.SIGUSR2)
        wait_until(lambda: all(path.stat().st_ctime_ns != time_ns
                               for path, time_ns in zip(outputs, before)), "both are written anew")
        self.assertEqual(look(self.file), file)
        self.assertEqual(self.told()["tokens"][0]["requests"], 1)
        self.assertEqual(agent.stop(), 0)

    def test_exit_codes_and_what_is_said(self) -> None:
        config = self.config()
        for command in ("status", "wait"):
            with self.subTest(command):
                self.check_result(miagent(command, "stray"), 64)
                self.check_result(miagent(command, "-c", "/nowhere"), 78)
                plain = self.simple_config(self.emulator.url, f"https://{self.host()}/")
                self.check_result(miagent(command, "-c", plain), 78, "status_file is missing")
                config = self.config()
        self.check_result(miagent("status", "-c", config), 75, str(self.status_file),
                          "no such file")
        self.status_file.write_text("{}\n", encoding="utf-8")
        self.check_result(miagent("status", "-c", config), 65, "no status file of schema 1")
        with open("/dev/full", "wb") as full:
            self.start_run(config)
            self.check_result(miagent("status", "-c", config, stdout=full), 73, "standard output")

    def test_an_unsafe_directory(self) -> None:
        config = self.config()
        os.chmod(self.place, 0o777)
        for command in ("check", "run"):
            result = miagent(command, "-c", config)
            self.assertEqual(result.code, 77)
            self.assertIn(f"{self.metrics_file}: the directory is writable by group or others",
                          result.err)

    @unittest.skipUnless(shutil.which("promtool"),
                         "no promtool here (Debian: package prometheus, 19 MB)")
    def test_promtool_takes_the_metrics(self) -> None:
        agent = self.start_run(self.config())
        agent.stop()
        done = subprocess.run(["promtool", "check", "metrics"],
                              input=self.metrics_file.read_bytes(), capture_output=True,
                              check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_the_metrics_have_the_form_of_prometheus(self) -> None:
        """What every scraper relies on, where there is no promtool."""
        self.start_run(self.config()).stop()
        families: Dict[str, str] = {}
        sample_count = 0
        current = ""
        for line in self.metrics_file.read_text(encoding="utf-8").splitlines():
            if line.startswith("# HELP "):
                current = line.split(" ")[2]
                self.assertNotIn(current, families)
            elif line.startswith("# TYPE "):
                self.assertEqual(line.split(" ")[2], current)
                families[current] = line.split(" ")[3]
            else:
                self.assertRegex(line, rf'^{current}(\{{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\}})? \d+$')
                sample_count += 1
        self.assertGreater(sample_count, 20)
        for name, kind in families.items():
            self.assertEqual(kind == "counter", name.endswith("_total"), name)


class Wait(StatusTest):
    def test_returns_when_the_files_are_there(self) -> None:
        self.emulator.add_steps(f"when {self.host()} delay 2s")
        config = self.config()
        begin = time.monotonic()
        agent = self.start("run", "-c", config)
        result = miagent("wait", "-c", config, "--timeout", "20")
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))
        self.assertTrue(self.file.exists())
        self.assertLess(time.monotonic() - begin, 10)
        for arguments, code in ((["--fresh", "3600"], 0), (["--fresh", "86400"], 1)):
            result = miagent("wait", "-c", config, "--timeout", "1", *arguments)
            self.assertEqual(result.code, code, result.err)
        self.check_result(result, 1, f"{self.file}: no token that is good for so long")
        agent.kill()
        self.assertEqual(miagent("wait", "-c", config, "--timeout", "1").code, 0)

    def test_gives_up_and_says_why(self) -> None:
        config = self.config()
        result = miagent("wait", "-c", config, "--timeout", "2")
        self.check_result(result, 1, f"{self.status_file}: can't read the status file")
        self.assertEqual(len(result.err.splitlines()), 1)
        self.assertGreaterEqual(result.seconds, 2)
        self.assertLess(result.seconds, 8)


if __name__ == "__main__":
    unittest.main()
