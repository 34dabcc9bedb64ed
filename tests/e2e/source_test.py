#!/usr/bin/python3
"""Every source that is spoken over HTTP, with the real binary against the emulator.

In namespaces of its own, as Azure Arc's keys are read from one folder of the system alone: a tmpfs
is mounted above it, which nobody else sees. The file is run alone, and skipped where namespaces
are not permitted.
"""

from __future__ import annotations

import json
import os
import signal
import unittest
from pathlib import Path
from typing import Dict, List

from support import NOBODY, E2eTest, Emulator, Result, config_text, look, miagent, wait_until

import netns
import verify
from harness import LoggedRequest
from identities import system_identity, user_identity

ARC_FOLDER = Path("/var/opt")
ARC_KEYS = ARC_FOLDER / "azcmagent" / "tokens"
APP = user_identity("app")
SYSTEM = system_identity()

# What `auto` finds in each one's environment; the others have to be named.
DETECTED = ("cloud-shell", "app-service", "azure-ml", "azure-arc")
NAMED = ("vm-extension", "app-service-2017")
SOURCES = DETECTED + NAMED
SELECTORS = {
    "cloud-shell": (),
    "vm-extension": ("client-id",),
    "app-service": ("client-id", "object-id", "mi-res-id"),
    "app-service-2017": ("client-id",),
    "azure-ml": ("client-id",),
    "azure-arc": ("client-id", "object-id", "mi-res-id"),
}
VALUES = {"client-id": APP.client_id, "object-id": APP.object_id, "mi-res-id": APP.resource_id}


def setUpModule() -> None:
    status = netns.enter()
    if not status.entered:
        raise unittest.SkipTest(status.reason)
    try:
        netns.mount_tmpfs(str(ARC_FOLDER), mode=0o755)
    except OSError as error:
        raise unittest.SkipTest(f"no tmpfs on {ARC_FOLDER}: {error.strerror}") from None
    ARC_KEYS.mkdir(parents=True)


class SourceTest(E2eTest):
    emulator: Emulator
    keys: List[Dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.emulator = Emulator("--user", "app", "--lifetime", "12h", "--arc-keys", str(ARC_KEYS),
                                "--dates", "windows", sources=SOURCES)
        cls.addClassCleanup(cls.emulator.stop)
        cls.keys = verify.fetch_keys(cls.emulator.jwks_url)

    def setUp(self) -> None:
        super().setUp()
        self.emulator.clear_steps()
        self.emulator.settings(arc_agent="new")

    def resource(self) -> str:
        """One that no other test uses."""
        return f"https://{self.id().rpartition('.')[2].replace('_', '-')}.example/"

    def get(self, source: str, *more: str, **options: object) -> Result:
        """By its name, the environment being as its host has it."""
        named = ("--source", source, "--resource", self.resource())
        if source == "vm-extension":
            named += ("--endpoint", self.emulator.endpoint(source))
        options.setdefault("environment", self.emulator.environment(source))
        return miagent("get", *named, *more, **options)

    def requests(self, source: str) -> List[LoggedRequest]:
        return [each for each in self.emulator.requests()
                if each.source == source and each.resource == self.resource()]

    def claims(self, result: Result) -> Dict[str, object]:
        self.assertEqual((result.code, result.err), (0, ""))
        return dict(verify.verify_token(result.out[:-1], self.keys))


class Tokens(SourceTest):
    def test_get_by_name(self) -> None:
        for source in SOURCES:
            with self.subTest(source):
                claims = self.claims(self.get(source))
                self.assertEqual((claims["aud"], claims["oid"]),
                                 (self.resource(), SYSTEM.object_id))
                statuses = [each.status for each in self.requests(source)]
                self.assertEqual(statuses, [401, 200] if source == "azure-arc" else [200])

    def test_get_by_auto(self) -> None:
        for source in DETECTED:
            with self.subTest(source):
                self.claims(miagent("get", "--resource", self.resource(),
                                    environment=self.emulator.environment(source)))
                self.assertEqual(self.requests(source)[-1].status, 200)

    def test_run_into_a_file_by_auto(self) -> None:
        for source in DETECTED:
            with self.subTest(source):
                file = self.folder / source
                config = self.write_config(config_text(
                    {"t": {"resource": self.resource()}}, {str(file): {"token": "t"}}))
                agent = self.start("run", "-c", config,
                                   environment=self.emulator.environment(source))
                agent.wait_event("fetched")
                wait_until(file.exists, "the file")
                first = look(file)
                verify.verify_token(first.content.decode(), self.keys)
                self.emulator.forget_tokens()
                agent.send(signal.SIGUSR1)
                agent.wait_event("fetched", "result=new", count=2)
                wait_until(lambda: look(file).sha256 != first.sha256, "another token")
                verify.verify_token(look(file).content.decode(), self.keys)
                self.assertEqual(agent.stop(), 0)
                self.assertNotIn(self.emulator.environment(source).get("IDENTITY_HEADER", "?"),
                                 agent.log())

    def test_each_selector(self) -> None:
        for source, selectors in SELECTORS.items():
            for selector, value in VALUES.items():
                with self.subTest(source=source, selector=selector):
                    result = self.get(source, f"--{selector}", value)
                    if selector in selectors:
                        self.assertEqual(self.claims(result)["oid"], APP.object_id)
                        continue
                    count = len(self.requests(source))
                    self.check_result(result, 64, f"miagent: --{selector}: the source '{source}'")
                    self.assertEqual(len(self.requests(source)), count)

    def test_azure_ml_has_a_default_identity(self) -> None:
        environment = {**self.emulator.environment("azure-ml"),
                       "DEFAULT_IDENTITY_CLIENT_ID": APP.client_id}
        claims = self.claims(self.get("azure-ml", environment=environment))
        self.assertEqual(claims["oid"], APP.object_id)

    def test_dates(self) -> None:
        for form in ("linux", "windows", "unix", "iso", "plain", "rfc1123"):
            with self.subTest(form):
                self.emulator.settings(dates=form)
                result = self.get("app-service-2017", "--format", "json")
                self.assertEqual((result.code, result.err), (0, ""))
                document = json.loads(result.out)
                claims = verify.verify_token(document["access_token"], self.keys)
                self.assertEqual(int(document["expires_on"]), claims["exp"])
        self.emulator.settings(dates="windows")

    def test_check_and_version_name_them(self) -> None:
        config = self.write_config(config_text(
            {"t": {"resource": "arm"}}, {str(self.file): {"token": "t"}}))
        environment = self.emulator.environment("app-service")
        result = miagent("check", "-c", config, environment=environment)
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertIn("app-service at " + environment["IDENTITY_ENDPOINT"], result.out)
        self.assertNotIn(environment["IDENTITY_HEADER"], result.out)
        version = miagent("--version").out
        for source in SOURCES:
            self.assertIn(f" {source}", version)


class Failures(SourceTest):
    def test_each_sources_own_errors(self) -> None:
        for source, step, code, said in (
                ("cloud-shell", "status 400", 69, ("HTTP 400 AudienceNotSupported",
                                                   "check the resource URI")),
                ("vm-extension", "status 401 error unknown_source", 69, ("URL is wrong",)),
                ("app-service", "status 400", 69, ("HTTP 400",)),
                ("app-service", "status 500", 75, ("HTTP 500", "the resource URI right")),
                ("app-service-2017", "status 429", 75, ("HTTP 429",)),
                ("azure-ml", "status 401", 69, ("HTTP 401",)),
                ("azure-arc", "status 404", 75, ("HTTP 404 identity_not_found",)),
                *((each, "redirect", 69, ("HTTP 302", "never followed")) for each in SOURCES),
                *((each, "status 204 shape empty", 65, ("HTTP 204",)) for each in SOURCES)):
            with self.subTest(source=source, step=step):
                self.emulator.set_steps(f"at {source} {step}")
                result = self.get(source, "--timeout", "1")
                self.check_result(result, code, f"miagent: {source} at http://", *said)
                self.assertEqual((result.out, len(result.err.splitlines())), ("", 1))

    def test_variables_that_are_wrong_are_named_and_nothing_is_sent(self) -> None:
        count = len(self.emulator.requests(every=True))
        for source, name, value, said in (
                ("app-service", "IDENTITY_HEADER", "a b", "has a blank"),
                ("app-service", "IDENTITY_HEADER", "SeCrEt\r\nX: y", "has a blank"),
                ("app-service", "IDENTITY_HEADER", "", "is unset"),
                ("app-service", "IDENTITY_ENDPOINT", "", "is unset"),
                ("app-service", "IDENTITY_ENDPOINT", "localhost/x", "has no scheme"),
                ("app-service", "IDENTITY_ENDPOINT", "http://localhost/a b", "has a blank"),
                ("app-service-2017", "MSI_SECRET", "\xe9", "has a blank"),
                ("azure-ml", "MSI_ENDPOINT", "ftp://localhost/", "has a scheme"),
                ("cloud-shell", "MSI_ENDPOINT", "//localhost", "has no scheme"),
                ("azure-arc", "IDENTITY_ENDPOINT", "127.0.0.1:1", "has no scheme")):
            with self.subTest(name=name, value=value):
                environment = {**self.emulator.environment(source), name: value}
                result = self.get(source, environment=environment)
                self.check_result(result, 78, f"miagent: {name}: {said}")
                self.assertNotIn("SeCrEt", result.err)
                self.assertEqual(result.out, "")
        self.assertEqual(len(self.emulator.requests(every=True)), count)


class Arc(SourceTest):
    def fail(self, step: str, said: str, code: int = 65, **more: object) -> None:
        """With a good token on the file, `run` says what is wrong, and the file stays."""
        self.emulator.set_steps(f"at azure-arc {step} x*")
        result = self.get("azure-arc", **more)
        self.check_result(result, code, "miagent: azure-arc at http://", said)
        self.assertEqual(result.out, "")

    def test_bad_challenges_and_bad_keys(self) -> None:
        for kind, said in (
                ("wrong-scheme", "the challenge is not 'Basic realm=PATH'"),
                ("no-header", "the challenge is not 'Basic realm=PATH'"),
                ("no-realm", "the challenge is not 'Basic realm=PATH'"),
                ("two-equals", "the challenge is not 'Basic realm=PATH'"),
                ("other-directory", "names another file than a .key in /var/opt/azcmagent/tokens"),
                ("relative", "names another file than a .key in /var/opt/azcmagent/tokens"),
                ("not-key", "names another file than a .key in /var/opt/azcmagent/tokens"),
                ("link", "is a symbolic link"),
                ("directory", "is no regular file"),
                ("fifo", "is no regular file"),
                ("oversize", "is larger than 4096 bytes"),
                ("empty", "is empty or has bytes that no header has"),
                ("missing", "can't open the key file that the challenge names: no such file"),
                ("none", "without the challenge that has to come first: HTTP 200")):
            with self.subTest(kind):
                self.fail(f"challenge {kind}", said)
                self.assertEqual(len(self.requests("azure-arc")[-1].header("Authorization") or ""),
                                 0)

    def test_the_published_file_stays(self) -> None:
        config = self.write_config(config_text(
            {"t": {"resource": self.resource()}}, {str(self.file): {"token": "t"}}))
        agent = self.start("run", "-c", config, environment=self.emulator.environment("azure-arc"))
        agent.wait_event("fetched")
        wait_until(self.file.exists, "the file")
        before = look(self.file)
        self.emulator.set_steps("at azure-arc challenge link x*")
        agent.send(signal.SIGUSR1)
        agent.wait_event("refresh_failed", "is a symbolic link")
        self.assertEqual(look(self.file), before)
        self.assertEqual(agent.stop(), 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_a_key_that_may_not_be_read(self) -> None:
        try:
            os.chown(self.place, NOBODY, NOBODY)
        except OSError as error:
            self.skipTest(f"no other user in here: {error.strerror}")
        self.fail("challenge unreadable", "the challenge names: permission denied; make this user "
                  "a member of the group himds", user=NOBODY, group=NOBODY, extra_groups=[])

    def test_the_largest_key(self) -> None:
        self.emulator.set_steps("at azure-arc challenge largest x2")
        self.claims(self.get("azure-arc"))

    def test_the_folder_itself_is_no_link(self) -> None:
        moved = ARC_KEYS.with_name("moved")
        ARC_KEYS.rename(moved)
        self.addCleanup(moved.rename, ARC_KEYS)
        ARC_KEYS.symlink_to(moved)
        self.addCleanup(ARC_KEYS.unlink)
        self.check_result(self.get("azure-arc"), 65, "or its directory is a symbolic link")

    def test_an_older_agent_that_ignores_selectors(self) -> None:
        self.emulator.settings(arc_agent="old")
        for selector, value in VALUES.items():
            with self.subTest(selector):
                result = self.get("azure-arc", f"--{selector}", value)
                self.check_result(result, 65, "not said to be of the identity asked for")
                self.assertEqual(result.out, "")
        self.claims(self.get("azure-arc"))

    def test_an_identity_that_is_not_there_is_the_services_own_error(self) -> None:
        result = self.get("azure-arc", "--client-id", "99999999-2222-3333-4444-555555555555",
                          "--timeout", "1")
        self.check_result(result, 75, "HTTP 404 identity_not_found",
                          "is that identity assigned to this machine?")


if __name__ == "__main__":
    unittest.main()
