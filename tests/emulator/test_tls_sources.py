"""Tests of TLS, and of the sources that speak it: Service Fabric and workload identity."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlencode, urlsplit

import identities
from certificates import KINDS
from harness import Emulator
from inprocess import RESOURCE, Reply, World, WorldTest

SYSTEM = identities.system_identity()
APP = identities.user_identity("app")


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port


def blind() -> ssl.SSLContext:
    """A client's context that accepts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


class Tls(WorldTest):
    options = ("--source", "https://imds", "--tls-name", "vault.example")

    def connect(self, context: Optional[ssl.SSLContext] = None,
                name: str = "127.0.0.1") -> ssl.SSLSocket:
        port = port_of(self.world.endpoint("imds"))
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.addCleanup(raw.close)
        wrapped = (context or self.world.trust()).wrap_socket(raw, server_hostname=name)
        self.addCleanup(wrapped.close)
        return wrapped

    def set(self, **settings: Any) -> None:
        for name, value in settings.items():
            setattr(self.world.emulator._world.settings, name, value)

    def test_names(self) -> None:
        for name in ("127.0.0.1", "localhost", "vault.example"):
            self.connect(name=name)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(name="other.example")

    def test_bad_certificates(self) -> None:
        reasons = {
            "expired": "expired", "not-yet-valid": "not yet valid", "self-signed": "self.signed",
            "other-self-signed": "self.signed", "untrusted": "unable to get", "other-name": "IP",
            "other-purpose": "purpose", "weak-signature": "too weak", "incomplete": "unable to"}
        for kind, reason in reasons.items():
            self.set(certificate=kind)
            with self.assertRaisesRegex(ssl.SSLCertVerificationError, reason, msg=kind):
                self.connect()
        entries = self.world.entries()
        self.assertEqual({each["source"] for each in entries}, {"handshake"})
        self.assertEqual({each["server"] for each in entries}, {"imds"})
        for kind in set(KINDS) - set(reasons):
            self.set(certificate=kind)
            self.connect()

    def test_self_signed_certificates_are_stable_and_differ(self) -> None:
        authority = self.world.emulator._need_authority()
        self.set(certificate="self-signed")
        seen = {hashlib.sha1(self.connect(blind()).getpeercert(True) or b"").hexdigest().upper()
                for _ in range(2)}
        self.assertEqual(seen, {authority.thumbprint("self-signed")})
        self.assertNotEqual(authority.thumbprint("other-self-signed"),
                            authority.thumbprint("self-signed"))

    def test_versions(self) -> None:
        for version in ("1.2", "1.3"):
            self.set(tls=version)
            self.assertEqual(self.connect().version(), "TLSv" + version)
            client = self.world.trust()
            other = ssl.TLSVersion.TLSv1_3 if version == "1.2" else ssl.TLSVersion.TLSv1_2
            client.minimum_version = client.maximum_version = other
            with self.assertRaises(ssl.SSLError):
                self.connect(client)

    def test_requests_name_the_version(self) -> None:
        self.world.call(self.world.endpoint("imds") + "/metadata/identity/oauth2/token"
                        f"?api-version=2018-02-01&resource={RESOURCE}", {"Metadata": "true"})
        self.assertEqual(self.world.entries()[-1]["tls"], "TLSv1.3")

    def test_cut_handshakes(self) -> None:
        for version in ("1.2", "1.3"):
            self.set(tls=version, tls_cut=None)
            for count in (0, 1, 5, 100, 500):
                self.set(tls_cut=count)
                with self.assertRaises((ssl.SSLError, OSError)):
                    self.connect()
            self.set(tls_cut=100_000)
            self.connect()

    def test_small_records(self) -> None:
        for version in ("1.2", "1.3"):
            self.set(tls=version, tls_records=1)
            connection = self.connect()
            connection.sendall(b"GET /common/discovery/keys HTTP/1.1\r\nHost: x\r\n"
                               b"Connection: close\r\n\r\n")
            pieces = []
            while True:
                data = connection.recv(1000)
                if not data:
                    break
                pieces.append(data)
            self.assertEqual({len(piece) for piece in pieces}, {1})
            self.assertTrue(b"".join(pieces).startswith(b"HTTP/1.1 200 OK"))

    def test_ends_with_and_without_notice(self) -> None:
        self.world.steps("no-length\nclose 200\nreset 200")
        target = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + RESOURCE
        request = f"GET {target} HTTP/1.1\r\nHost: x\r\nMetadata: true\r\n\r\n".encode()
        outcomes = []
        for _ in range(3):
            context = self.world.trust()
            context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
            raw = socket.create_connection(
                ("127.0.0.1", port_of(self.world.endpoint("imds"))), timeout=10)
            with context.wrap_socket(raw, server_hostname="127.0.0.1",
                                     suppress_ragged_eofs=False) as connection:
                connection.sendall(request)
                try:
                    while connection.recv(4096):
                        pass
                    outcomes.append("end")
                except OSError as error:
                    outcomes.append(type(error).__name__)
        self.assertEqual([each == "end" for each in outcomes], [True, False, False])

    def test_plain_requests_are_refused(self) -> None:
        port = port_of(self.world.endpoint("imds"))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertNotIn(b"HTTP", connection.recv(1000))
        self.assertEqual(self.world.entries()[-1]["source"], "handshake")


class ServiceFabric(WorldTest):
    options = ("--source", "service-fabric")

    def ask(self, more: str = "", secret: Optional[str] = None, method: str = "GET",
            version: str = "2019-07-01-preview", resource: str = RESOURCE) -> Reply:
        found = self.world.environment("service-fabric")
        value = found["IDENTITY_HEADER"] if secret is None else secret
        return self.world.call(
            f"{found['IDENTITY_ENDPOINT']}?api-version={version}&resource={resource}{more}",
            {"Secret": value} if value else {}, method, context=blind())

    def test_token(self) -> None:
        reply = self.ask()
        claims = self.world.claims(reply)
        self.assertEqual(reply.json["expires_on"], claims["exp"])
        self.assertNotIn("expires_in", reply.json)
        self.world.steps("strings")
        self.assertEqual(self.ask().json["expires_on"], str(claims["exp"]))

    def test_thumbprint(self) -> None:
        found = self.world.environment("service-fabric")
        self.assertTrue(found["IDENTITY_ENDPOINT"].startswith("https://"))
        port = port_of(found["IDENTITY_ENDPOINT"])
        for kind, same in ((None, True), ("other-self-signed", False), ("good", False)):
            self.world.emulator._world.settings.certificate = kind
            raw = socket.create_connection(("127.0.0.1", port), timeout=10)
            with blind().wrap_socket(raw) as connection:
                shown = hashlib.sha1(connection.getpeercert(True) or b"").hexdigest().upper()
            self.assertEqual(shown == found["IDENTITY_SERVER_THUMBPRINT"], same, kind)

    def test_forced_refresh(self) -> None:
        first = self.ask().json["access_token"]
        self.assertEqual(self.ask().json["access_token"], first)
        sha256 = hashlib.sha256(first.encode()).hexdigest()
        second = self.ask("&token_sha256_to_refresh=" + sha256).json["access_token"]
        self.assertNotEqual(second, first)
        self.assertEqual(self.ask("&token_sha256_to_refresh=" + sha256).json["access_token"],
                         second)
        self.assertEqual(self.world.claims(self.ask("&xms_cc=cp1"))["xms_cc"], ["cp1"])

    def test_refusals(self) -> None:
        for reply, status, code in (
                (self.ask(secret=""), 400, "SecretHeaderNotFound"),
                (self.ask(secret="wrong"), 404, "ManagedIdentityNotFound"),
                (self.ask(version="2018-02-01"), 400, "InvalidApiVersion"),
                (self.ask("&client_id=" + APP.client_id), 400, "invalid_request"),
                (self.ask("&resource=https://x"), 400, "invalid_request"),
                (self.ask("&token_sha256_to_refresh=ABC"), 400, "InvalidRequest"),
                (self.ask(resource="nonsense"), 500, "InternalServerError"),
                (self.ask(method="POST"), 405, "method_not_allowed")):
            self.assertEqual((reply.status, reply.json["error"]["code"]), (status, code))
            self.assertEqual(set(reply.json["error"]), {"correlationId", "code", "message"})


class WorkloadIdentity(WorldTest):
    options = ("--source", "workload-identity", "--user", "app")

    def ask(self, drop: str = "", more: str = "", tenant: str = "", method: str = "POST",
            query: str = "", **changes: str) -> Reply:
        found = self.world.environment("workload-identity")
        try:
            assertion = Path(found["AZURE_FEDERATED_TOKEN_FILE"]).read_text(encoding="utf-8")
        except FileNotFoundError:
            assertion = ""
        form = {"grant_type": "client_credentials", "client_id": found["AZURE_CLIENT_ID"],
                "scope": RESOURCE + "/.default", "client_assertion": assertion,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                **changes}
        form.pop(drop, None)
        url = f"{found['AZURE_AUTHORITY_HOST']}{tenant or found['AZURE_TENANT_ID']}" \
              f"/oauth2/v2.0/token{query}"
        return self.world.call(url, {"Content-Type": "application/x-www-form-urlencoded"}, method,
                               urlencode(form) + more)

    def rotate(self, **changes: Any) -> None:
        cluster = self.world.emulator.cluster
        assert cluster
        cluster.rotate(**changes)

    def refused(self, reply: Reply, error: str, number: int) -> None:
        self.assertEqual((reply.json["error"], reply.json["error_codes"]), (error, [number]))
        self.assertIn(f"AADSTS{number}", reply.json["error_description"])

    def test_token(self) -> None:
        reply = self.ask()
        claims = self.world.claims(reply)
        self.assertEqual((claims["aud"], claims["appid"]), (RESOURCE, APP.client_id))
        for name in ("expires_in", "ext_expires_in"):
            self.assertIsInstance(reply.json[name], int)
        self.assertNotIn("expires_on", reply.json)
        self.world.steps("set refresh_in=1800")
        self.assertEqual(self.ask().json["refresh_in"], 1800)

    def test_the_assertion_is_not_logged(self) -> None:
        self.ask()
        path = self.world.environment("workload-identity")["AZURE_FEDERATED_TOKEN_FILE"]
        text = Path(self.world.log.name).read_text(encoding="utf-8")
        self.assertNotIn(Path(path).read_text(encoding="utf-8"), text)
        form = dict(self.world.entries()[-1]["form"])
        self.assertTrue(form["client_assertion"].startswith("(hidden"))

    def test_requests(self) -> None:
        for name in ("grant_type", "client_id", "scope", "client_assertion"):
            self.refused(self.ask(name), "invalid_request", 900144)
        self.refused(self.ask(more="&scope=x"), "invalid_request", 9000411)
        self.refused(self.ask(resource=RESOURCE), "invalid_request", 90100)
        self.refused(self.ask(grant_type="password"), "unsupported_grant_type", 70003)
        self.refused(self.ask(scope=RESOURCE), "invalid_scope", 1002012)
        self.refused(self.ask(scope="nonsense/.default"), "invalid_resource", 500011)
        self.refused(self.ask(client_id="nobody"), "unauthorized_client", 700016)
        self.refused(self.ask(tenant="elsewhere"), "invalid_request", 90002)
        self.refused(self.ask(query="?scope=x"), "invalid_request", 90100)
        self.assertEqual(self.ask(method="GET").status, 405)
        self.assertEqual(self.ask(claims="{}", client_info="1").status, 200)
        self.assertEqual(self.ask(query="?client-request-id=x").status, 200)

    def test_assertions(self) -> None:
        cases: List[Tuple[Dict[str, Any], int]] = [
            ({"issuer": "https://elsewhere.example"}, 70021), ({"subject": "other"}, 70021),
            ({"audience": "other"}, 70021), ({"lifetime_s": -10.0}, 700024),
            ({"begins_s": 1000.0}, 700024), ({"other_key": True}, 700027),
            ({"content": "nonsense"}, 50027)]
        for changes, number in cases:
            self.rotate(**changes)
            reply = self.ask()
            self.assertEqual(reply.status, 401)
            self.refused(reply, "invalid_client", number)
        self.rotate(link=True)
        self.assertEqual(self.ask().status, 200)

    def test_a_hand_made_signature_is_refused(self) -> None:
        path = Path(self.world.environment("workload-identity")["AZURE_FEDERATED_TOKEN_FILE"])
        head, payload, signature = path.read_text(encoding="utf-8").split(".")
        self.refused(self.ask(client_assertion=f"{head}.{payload}x.{signature}"),
                     "invalid_client", 50027)
        swapped = ("A" if signature[0] != "A" else "B") + signature[1:]
        self.refused(self.ask(client_assertion=f"{head}.{payload}.{swapped}"),
                     "invalid_client", 700027)

    def test_openid_configuration(self) -> None:
        found = self.world.environment("workload-identity")
        base = found["AZURE_AUTHORITY_HOST"] + found["AZURE_TENANT_ID"]
        document = self.world.call(base + "/v2.0/.well-known/openid-configuration").json
        self.assertEqual(document["token_endpoint"], base + "/oauth2/v2.0/token")

    def test_script(self) -> None:
        self.world.steps("status 401 error invalid_client\nstatus 503")
        self.refused(self.ask(), "invalid_client", 70021)
        self.assertEqual([self.ask().status, self.ask().status], [503, 200])


class Process(unittest.TestCase):
    def test_control(self) -> None:
        with Emulator(sources=["service-fabric", "workload-identity"]) as emulator:
            found: Dict[str, str] = emulator.environment("workload-identity")
            path = Path(found["AZURE_FEDERATED_TOKEN_FILE"])
            before = path.read_bytes()
            emulator.write_federated_token(lifetime="10m")
            self.assertNotEqual(path.read_bytes(), before)
            emulator.write_federated_token(content="")
            self.assertEqual(path.read_bytes(), b"")
            emulator.write_federated_token(remove=True)
            self.assertFalse(path.exists())
            self.assertTrue(Path(emulator.ca_file).read_text(encoding="ascii").startswith("-----"))
            emulator.settings(certificate="expired", tls="1.2", tls_cut=10, tls_records=1)
            emulator.settings(certificate=None, tls="any", tls_cut=None, tls_records=None)
            for wrong in ({"certificate": "nice"}, {"tls": "1.1"}):
                with self.assertRaises(ValueError):
                    emulator.settings(**wrong)
            with self.assertRaises(ValueError):
                emulator.put_secret("name", "value")


if __name__ == "__main__":
    unittest.main()
