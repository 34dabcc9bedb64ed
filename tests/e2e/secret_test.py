#!/usr/bin/python3
"""[secret NAME]: Key Vault secrets in files, with the real binary and the emulator's vault."""

from __future__ import annotations

import json
import os
import signal
import unittest
from pathlib import Path
from typing import Dict, List

from support import E2eTest, MARKER, look, miagent, wait_until

VALUE = f"p4ss 'word'\n\"ü\" {MARKER}"  # what support.py looks for in whatever is said


class SecretTest(E2eTest):
    def setUp(self) -> None:
        super().setUp()
        if "tls: no\n" in miagent("--version").out:
            self.skipTest("a build without TLS")
        self.emulator = self.start_emulator(sources=["vault"])
        self.emulator.put_secret("DatabasePassword", VALUE)
        self.path = self.folder / "db"
        self.status = self.place / "status.json"

    def config(self, secret: Dict[str, str] = {}, file: Dict[str, str] = {}, **agent: str) -> str:
        sections = {
            "agent": {"ca_file": self.emulator.ca_file, "status_file": str(self.status), **agent},
            "token vault": {"resource": "vault", "endpoint": self.emulator.url, "source": "imds"},
            "secret db": {"vault": self.emulator.endpoint("vault"), "name": "DatabasePassword",
                          "token": "vault", **secret},
            f"file {self.path}": {"secret": "db", **file}}
        return self.write_config("".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for name, keys in sections.items()))

    def asked(self) -> List[str]:
        return [request.source for request in self.emulator.requests()]

    def rows(self) -> Dict[str, Dict[str, object]]:
        document = json.loads(self.status.read_text(encoding="utf-8"))
        return {row["name"]: row for row in document["tokens"]}


class Once(SecretTest):
    def test_the_value_and_nothing_else_with_mode_0600(self) -> None:
        self.check_result(miagent("once", "-c", self.config()), 0)
        self.assertEqual(look(self.path).content.decode(), VALUE)
        self.assertEqual(look(self.path).mode, 0o600)
        self.assertEqual(self.asked(), ["imds", "vault"])
        sent = self.emulator.requests()[-1]
        self.assertEqual(sent.target, "/secrets/DatabasePassword?api-version=7.4")

    def test_a_fresh_file_needs_no_request_and_an_old_one_does(self) -> None:
        config = self.config(secret={"refresh": "10m"})
        self.check_result(miagent("once", "-c", config), 0)
        before = look(self.path)
        self.check_result(miagent("once", "-c", config), 0)
        self.assertEqual(self.asked(), ["imds", "vault"])
        facts = self.path.stat()
        os.utime(self.path, ns=(facts.st_atime_ns, facts.st_mtime_ns - 11 * 60 * 10**9))
        self.check_result(miagent("once", "-c", config), 0)
        self.assertEqual(self.asked(), ["imds", "vault"] * 2)
        self.assertEqual(look(self.path), before)

    def test_a_version_and_forms(self) -> None:
        old = self.emulator.state()["secrets"]["databasepassword"][0]
        self.emulator.put_secret("DatabasePassword", "new")
        config = self.config({"version": old}, {"format": "template", "template": "<{value}>"})
        self.check_result(miagent("once", "-c", config), 0)
        self.assertEqual(look(self.path).content.decode(), f"<{VALUE}>")
        self.check_result(miagent("once", "-c", self.config(file={"format": "env"})), 0)
        self.assertEqual(look(self.path).content, b"AZURE_SECRET_VALUE='new'\n")

    def test_what_the_vault_refuses(self) -> None:
        self.emulator.put_secret("denied", "x", denied=True)
        for name, code, said in (("denied", 69, "Key Vault Secrets User"),
                                 ("absent", 69, "is the secret's name right")):
            with self.subTest(name):
                result = miagent("once", "-c", self.config({"name": name}), "--timeout", "20")
                self.check_result(result, code, "secret db: key-vault at https://", said)
                self.assertFalse(self.path.exists())

    def test_a_429_is_asked_again_as_it_says(self) -> None:
        self.emulator.add_steps("at vault status 429 retry-after 1")
        self.check_result(miagent("once", "-c", self.config(), "--timeout", "20"), 0)
        self.assertEqual(self.asked(), ["imds", "vault", "vault"])

    def test_without_its_token_it_is_not_asked_for(self) -> None:
        self.emulator.add_steps("status 400 error invalid_resource")
        result = miagent("once", "-c", self.config(), "--timeout", "20")
        self.check_result(result, 69, "token vault: imds at ")
        self.assertNotIn("secret db", result.err)
        self.assertEqual(self.asked(), ["imds"])

    def test_another_certificate_is_shown_no_token(self) -> None:
        self.emulator.settings(certificate="untrusted")
        result = miagent("once", "-c", self.config(), "--timeout", "20")
        self.check_result(result, 69, "self-signed or of an unknown issuer")
        self.assertEqual(self.asked(), ["imds"])

    def test_check_prints_it(self) -> None:
        result = miagent("check", "-c", self.config())
        self.check_result(result, 0)
        url = self.emulator.endpoint("vault").rstrip("/") + "/secrets/DatabasePassword"
        self.assertIn(f"secret db\n  url        {url}\n  token      vault\n  refresh    3600s\n",
                      result.out)
        self.assertIn(f"file {self.path}\n  secret     db\n", result.out)


class Run(SecretTest):
    def test_a_rotation_reaches_the_file_and_nothing_tells_the_value(self) -> None:
        agent = self.start("run", "-c", self.config(log_level="debug"))
        agent.wait_event("published", "secret=db")
        self.assertEqual(look(self.path).content.decode(), VALUE)
        first = look(self.path)
        agent.send(signal.SIGUSR1)
        agent.wait_event("unchanged", "secret=db")
        self.assertEqual(look(self.path), first)
        self.emulator.put_secret("DatabasePassword", f"rotated {MARKER}")
        wait_until(lambda: agent.send(signal.SIGUSR1) or b"rotated" in look(self.path).content,
                   "the new value")
        row = wait_until(lambda: self.rows().get("db"), "its row")
        self.assertEqual((row["source"], row["state"]), ("key-vault", "fresh"))
        self.assertIn("/secrets/DatabasePassword", str(row["resource"]))
        self.assertNotIn(MARKER, self.status.read_text(encoding="utf-8"))
        self.assertNotIn("sha256", "".join(agent.events("fetched", "secret=db")))
        waited = miagent("wait", "-c", str(self.place / "miagent.conf"), "--fresh", "3600")
        self.check_result(waited, 0)
        shown = miagent("status", "-c", str(self.place / "miagent.conf"))
        self.check_result(shown, 0)
        self.assertIn("db", shown.out)
        self.assertEqual(agent.stop(), 0)

    def test_a_revoked_token_is_replaced_by_force(self) -> None:
        agent = self.start("run", "-c", self.config())
        agent.wait_event("published", "secret=db")
        self.emulator.revoke()
        self.emulator.put_secret("DatabasePassword", "rotated")
        agent.send(signal.SIGUSR1)  # which forces the token too, before the secret
        wait_until(lambda: look(self.path).content == b"rotated", "the new value")
        statuses = [each.status for each in self.emulator.requests()]
        self.assertEqual(statuses, [200, 200, 200, 200])
        agent.stop()

    def test_an_outage_keeps_the_file(self) -> None:
        agent = self.start("run", "-c", self.config())
        agent.wait_event("published", "secret=db")
        self.emulator.add_steps("at vault status 503 x*")
        agent.send(signal.SIGUSR1)
        agent.wait_event("refresh_failed", "secret=db", "source=key-vault")
        self.assertEqual(look(self.path).content.decode(), VALUE)
        agent.stop()
        self.assertEqual(look(self.path).content.decode(), VALUE)


if __name__ == "__main__":
    unittest.main()
