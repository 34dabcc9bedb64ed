#!/usr/bin/python3
"""The sources that are spoken over https, with the real binary against the emulator: Service Fabric,
whose server is known by its thumbprint, and workload identity, whose authority has a name.

In namespaces of its own, where a hosts file of the test's stands in the system's place. The file is
run alone, and skipped where namespaces are not permitted.
"""

from __future__ import annotations

import os
import signal
import tempfile
import unittest
from pathlib import Path
from typing import Dict, List

from support import E2eTest, Emulator, Result, config_text, look, miagent, wait_until

import netns
import verify
from identities import system_identity, user_identity

AUTHORITY = "login.miagent.test"
FABRIC = "service-fabric"
FEDERATION = "workload-identity"
SOURCES = (FABRIC, FEDERATION)


def setUpModule() -> None:
    status = netns.enter()
    if not status.entered:
        raise unittest.SkipTest(status.reason)
    with tempfile.NamedTemporaryFile("w", suffix=".hosts", delete=False) as hosts:
        hosts.write(f"127.0.0.1 localhost\n127.0.0.1 {AUTHORITY}\n")
    os.chmod(hosts.name, 0o644)
    unittest.addModuleCleanup(os.unlink, hosts.name)
    try:
        netns.mount_bind(hosts.name, "/etc/hosts")
    except OSError as error:
        raise unittest.SkipTest(f"no file over /etc/hosts: {error.strerror}") from None


class HttpsSourceTest(E2eTest):
    emulator: Emulator
    keys: List[Dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.emulator = Emulator("--user", "app", "--lifetime", "12h", "--tls-name", AUTHORITY,
                                sources=SOURCES)
        cls.addClassCleanup(cls.emulator.stop)
        cls.keys = verify.fetch_keys(cls.emulator.jwks_url)

    def setUp(self) -> None:
        super().setUp()
        self.emulator.clear_steps()
        self.emulator.settings(certificate=None, tls="any")
        self.emulator.write_federated_token()

    def resource(self) -> str:
        """One that no other test uses."""
        return f"https://{self.id().rpartition('.')[2].replace('_', '-')}.example/"

    def environment(self, source: str, **changes: str) -> Dict[str, str]:
        return {**self.emulator.environment(source), **changes}

    def get(self, source: str, *more: str, **changes: str) -> Result:
        return miagent("get", "--source", source, "--resource", self.resource(), "--timeout", "5",
                       "--ca", self.emulator.ca_file, *more,
                       environment=self.environment(source, **changes))

    def token_requests(self) -> int:
        return sum(each.source in SOURCES for each in self.emulator.requests())

    def verify(self, result: Result) -> Dict[str, object]:
        self.assertEqual((result.code, result.err), (0, ""))
        return dict(verify.verify_token(result.out[:-1], self.keys))


class Tokens(HttpsSourceTest):
    def test_get_by_name(self) -> None:
        for source, identity in ((FABRIC, system_identity()), (FEDERATION, user_identity("app"))):
            for version in ("1.2", "1.3"):
                with self.subTest(source, version=version):
                    self.emulator.settings(tls=version)
                    claims = self.verify(self.get(source))
                    self.assertEqual(claims["aud"], self.resource())
                    self.assertEqual(claims["oid"], identity.object_id)

    def test_get_by_auto(self) -> None:
        for source in SOURCES:
            with self.subTest(source):
                self.verify(miagent("get", "--resource", self.resource(), "--ca",
                                    self.emulator.ca_file, environment=self.environment(source)))

    def test_run_into_a_file_by_auto(self) -> None:
        for source in SOURCES:
            with self.subTest(source):
                file = self.folder / source
                config = self.write_config(config_text(
                    {"t": {"resource": self.resource()}}, {str(file): {"token": "t"}},
                    ca_file=self.emulator.ca_file))
                agent = self.start("run", "-c", config, environment=self.environment(source))
                agent.wait_event("published")
                first = look(file)
                verify.verify_file(str(file), self.keys, verify.Expectation("raw", 0o600))
                self.emulator.forget_tokens()
                agent.send(signal.SIGUSR1)
                agent.wait_event("published", count=2)
                self.assertNotEqual(look(file).content, first.content)
                self.assertEqual(agent.stop(), 0)

    def test_an_authority_with_a_name(self) -> None:
        url = self.emulator.environment(FEDERATION)["AZURE_AUTHORITY_HOST"]
        self.assertIn("127.0.0.1", url)
        named = url.replace("127.0.0.1", AUTHORITY)
        self.verify(self.get(FEDERATION, AZURE_AUTHORITY_HOST=named))
        self.verify(self.get(FEDERATION, AZURE_AUTHORITY_HOST=named.rstrip("/")))
        # One that the certificate is not for, and one that nobody knows.
        Path("/etc/hosts").write_text(f"127.0.0.1 {AUTHORITY} other.miagent.test\n",
                                      encoding="ascii")
        other = url.replace("127.0.0.1", "other.miagent.test")
        self.check_result(self.get(FEDERATION, AZURE_AUTHORITY_HOST=other), 69,
                          "workload-identity at https://other.miagent.test", "for another name")

    def test_the_federated_token_is_read_for_every_request(self) -> None:
        file = self.folder / "token"
        config = self.write_config(config_text(
            {"t": {"resource": self.resource()}}, {str(file): {"token": "t"}},
            ca_file=self.emulator.ca_file))
        agent = self.start("run", "-c", config, environment=self.environment(FEDERATION))
        agent.wait_event("published")
        first = look(file)
        assertion = Path(self.emulator.environment(FEDERATION)["AZURE_FEDERATED_TOKEN_FILE"])
        text = assertion.read_text(encoding="ascii")
        for change, said in (({"content": ""}, "holds no assertion"),
                             ({"remove": True}, "can't read the file"),
                             ({"lifetime": -60}, "AADSTS")):
            with self.subTest(said):
                self.emulator.write_federated_token(**change)
                result = self.get(FEDERATION)
                self.assertIn(result.code, (69, 75), result.err)
                self.assertIn(said, result.err)
                self.assertNotIn(text, result.err)
        self.assertEqual(look(file), first)
        self.emulator.write_federated_token()
        self.emulator.forget_tokens()
        agent.send(signal.SIGUSR1)
        agent.wait_event("published", count=2)
        self.assertNotEqual(look(file).content, first.content)
        self.assertNotIn(text, agent.log())
        self.assertEqual(agent.stop(), 0)


class Failures(HttpsSourceTest):
    def test_service_fabric_trusts_one_certificate_alone(self) -> None:
        count = self.token_requests()
        environment = self.emulator.environment(FABRIC)
        thumbprint = environment["IDENTITY_SERVER_THUMBPRINT"]
        wrong = ("0" if thumbprint[0] != "0" else "1") + thumbprint[1:]
        result = self.get(FABRIC, IDENTITY_SERVER_THUMBPRINT=wrong)
        self.check_result(result, 69, "doesn't have the thumbprint")
        # A valid chain is of no use, nor is its absence a fault.
        for kind in ("other-self-signed", "root-signed"):
            self.emulator.settings(certificate=kind)
            self.check_result(self.get(FABRIC, IDENTITY_SERVER_THUMBPRINT=thumbprint), 69,
                              "doesn't have the thumbprint")
        self.assertEqual(self.token_requests(), count)  # the secret was sent to nobody
        spaced = ":".join(thumbprint[index:index + 2] for index in range(0, 40, 2)).upper()
        self.emulator.settings(certificate=None)
        self.verify(self.get(FABRIC, IDENTITY_SERVER_THUMBPRINT=spaced))
        self.check_result(self.get(FABRIC, IDENTITY_SERVER_THUMBPRINT="abc"), 78,
                          "IDENTITY_SERVER_THUMBPRINT")

    def test_https_is_required(self) -> None:
        count = self.token_requests()
        for source, variable in ((FABRIC, "IDENTITY_ENDPOINT"),
                                 (FEDERATION, "AZURE_AUTHORITY_HOST")):
            url = self.emulator.environment(source)[variable].replace("https://", "http://")
            self.check_result(self.get(source, **{variable: url}), 78, variable, "plain http")
        self.assertEqual(self.token_requests(), count)

    def test_an_authority_with_a_bad_certificate_is_sent_nothing(self) -> None:
        count = self.token_requests()
        for kind, said in (("expired", "has expired"), ("not-yet-valid", "not yet valid"),
                           ("self-signed", "self-signed or of an unknown issuer"),
                           ("untrusted", "unknown issuer"), ("other-name", "for another name"),
                           ("other-purpose", "not for servers"),
                           ("weak-signature", "weak or unknown"),
                           ("incomplete", "unknown issuer")):
            with self.subTest(kind):
                self.emulator.settings(certificate=kind)
                self.check_result(self.get(FEDERATION), 69, said)
        self.assertEqual(self.token_requests(), count)

    def test_errors_of_the_service(self) -> None:
        for source, step, code, said in (
                (FABRIC, "status 404 error ManagedIdentityNotFound shape fabric", 69,
                 "HTTP 404 ManagedIdentityNotFound"),
                (FABRIC, "status 400 error SecretHeaderNotFound shape fabric", 69,
                 "HTTP 400 SecretHeaderNotFound"),
                (FEDERATION, "status 400 error invalid_client shape aad", 69,
                 "HTTP 400 invalid_client"),
                (FEDERATION, "status 503", 75, "HTTP 503"),
                (FEDERATION, "redirect https://127.0.0.1/", 69, "redirect")):
            with self.subTest(source=source, step=step):
                self.emulator.set_steps(f"at {source} {step} x*")
                self.check_result(self.get(source), code, said)


if __name__ == "__main__":
    unittest.main()
