#!/usr/bin/python3
"""`miagent run` while the endpoint misbehaves, and while tokens expire.

Each kind of failure has an agent of its own, and all of them run at the same time, because the
agent's retry waits are real ones here.
"""

from __future__ import annotations

import signal
import time
import unittest
from dataclasses import dataclass
from typing import Dict, List, Tuple

from support import (MARKER, Agent, EmulatedTest, LoggedRequest, Look, Reader, config_text,
                     look, requests_for, wait_until)

import verify

RETRY_S = 2.0  # the first wait of the retry table
SLOW_POLL_S = 300

# Kinds that pass: the script's steps; the statuses sent; the waits before each next request, at
# least; the reasons told.
TRANSIENT: Dict[str, Tuple[List[str], List[float], List[str]]] = {
    "not-found": (["status 404"], [RETRY_S], ["HTTP 404"]),
    "timed-out-there": (["status 408"], [RETRY_S], ["HTTP 408"]),
    "gone": (["status 410"], [RETRY_S], ["HTTP 410"]),
    "throttled": (["status 429 retry-after 4"], [4.0], ["HTTP 429"]),
    "throttled-with-date": (["status 429 retry-after date:5s"], [4.0], ["HTTP 429"]),
    "server-errors": (["status 500", "status 503 body " + MARKER], [RETRY_S, 6.0],
                      ["HTTP 500 unknown", "HTTP 503"]),
    "unavailable-for": (["status 503 retry-after 3"], [3.0], ["HTTP 503"]),
    "early-close": (["close 600"], [RETRY_S], ["ended before"]),
    # On a kept connection the first may have crossed the server's good-bye: asked anew at once.
    "nothing-at-all": (["close", "close"], [0.0, RETRY_S], ["ended before"]),
    "reset": (["reset 600"], [RETRY_S], ["ended before"]),
    "silence": (["silence"], [RETRY_S], ["no answer in time"]),
    "dribble": (["dribble 1 byte 40ms"], [RETRY_S], ["no answer in time"]),
    "late": (["delay 5s"], [RETRY_S], ["no answer in time"]),
}

# Kinds that only a change from outside can mend.
PERMANENT: Dict[str, Tuple[str, str]] = {
    "refused": ("status 400", "HTTP 400 invalid_request: Identity not found"),
    "unauthorized": ("status 401", "HTTP 401 unauthorized_client"),
    "redirect": ("redirect", "HTTP 302"),
    "no-content": ("status 204 shape empty", "HTTP 204"),
    "garbage": ("garbage 700", "not HTTP"),
    "oversize": ("oversize", "larger than 32 KiB"),
    "endless-head": ("header X:" + "x" * 9000, "head is too large"),
    "no-json": ("body " + MARKER, "not one JSON object"),
    "no-token": ('body {"expires_in":"1"}', "no access_token"),
    "expired-token": ("expired", "expired already"),
    "two-answers": ("after " + MARKER, "bytes follow"),
}

# Answers that look odd and are none the worse for it.
HARMLESS = {
    "chunks": "chunked 1,2,3", "old-http": "http10", "to-the-end": "no-length",
    "hangup": "hangup", "numbers": "numbers", "escapes": "escape", "large": "token-size 20000",
    "slow": "dribble 100 bytes 5ms",
}


@dataclass
class Scene:
    """An agent with a token in force, to which something happens after SIGUSR1."""

    host: str
    agent: Agent
    before: Look


class OutageTest(EmulatedTest):
    def set_scene(self, name: str) -> Scene:
        """Starts an agent and waits for its first token."""
        host = f"{name}.example"
        path = self.folder / name
        config = self.write_config(config_text(
            {"t": {"resource": f"https://{host}/", "endpoint": self.emulator.url}},
            {str(path): {"token": "t"}}, timeout="1"), name)
        agent = self.start("run", "-c", config)
        agent.wait_event("published")
        return Scene(host, agent, look(path))

    def requests(self, scene: Scene) -> List[LoggedRequest]:
        return requests_for(self.emulator, f"//{scene.host}/")

    def misbehave(self, scene: Scene, steps: List[str]) -> None:
        self.emulator.add_steps("\n".join(f"when {scene.host} {step}" for step in steps))
        scene.agent.send(signal.SIGUSR1)

    def look_at(self, scene: Scene) -> Look:
        return look(self.folder / scene.host[:-len(".example")])

    def check_new(self, scene: Scene) -> None:
        found = self.look_at(scene)
        verify.verify_token(found.content.decode(), self.keys)
        self.assertNotEqual(found.content, scene.before.content)
        self.assertEqual(found.sha256, self.requests(scene)[-1].token_sha256)


class Failures(OutageTest):
    def test_what_passes_is_retried_and_the_old_token_stays(self) -> None:
        scenes = {name: self.set_scene(name) for name in TRANSIENT}
        reader = Reader(*[self.folder / name for name in scenes])
        self.addCleanup(reader.kill)
        for name, scene in scenes.items():
            self.misbehave(scene, TRANSIENT[name][0])
        for name, scene in scenes.items():
            with self.subTest(name):
                scene.agent.wait_event("refresh_failed")
                if not scene.agent.events("recovered"):
                    self.assertEqual(self.look_at(scene), scene.before)
        for name, (steps, waits, reasons) in TRANSIENT.items():
            with self.subTest(name):
                scene = scenes[name]
                scene.agent.wait_event("published", count=2)
                self.check_new(scene)
                requests = self.requests(scene)[1:]
                self.assertEqual(len(requests), len(steps) + 1)
                self.assertEqual({request.query.get("bypass_cache") for request in requests},
                                 {"true"})
                for earlier, later, wait in zip(requests, requests[1:], waits):
                    self.assertGreater(later.time - earlier.time, wait - 0.05)
                failures = scene.agent.events("refresh_failed")
                self.assertEqual(len(failures), len(reasons))
                for line, reason in zip(failures, reasons):
                    self.assertIn(reason, line)
                    self.assertIn(self.emulator.url[len("http://"):], line)
                scene.agent.wait_event("recovered", f"failures={len(reasons)}")
                self.assertEqual(scene.agent.stop(), 0)
        for found, scene in zip(reader.finish(), scenes.values()):
            self.assertEqual((found["missing"], found["seen"]),
                             (0, [scene.before.sha256, self.look_at(scene).sha256]), scene.host)

    def test_what_lasts_is_asked_for_slowly_and_the_old_token_stays(self) -> None:
        scenes = {name: self.set_scene(name) for name in PERMANENT}
        for name, scene in scenes.items():
            self.misbehave(scene, [PERMANENT[name][0]])
        for name, scene in scenes.items():
            with self.subTest(name):
                [line] = scene.agent.wait_event("refresh_failed", PERMANENT[name][1])
                retry_in_s = int(line.partition("retry_in_s=")[2].split()[0])
                self.assertGreaterEqual(retry_in_s, SLOW_POLL_S)
                self.assertEqual(self.look_at(scene), scene.before)
        for name, scene in scenes.items():
            with self.subTest(name):
                scene.agent.send(signal.SIGUSR1)  # the change from outside
                scene.agent.wait_event("published", count=2)
                self.check_new(scene)
                self.assertEqual(len(self.requests(scene)), 3)
                self.assertEqual(scene.agent.stop(), 0)

    def test_what_is_harmless(self) -> None:
        scenes = {name: self.set_scene(name) for name in HARMLESS}
        for name, scene in scenes.items():
            self.misbehave(scene, [HARMLESS[name]])
        for name, scene in scenes.items():
            with self.subTest(name):
                scene.agent.wait_event("published", count=2)
                self.check_new(scene)
                self.assertEqual(scene.agent.events("refresh_failed"), [])
        scene = scenes["hangup"]
        scene.agent.send(signal.SIGUSR1)  # the kept connection is gone: a new one, no failure
        scene.agent.wait_event("published", count=3)
        self.assertEqual(scene.agent.events("refresh_failed"), [])


class Outages(OutageTest):
    def test_an_outage_is_survived(self) -> None:
        emulator = self.start_emulator()
        agent = self.start("run", "-c", self.simple_config(emulator.url, "vault"))
        agent.wait_event("published")
        before = look(self.file)
        emulator.set_steps("refuse 3s")
        begin = time.monotonic()
        agent.send(signal.SIGUSR1)
        agent.wait_event("refresh_failed", "connection refused")
        self.assertEqual(look(self.file), before)
        agent.wait_event("recovered")
        self.assertGreater(time.monotonic() - begin, 3)
        wait_until(lambda: look(self.file).content != before.content, "the new token")
        self.assertEqual(agent.stop(), 0)

    def test_an_endpoint_that_is_not_up_yet(self) -> None:
        emulator = self.start_emulator(script="refuse 1s")
        agent = self.start("run", "-c", self.simple_config(emulator.url, "vault"))
        agent.wait_event("refresh_failed", "connection refused")
        self.assertFalse(self.file.exists())
        agent.wait_event("published")

    def test_one_token_that_fails_does_not_keep_another_from_its_file(self) -> None:
        emulator = self.start_emulator(script="when bad.example status 500 x*")
        config = self.write_config(config_text(
            {name: {"resource": f"https://{name}.example", "endpoint": emulator.url}
             for name in ("bad", "good")},
            {str(self.folder / name): {"token": name} for name in ("bad", "good")}))
        agent = self.start("run", "-c", config)
        agent.wait_event("published", "/good")
        self.assertFalse((self.folder / "bad").exists())
        self.assertEqual(agent.stop(), 0)

    def test_a_redirect_leads_nowhere(self) -> None:
        elsewhere = self.start_emulator()
        emulator = self.start_emulator(script=f"redirect {elsewhere.token_url('vault')} x*")
        agent = self.start("run", "-c", self.simple_config(emulator.url, "vault"))
        agent.wait_event("refresh_failed", "never followed")
        self.assertEqual(agent.stop(), 0)
        self.assertEqual(elsewhere.requests(every=True), [])


class Expiry(OutageTest):
    def test_each_policy_at_the_end_of_a_short_life(self) -> None:
        self.emulator.add_steps("when short.example lifetime 3s")
        policies = ("remove", "keep", "empty")
        config = self.write_config(config_text(
            {"t": {"resource": "https://short.example/", "endpoint": self.emulator.url}},
            {str(self.folder / policy): {"token": "t", "on_expiry": policy, "mode": "0640"}
             for policy in policies}))
        agent = self.start("run", "-c", config)
        agent.wait_event("published", count=3)
        before = {policy: look(self.folder / policy) for policy in policies}
        claims = verify.verify_token(before["keep"].content.decode(), self.keys)
        agent.wait_event("stale", "token=t")
        agent.wait_event("expired", "token=t")
        self.assertLess(abs(time.time() - claims["exp"]), 1.5)
        wait_until(lambda: not (self.folder / "remove").exists(), "the file removed")
        self.assertEqual(look(self.folder / "keep"), before["keep"])
        wait_until(lambda: look(self.folder / "empty").content == b"", "the file emptied")
        self.assertEqual(look(self.folder / "empty").mode, 0o640)
        agent.wait_event("expired_file_cleared", count=2)
        self.assertEqual(len(requests_for(self.emulator, "short.example")), 1)
        agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=6)
        for policy in policies:
            content = look(self.folder / policy).content
            verify.verify_token(content.decode(), self.keys)
            self.assertNotEqual(content, before[policy].content)

    def test_kept_through_an_outage_until_it_expires(self) -> None:
        self.emulator.add_steps("when outage.example lifetime 3s\n"
                                "when outage.example status 503 x3")
        agent = self.start("run", "-c", self.simple_config(self.emulator.url,
                                                           "https://outage.example/"))
        agent.wait_event("published")
        before = look(self.file)
        agent.send(signal.SIGUSR1)
        agent.wait_event("refresh_failed", "HTTP 503")
        self.assertEqual(look(self.file), before)
        agent.wait_event("expired_file_cleared")
        self.assertFalse(self.file.exists())
        self.assertEqual(agent.stop(), 0)


if __name__ == "__main__":
    unittest.main()
