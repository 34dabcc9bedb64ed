"""Tests of the resources that take tokens: Resource Manager and a Key Vault."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import unittest
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional
from urllib.parse import quote

from harness import Emulator
from identities import SUBSCRIPTION, system_identity
from inprocess import Reply, WorldTest
from tokens import SigningKey, sign_jwt

MANAGEMENT, VAULT = "https://management.azure.com/", "https://vault.azure.net"
VERSION = "?api-version=2021-04-01"


class ResourceTest(WorldTest):
    options = ("--source", "arm", "--source", "vault", "--secret", "password=s3cr3t-value")

    def token(self, resource: str, more: str = "") -> str:
        target = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + \
            quote(resource, safe="") + more
        return str(self.world.document(target)["access_token"])

    def arm(self, path: str = "", token: Optional[str] = None, method: str = "GET",
            body: Optional[str] = None, version: str = VERSION, **headers: str) -> Reply:
        bearer = self.token(MANAGEMENT) if token is None else token
        if bearer:
            headers["Authorization"] = "Bearer " + bearer
        return self.world.call(self.world.endpoint("arm") + path + version, headers, method, body)

    def vault(self, path: str = "/secrets/password", token: Optional[str] = None,
              version: str = "?api-version=7.4", method: str = "GET") -> Reply:
        bearer = self.token(VAULT) if token is None else token
        headers = {"Authorization": "Bearer " + bearer} if bearer else {}
        return self.world.call(self.world.endpoint("vault") + path + version, headers, method)

    def forged(self, key: Optional[SigningKey] = None, **changes: Any) -> str:
        """A token that Resource Manager would take but for the changes."""
        issuer = self.world.emulator._world.issuer
        now = int(time.time())
        claims: Dict[str, Any] = {"aud": MANAGEMENT, "iss": issuer.issuer_url, "nbf": now - 10,
                                  "exp": now + 1000, **changes}
        return sign_jwt(key or issuer.key, {"alg": "RS256", "kid": issuer.key.key_id}, claims)


class Verification(ResourceTest):
    def test_good_tokens(self) -> None:
        self.assertEqual(self.arm(token=self.forged()).status, 200)
        self.assertEqual(self.arm(token=self.forged(aud=MANAGEMENT.rstrip("/"))).status, 200)

    def test_bad_tokens(self) -> None:
        now = int(time.time())
        for token, code in (
                (self.forged(aud=VAULT), "InvalidAuthenticationTokenAudience"),
                (self.forged(exp=now - 1), "ExpiredAuthenticationToken"),
                (self.forged(nbf=now + 100), "InvalidAuthenticationToken"),
                (self.forged(iss="https://sts.windows.net/other/"), "InvalidAuthenticationToken"),
                (self.forged(SigningKey.generate()), "InvalidAuthenticationToken"),
                ("nonsense", "InvalidAuthenticationToken")):
            reply = self.arm(token=token)
            self.assertEqual((reply.status, reply.json["error"]["code"]), (401, code))
            self.assertIn('error="invalid_token"', reply.head.getheader("WWW-Authenticate") or "")

    def test_no_token(self) -> None:
        reply = self.arm(token="")
        self.assertEqual((reply.status, reply.json["error"]["code"]), (401, "AuthenticationFailed"))
        self.assertRegex(reply.head.getheader("WWW-Authenticate") or "",
                         r'^Bearer authorization_uri="https://login[^"]+", error="invalid_token"')
        reply = self.vault(token="")
        self.assertEqual(reply.status, 401)
        self.assertRegex(reply.head.getheader("WWW-Authenticate") or "",
                         r'^Bearer authorization="[^"]+", resource="https://vault.azure.net"$')
        self.assertEqual(self.vault(token=self.token(MANAGEMENT)).status, 401)

    def test_other_schemes_and_two_headers(self) -> None:
        url = self.world.endpoint("arm") + VERSION
        self.assertEqual(self.world.call(url, {"Authorization": self.token(MANAGEMENT)}).status,
                         401)
        headers = {"Authorization": "Bearer " + self.token(MANAGEMENT),
                   "authorization": "Bearer " + self.token(MANAGEMENT)}
        self.assertEqual(self.world.call(url, headers).status, 401)

    def test_revoked_until_a_forced_refresh(self) -> None:
        issuer = self.world.emulator._world.issuer
        token = self.token(MANAGEMENT)
        issuer.revoke(hashlib.sha256(token.encode()).hexdigest())
        self.assertEqual(self.token(MANAGEMENT), token)  # the endpoint's cache doesn't know
        self.assertEqual(self.arm(token=token).status, 401)
        self.assertEqual(self.arm(token=self.token(MANAGEMENT, "&bypass_cache=true")).status, 200)
        self.assertEqual(self.arm(token=token).status, 401)

    def test_claims_challenge(self) -> None:
        issuer = self.world.emulator._world.issuer
        token = self.token(MANAGEMENT)
        issuer.revoke(issuer.get(system_identity(), MANAGEMENT).uti, claims=True)
        header = self.arm(token=token).head.getheader("WWW-Authenticate") or ""
        self.assertIn('error="insufficient_claims"', header)
        claims = json.loads(base64.b64decode(header.partition('claims="')[2].partition('"')[0]))
        self.assertTrue(claims["access_token"]["nbf"]["essential"])

    def test_steps_touch_a_resource_only_by_name(self) -> None:
        self.world.steps("at vault status 429 retry-after 7\nat arm status 401\nstatus 503")
        self.assertEqual(self.arm(token=self.forged()).status, 401)
        reply = self.vault(token=self.forged(aud=VAULT))
        self.assertEqual((reply.status, reply.head.getheader("Retry-After")), (429, "7"))
        self.assertEqual(reply.json["error"]["code"], "Throttled")
        self.assertEqual(self.arm(token=self.forged()).status, 200)
        self.assertEqual(self.world.get()[0].status, 503)

    def test_the_log_holds_neither_token_nor_secret(self) -> None:
        token = self.token(VAULT)
        self.assertEqual(self.vault(token=token).status, 200)
        text = Path(self.world.log.name).read_text(encoding="utf-8")
        self.assertNotIn(token, text)
        self.assertNotIn("s3cr3t-value", text)
        self.assertEqual([each["source"] for each in self.world.entries()], ["imds", "vault"])


class ResourceManager(ResourceTest):
    def test_groups(self) -> None:
        groups = self.arm().json["value"]
        self.assertEqual([group["name"] for group in groups], ["emulated"])
        self.assertEqual(groups[0]["properties"], {"provisioningState": "Succeeded"})
        content = json.dumps({"location": "westeurope", "tags": {"a": "b"}})
        json_type = {"Content-Type": "application/json; charset=utf-8"}
        self.assertEqual(self.arm("/new", method="PUT", body=content, **json_type).status, 201)
        self.assertEqual(self.arm("/NEW", method="PUT", body=content, **json_type).status, 200)
        self.assertEqual(self.arm("/new").json["tags"], {"a": "b"})
        self.assertEqual(len(self.arm().json["value"]), 2)
        reply = self.arm("/new", method="DELETE")
        self.assertEqual((reply.status, reply.body), (202, b""))
        self.assertEqual(self.arm("/new").json["error"]["code"], "ResourceGroupNotFound")
        self.assertEqual(self.arm("/new", method="DELETE").status, 404)

    def test_refusals(self) -> None:
        json_type = {"Content-Type": "application/json"}
        for reply, status, code in (
                (self.arm(version=""), 400, "MissingApiVersionParameter"),
                (self.arm(version="?api-version=7.4"), 400, "InvalidApiVersionParameter"),
                (self.arm("/a/b"), 404, "ResourceNotFound"),
                (self.arm(method="POST"), 405, "HttpMethodNotSupported"),
                (self.arm("/a", method="PUT", body="{}"), 415, "UnsupportedMediaType"),
                (self.arm("/a", method="PUT", body="{", **json_type), 400,
                 "InvalidRequestContent"),
                (self.arm("/a", method="PUT", body="{}", **json_type), 400, "LocationRequired"),
                (self.arm("/a;", method="PUT", body="{}", **json_type), 400,
                 "InvalidResourceGroup")):
            self.assertEqual((reply.status, reply.json["error"]["code"]), (status, code))
        url = self.world.endpoint("arm").replace(SUBSCRIPTION, "other") + VERSION
        reply = self.world.call(url, {"Authorization": "Bearer " + self.token(MANAGEMENT)})
        self.assertEqual(reply.json["error"]["code"], "SubscriptionNotFound")

    def test_large_lists(self) -> None:
        self.world.steps("at arm oversize 5000000 chunked 16000")
        reply = self.arm()
        self.assertEqual(reply.head.getheader("Transfer-Encoding"), "chunked")
        self.assertGreaterEqual(len(reply.body), 5_000_000)
        self.assertGreater(len(reply.json["value"]), 10_000)


class KeyVault(ResourceTest):
    def test_secret(self) -> None:
        document = self.vault().json
        self.assertEqual(document["value"], "s3cr3t-value")
        self.assertTrue(document["attributes"]["enabled"])
        base, _, version = document["id"].rpartition("/")
        self.assertEqual(base, self.world.endpoint("vault") + "/secrets/password")
        self.assertEqual(self.vault(f"/secrets/password/{version}").json, document)

    def test_rotation(self) -> None:
        vault = self.world.emulator.vault
        assert vault
        before = self.vault().json["id"].rpartition("/")[2]
        version = vault.put("Password", "another", content_type="text/plain", expires=2 ** 31)
        document = self.vault().json
        self.assertEqual((document["value"], document["id"].rpartition("/")[2]),
                         ("another", version))
        self.assertEqual((document["contentType"], document["attributes"]["exp"]),
                         ("text/plain", 2 ** 31))
        self.assertEqual(self.vault("/secrets/password/" + before).json["value"], "s3cr3t-value")

    def test_refusals(self) -> None:
        vault = self.world.emulator.vault
        assert vault
        vault.put("off", "x", enabled=False)
        vault.put("denied", "x", denied=True)
        for reply, status, code in (
                (self.vault(version=""), 400, "BadParameter"),
                (self.vault(version="?api-version=2018-02-01"), 400, "BadParameter"),
                (self.vault("/secrets/a_b"), 400, "BadParameter"),
                (self.vault("/secrets/nothing"), 404, "SecretNotFound"),
                (self.vault("/secrets/password/0123"), 404, "SecretNotFound"),
                (self.vault("/secrets/off"), 403, "Forbidden"),
                (self.vault("/secrets/denied"), 403, "Forbidden"),
                (self.vault(method="PUT"), 405, "MethodNotAllowed")):
            self.assertEqual((reply.status, reply.json["error"]["code"]), (status, code))


class Process(unittest.TestCase):
    def test_control(self) -> None:
        with Emulator(sources=["http://vault", "arm"]) as emulator:
            self.assertTrue(emulator.endpoint("vault").startswith("http://127.0.0.1:"))
            first = emulator.put_secret("name", "value")
            second = emulator.put_secret("name", "other", enabled=False)
            self.assertEqual(emulator.state()["secrets"], {"name": [first, second]})
            emulator.remove_secret("name")
            self.assertEqual(emulator.state()["secrets"], {})
            emulator.revoke()
            cases: List[Callable[[], Any]] = [
                lambda: emulator.revoke("0" * 64),
                lambda: emulator.put_secret("na me", "x"),
                lambda: emulator.put_secret("name", colour="red"),
                lambda: emulator.write_federated_token()]
            for wrong in cases:
                with self.assertRaises(ValueError):
                    wrong()


if __name__ == "__main__":
    unittest.main()
