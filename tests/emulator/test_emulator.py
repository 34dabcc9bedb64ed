"""Tests of the emulator: /usr/bin/python3 -m unittest discover -s tests/emulator"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import behaviour
import identities
import verify
from behaviour import Script, ScriptError, parse_script, parse_step
from harness import PROGRAM, PYTHON, Emulator, exchange
from inprocess import RESOURCE, TARGET, World, WorldTest
from throttle import Throttle
from tokens import SigningKey, base64url, base64url_decode

class ImdsChecks(WorldTest):
    options = ("--user", "app,client_id=11111111-2222-3333-4444-555555555555")

    def refused(self, more: str, headers: Optional[Dict[str, str]] = None,
                method: str = "GET") -> Tuple[int, str, str]:
        target = more if more.startswith("/") else TARGET + more
        response, body = self.world.get(target, headers, method)
        document = json.loads(body)
        return response.status, document["error"], document.get("error_description", "")

    def test_metadata_header_must_be_true(self) -> None:
        wrong: List[Dict[str, str]] = [{}, {"Metadata": "True"}, {"Metadata": "false"}]
        for headers in wrong:
            self.assertEqual(self.refused("", headers)[:2], (400, "bad_request_102"))

    def test_forwarded_for_is_refused(self) -> None:
        headers = {"Metadata": "true", "X-Forwarded-For": "10.0.0.1"}
        self.assertEqual(self.refused("", headers)[0], 400)

    def test_only_get(self) -> None:
        self.assertEqual(self.refused("", method="POST")[0], 405)

    def test_other_paths_are_not_found(self) -> None:
        self.assertEqual(self.refused("/metadata/identity/oauth2/Token?a=b")[0], 404)

    def test_api_version(self) -> None:
        path = TARGET.partition("?")[0]
        for version in ("", "&api-version=2017-04-02", "&api-version="):
            status, _, text = self.refused(f"{path}?resource={RESOURCE}{version}")
            self.assertEqual(status, 400)
            self.assertIn("api-version", text)
        self.world.document(f"{path}?resource={RESOURCE}&api-version=2021-02-01")

    def test_resource(self) -> None:
        path = TARGET.partition("?")[0] + "?api-version=2018-02-01"
        for more in ("", "&resource="):
            self.assertEqual(self.refused(path + more),
                             (400, "invalid_request",
                              "Required query variable 'resource' is missing"))
        self.assertEqual(self.refused(path + "&resource=nonsense")[:2], (400, "invalid_resource"))

    def test_duplicates(self) -> None:
        for more in ("&resource=https://a", "&api-version=2018-02-01", "&x=1&X=2"):
            self.assertEqual(self.refused(more)[:2], (400, "invalid_request"), more)

    def test_one_selector_at_most(self) -> None:
        self.assertEqual(self.refused("&client_id=a&object_id=b")[0], 400)
        self.assertEqual(self.refused("&client_id=")[0], 400)

    def test_unknown_identity(self) -> None:
        for name in ("client_id", "object_id", "msi_res_id"):
            self.assertEqual(self.refused(f"&{name}=nobody"),
                             (400, "invalid_request", "Identity not found"))

    def test_mi_res_id_is_no_parameter_of_imds(self) -> None:
        self.assertEqual(self.world.document(TARGET + "&mi_res_id=nobody")["client_id"],
                         identities.system_identity().client_id)

    def test_selectors_find_and_echo(self) -> None:
        app = identities.user_identity(self.options[1])
        for name, value in (("client_id", app.client_id), ("object_id", app.object_id),
                            ("msi_res_id", app.resource_id.upper())):
            document = self.world.document(f"{TARGET}&{name}={value}")
            self.assertEqual(document["client_id"], app.client_id)
            self.assertEqual(document[name].lower(), value.lower())

    def test_invalid_resource_has_the_shape_of_entra(self) -> None:
        _, body = self.world.get(TARGET.replace(RESOURCE, "nonsense"))
        self.assertEqual(json.loads(body)["error_codes"], [50001])


class DefaultIdentity(unittest.TestCase):
    def select(self, system: bool, users: int) -> str:
        known = identities.Identities(
            identities.system_identity() if system else None,
            [identities.user_identity(f"user{index}") for index in range(users)])
        try:
            return known.select(None, "").name
        except identities.NotFound as error:
            return error.description

    def test_rules(self) -> None:
        self.assertEqual(self.select(True, 2), "system")
        self.assertEqual(self.select(False, 1), "user0")
        self.assertIn("Multiple user assigned identities", self.select(False, 2))
        self.assertEqual(self.select(False, 0), "Identity not found")


class Tokens(WorldTest):
    options = ("--lifetime", "1000s")

    def test_document(self) -> None:
        document = self.world.document()
        self.assertTrue(all(isinstance(value, str) for value in document.values()))
        self.assertEqual(document["refresh_token"], "")
        self.assertEqual(document["token_type"], "Bearer")
        self.assertEqual(document["resource"], RESOURCE)
        self.assertIn(int(document["expires_on"]) - int(time.time()), (999, 1000))
        self.assertIn(int(document["expires_in"]), (999, 1000))
        self.assertEqual(int(document["expires_on"]) - int(document["not_before"]), 1300)

    def test_claims_and_signature(self) -> None:
        document = self.world.document()
        keys = json.loads(self.world.get("/common/discovery/keys", {})[1])["keys"]
        claims = verify.verify_token(document["access_token"], keys)
        system = identities.system_identity()
        self.assertEqual(claims["aud"], RESOURCE)
        self.assertEqual(claims["appid"], system.client_id)
        self.assertEqual(claims["oid"], system.object_id)
        self.assertEqual(claims["xms_mirid"], system.resource_id)
        self.assertEqual(claims["iss"], f"https://sts.windows.net/{claims['tid']}/")
        self.assertEqual(claims["ver"], "1.0")
        self.assertEqual(claims["exp"], int(document["expires_on"]))
        self.assertEqual((claims["nbf"], claims["iat"]), (int(document["not_before"]),) * 2)

    def test_openid_configuration(self) -> None:
        for prefix in ("", "/common", f"/{identities.TENANT_ID}"):
            _, body = self.world.get(prefix + "/.well-known/openid-configuration", {})
            document = json.loads(body)
            self.assertEqual(document["jwks_uri"],
                             f"http://127.0.0.1:{self.world.port}/common/discovery/keys")
            self.assertEqual(document["issuer"],
                             f"https://sts.windows.net/{identities.TENANT_ID}/")

    def test_the_same_token_until_bypassed(self) -> None:
        first = self.world.document()["access_token"]
        self.assertEqual(self.world.document()["access_token"], first)
        bypassed = self.world.document(TARGET + "&bypass_cache=true")["access_token"]
        self.assertNotEqual(bypassed, first)
        self.assertEqual(self.world.document()["access_token"], bypassed)
        other = self.world.document(TARGET.replace("storage", "other"))["access_token"]
        self.assertNotEqual(other, bypassed)
        self.assertEqual([e["token_new"] for e in self.world.entries()],
                         [True, False, True, False, True])

    def test_scripted_tokens(self) -> None:
        self.world.document()
        self.world.steps("expired\nwrong identity\nlifetime 7s\ntoken-size 9000\nfresh\nnumbers")
        self.assertLess(int(self.world.document()["expires_on"]), time.time())
        self.assertNotEqual(self.world.document()["client_id"],
                            identities.system_identity().client_id)
        self.assertIn(self.world.document()["expires_in"], ("6", "7"))
        self.assertIn(len(self.world.document()["access_token"]), (9000, 9001, 9002))
        self.world.document()
        self.assertIsInstance(self.world.document()["expires_on"], int)
        self.assertEqual([e["token_new"] for e in self.world.entries()], [True] * 6 + [False])

    def test_scripted_documents(self) -> None:
        self.world.steps('set expires_on="soon"\ndrop expires_in\nrepeat resource\nescape\n'
                         "oversize 33000")
        self.assertEqual(self.world.document()["expires_on"], "soon")
        self.assertNotIn("expires_in", self.world.document())
        self.assertEqual(self.world.get()[1].count(b'"resource"'), 2)
        _, escaped = self.world.get()
        plain = self.world.get()[1]
        self.assertEqual(len(plain), 33000)
        self.assertIn(b'"\\u0065', escaped)
        self.assertIn(b"https:\\/\\/", escaped)
        self.assertEqual(json.loads(escaped)["access_token"], json.loads(plain)["access_token"])


class Options(unittest.TestCase):
    def world(self, *options: str) -> World:
        world = World(*options)
        self.addCleanup(world.stop)
        return world

    def test_no_cache_and_numbers(self) -> None:
        world = self.world("--no-cache", "--numbers")
        documents = [world.document(), world.document()]
        self.assertNotEqual(documents[0]["access_token"], documents[1]["access_token"])
        self.assertIsInstance(documents[0]["expires_in"], int)

    def test_token_size(self) -> None:
        world = self.world("--token-size", "4000")
        self.assertIn(len(world.document()["access_token"]), (4000, 4001, 4002))

    def test_date(self) -> None:
        self.assertIsNone(self.world("--date", "none").get()[0].getheader("Date"))
        shifted = self.world("--date", "+1h").get()[0].getheader("Date") or ""
        seconds = time.mktime(time.strptime(shifted, "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
        self.assertAlmostEqual(seconds, time.time() + 3600, delta=5)

    def test_known_resources(self) -> None:
        world = self.world("--resource", "https://vault.azure.net")
        world.document(TARGET.replace(RESOURCE, "https://vault.azure.net/"))
        self.assertEqual(world.get()[0].status, 400)

    def test_framing(self) -> None:
        self.assertIn(b"\r\n3\r\n", self.world("--chunked", "1,2,3").wire())
        old = self.world("--http10").wire()
        self.assertTrue(old.startswith(b"HTTP/1.0 200 OK\r\n"))
        self.assertNotIn(b"Content-Length", old)

    def test_keep_alive_off(self) -> None:
        world = self.world("--keep-alive", "0")
        self.assertEqual(world.get()[0].getheader("Connection"), "close")

    def test_throttling(self) -> None:
        world = self.world("--throttle", "2")
        self.assertEqual([world.get()[0].status for _ in range(3)], [200, 200, 429])

    def test_throttle_counts_a_second_and_at_once(self) -> None:
        now = 10.0
        throttle = Throttle(2, 1, lambda: now)
        with throttle as first, throttle as second:
            self.assertEqual((first, second), (True, False))
        now = 10.9
        with throttle as third:
            self.assertFalse(third)
        now = 12.0
        with throttle as fourth:
            self.assertTrue(fourth)


class Delivery(WorldTest):
    def test_statuses_with_their_bodies(self) -> None:
        self.world.steps("status 429 retry-after 3\nstatus 400 error unauthorized_client\n"
                         "status 500 shape nested\nstatus 400 shape text error bad_request_102\n"
                         "status 503 shape empty\nstatus 400 shape aad-string\n"
                         "status 400 shape code\nstatus 418 body {\"a\": 1}\nredirect")
        response, _ = self.world.get()
        self.assertEqual((response.status, response.getheader("Retry-After")), (429, "3"))
        self.assertEqual(json.loads(self.world.get()[1])["error"], "unauthorized_client")
        self.assertEqual(json.loads(self.world.get()[1])["error"]["code"], "unknown")
        self.assertEqual(self.world.get()[1], b"Required metadata header not specified")
        self.assertEqual(self.world.get()[1], b"")
        self.assertIsInstance(json.loads(self.world.get()[1])["error_codes"], str)
        self.assertEqual(set(json.loads(self.world.get()[1])), {"code", "message"})
        response, body = self.world.get()
        self.assertEqual((response.status, body), (418, b'{"a": 1}'))
        response, _ = self.world.get()
        self.assertEqual(response.status, 302)
        self.assertIsNotNone(response.getheader("Location"))
        self.world.document()

    def test_statuses_without_a_body(self) -> None:
        self.world.steps("status 204\nstatus 304")
        for _ in range(2):
            answer = self.world.wire()
            self.assertTrue(answer.endswith(b"\r\n\r\n"))
            self.assertNotIn(b"Content-Length", answer)

    def test_retry_after_as_a_date(self) -> None:
        self.world.steps("status 429 retry-after date:5s")
        value = self.world.get()[0].getheader("Retry-After") or ""
        self.assertRegex(value, r"^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$")

    def test_cut_connections(self) -> None:
        self.world.steps("close\nclose 20\nreset\nreset at 20")
        self.assertEqual(self.world.wire(), b"")
        self.assertEqual(len(self.world.wire()), 20)
        for _ in range(2):
            with self.assertRaises(ConnectionResetError):
                self.world.wire()
        self.assertEqual([(e["outcome"], e["status"]) for e in self.world.entries()],
                         [("close", None), ("close", 200), ("reset", None), ("reset", 200)])

    def test_dribble_and_delay(self) -> None:
        self.world.steps("dribble 100 bytes 1ms delay 50ms")
        start = time.monotonic()
        answer = self.world.wire()
        self.assertGreater(time.monotonic() - start, 0.05 + 0.001 * (len(answer) // 100 - 1))
        self.assertEqual(json.loads(answer.partition(b"\r\n\r\n")[2])["resource"], RESOURCE)

    def test_strange_bytes(self) -> None:
        self.world.steps("garbage 500\nraw HTTP/1.1 200 OK\\r\\n\\x00\\\\\nafter EXTRA\ninterim 100"
                         "\nheader X-Test:a\\sb no-length\nchunked sizes 1,2")
        self.assertEqual(len(self.world.wire()), 500)
        self.assertEqual(self.world.wire(), b"HTTP/1.1 200 OK\r\n\0\\")
        self.assertTrue(self.world.wire().endswith(b"}EXTRA"))
        self.assertTrue(self.world.wire().startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"))
        answer = self.world.wire()
        self.assertIn(b"X-Test: a b\r\n", answer)
        self.assertNotIn(b"Content-Length", answer)
        self.assertIn(b"\r\n\r\n1\r\n{\r\n2\r\n", self.world.wire())

    def test_silence_lasts_until_the_client_goes(self) -> None:
        self.world.steps("silence")
        with self.assertRaises(TimeoutError):
            exchange("127.0.0.1", self.world.port,
                     f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), timeout_s=0.05)
        self.assertEqual(self.world.entries()[0]["outcome"], "silence")
        self.world.document()

    def test_refuse_closes_the_port_and_opens_the_same_one(self) -> None:
        kept = http.client.HTTPConnection("127.0.0.1", self.world.port, timeout=5)
        kept.request("GET", TARGET, headers={"Metadata": "true"})
        kept.getresponse().read()
        self.world.steps("refuse 150ms")
        start = time.monotonic()
        with self.assertRaises(ConnectionRefusedError):
            self.world.get()
        self.assertEqual(kept.sock.recv(1), b"")
        kept.close()
        while time.monotonic() - start < 5:
            try:
                self.world.document()
                break
            except ConnectionRefusedError:
                time.sleep(0.005)
        self.assertGreater(time.monotonic() - start, 0.14)
        self.assertEqual(len(self.world.entries()), 2)

    def test_refuse_follows_a_counted_step_at_once(self) -> None:
        self.world.steps("status 503\nrefuse 60s")
        self.assertEqual(self.world.get()[0].status, 503)
        for _ in range(20):
            with self.assertRaises(ConnectionRefusedError):
                self.world.get()

    def test_kept_connection_and_hangup(self) -> None:
        self.world.steps("normal x2\nhangup")
        client = http.client.HTTPConnection("127.0.0.1", self.world.port, timeout=5)
        for _ in range(3):
            client.request("GET", TARGET, headers={"Metadata": "true"})
            client.getresponse().read()
        self.assertEqual(client.sock.recv(1), b"")
        client.close()
        self.assertEqual([(e["connection"], e["index"]) for e in self.world.entries()],
                         [(1, 1), (1, 2), (1, 3)])

    def test_pipelined_and_malformed_requests(self) -> None:
        one = f"GET {TARGET} HTTP/1.1\r\nHost: x\r\nMetadata: true\r\n\r\n".encode()
        answer = exchange("127.0.0.1", self.world.port, one * 2 + b"NONSENSE\r\n\r\n")
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 2)
        self.assertEqual(answer.count(b"HTTP/1.1 400 Bad Request"), 1)
        self.assertEqual([e["source"] for e in self.world.entries()],
                         ["imds", "imds", "malformed"])

    def test_requests_that_break_http(self) -> None:
        for head in ("GET / HTTP/1.1\r\nMetadata: true", "GET / HTTP/1.1\r\nHost: a\r\nHost: b",
                     "GET / HTTP/1.1\r\nHost : a", "GET  / HTTP/1.1\r\nHost: a",
                     "GET / HTTP/2.0\r\nHost: a", "GET / HTTP/1.1\r\nHost: a\r\n folded",
                     "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1"):
            answer = exchange("127.0.0.1", self.world.port, head.encode() + b"\r\n\r\n")
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), head)

    def test_log_holds_no_secret(self) -> None:
        headers = {"Metadata": "true", "Authorization": "Basic c2VjcmV0", "Secret": "s3cr3t"}
        document = json.loads(self.world.get(TARGET, headers)[1])
        text = Path(self.world.log.name).read_text(encoding="utf-8")
        for secret in ("c2VjcmV0", "s3cr3t", document["access_token"]):
            self.assertNotIn(secret, text)
        self.assertIn("(hidden, 6 characters)", text)


class ScriptTest(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 0.0

    def script(self, text: str) -> Script:
        return Script(parse_script(text), lambda: self.now)

    def test_counts(self) -> None:
        script = self.script("status 429 x2\n# comment\n\nstatus 410\n")
        self.assertEqual([script.take("").status for _ in range(4)], [429, 429, 410, None])

    def test_time_starts_when_a_step_becomes_current(self) -> None:
        script = self.script("status 429\nstatus 410 for 5s\nstatus 500")
        self.now = 100.0
        self.assertEqual(script.take("").status, 429)
        self.now = 104.9
        self.assertEqual(script.take("").status, 410)
        self.now = 105.0
        self.assertEqual(script.take("").status, 500)

    def test_when_leaves_others_alone(self) -> None:
        script = self.script("when vault status 503 x2\nstatus 404")
        self.assertEqual([script.take(t).status for t in ("vault", "storage", "vault", "vault")],
                         [503, 404, 503, None])

    def test_refuse_is_never_taken(self) -> None:
        script = self.script("refuse 3s")
        self.assertTrue(script.refusing())
        self.assertIs(script.take(""), behaviour.NORMAL)
        self.now = 3.0
        self.assertFalse(script.refusing())
        self.assertEqual(script.remaining(), [])

    def test_unlimited(self) -> None:
        script = self.script("status 500 x*")
        self.assertEqual({script.take("").status for _ in range(50)}, {500})

    def test_words(self) -> None:
        step = parse_step("dribble 1 byte 10ms x3")
        self.assertEqual((step.dribble_size, step.dribble_interval_s, step.count), (1, 0.01, 3))
        self.assertEqual(parse_step("expired token").lifetime_s, -60)
        self.assertEqual(parse_step("close at byte 7").cut_at, 7)
        self.assertEqual(parse_step("raw a  b\\n").raw, b"a  b\n")
        self.assertIsNone(parse_step("date none").date)
        self.assertEqual(parse_step("redirect http://x/").redirect, "http://x/")

    def test_errors_name_the_line(self) -> None:
        for line in ("sta 400", "status", "status abc", "status 12", "refuse", "delay soon", "x0",
                     "raw \\q", "shape round", "set a", "header a", "wrong token", "garbage",
                     "chunked 0", "when a refuse 1s"):
            with self.assertRaises(ScriptError, msg=line) as caught:
                parse_script("ok\n" + line, "file")
            self.assertTrue(str(caught.exception).startswith("file:2: "), line)


class Process(unittest.TestCase):
    def test_control(self) -> None:
        with Emulator() as emulator:
            emulator.set_steps("status 503")
            emulator.add_steps("status 410")
            self.assertEqual(emulator.state()["steps"], ["status 503", "status 410"])
            emulator.clear_steps()
            self.assertEqual(emulator.state()["steps"], [])
            for wrong in ("sta", "status"):
                with self.assertRaises(ValueError):
                    emulator.set_steps(wrong)
            emulator.settings(lifetime="90s", numbers=True, users=["app"], system=False)
            body = exchange("127.0.0.1", emulator.port, f"GET {TARGET} HTTP/1.0\r\n"
                            "Metadata: true\r\n\r\n".encode()).partition(b"\r\n\r\n")[2]
            document = json.loads(body)
            self.assertIn(document["expires_in"], (89, 90))
            self.assertEqual(document["client_id"], identities.user_identity("app").client_id)
            with self.assertRaises(ValueError):
                emulator.settings(lifetimes="90s")
            with self.assertRaises(ValueError):
                emulator.settings(expires_in="never")
            requests = emulator.wait_requests(1)
            self.assertEqual((requests[0].status, requests[0].resource), (200, RESOURCE))
            self.assertEqual(requests[0].header("metadata"), "true")
            with self.assertRaises(TimeoutError):
                emulator.wait_requests(2, timeout_s=0.02)
            emulator.forget_tokens()
            self.assertEqual(emulator.state()["tokens_issued"], 1)
            self.assertEqual(emulator.stop(), 0)

    def test_key_is_kept(self) -> None:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "key.pem")
        first = SigningKey.load_or_create(path)
        self.assertEqual(SigningKey.load_or_create(path).key_id, first.key_id)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_bad_options(self) -> None:
        for options, reason in ((["--step", "sta 1"], "--step:1: unknown word 'sta'"),
                                (["--listen", "nowhere"], "expected ADDRESS:PORT"),
                                (["--user", "app,colour=red"], "expected NAME"),
                                (["--script", "/nonexistent"], "No such file")):
            done = subprocess.run([PYTHON, str(PROGRAM), *options], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(reason, done.stderr)

    def test_port_in_use(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = subprocess.run([PYTHON, str(PROGRAM), "--listen", address],
                                  capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot start on {address}", done.stderr)


class Verify(unittest.TestCase):
    world: World
    keys: List[Dict[str, str]]
    document: Dict[str, Any]
    token: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.world = World("--lifetime", "100s")
        cls.addClassCleanup(cls.world.stop)
        cls.keys = json.loads(cls.world.get("/common/discovery/keys", {})[1])["keys"]
        cls.document = cls.world.document()
        cls.token = cls.document["access_token"]

    def judge(self, content: str, **expected: Any) -> str:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "file")
        with open(path, "w", encoding="ascii") as stream:
            stream.write(content)
        os.chmod(path, 0o600)
        try:
            return verify.verify_file(path, self.keys, verify.Expectation(**expected)).format
        except verify.Rejected as reason:
            self.assertNotIn(self.token[:20], str(reason))
            return str(reason)

    def env(self, **changes: str) -> str:
        values = {"AZURE_ACCESS_TOKEN": self.token,
                  "AZURE_TOKEN_EXPIRES_ON": self.document["expires_on"],
                  "AZURE_TOKEN_RESOURCE": RESOURCE, "access_token": self.token, **changes}
        return "".join(f"{name}='{value}'\n" for name, value in values.items())

    def test_good_files(self) -> None:
        self.assertEqual(self.judge(self.token, audience=RESOURCE, mode=0o600), "raw")
        self.assertEqual(self.judge(json.dumps(self.document)), "json")
        self.assertEqual(self.judge(self.env()), "env")
        self.assertEqual(self.judge(f"Authorization: Bearer {self.token}\n"), "header")

    def test_bad_files(self) -> None:
        head, payload, signature = self.token.split(".")
        claims = json.loads(base64url_decode(payload))
        forged = forge(claims)
        for content, reason in (
                (self.token + "\n", "raw format"), ("", "empty"), ("a.b", "no JWT"),
                (f"{head}.{forged}.{signature}", "wrong signature"),
                (f"Authorization: Bearer {self.token}", "header format"),
                (self.env(AZURE_TOKEN_RESOURCE="https://x"), "another resource"),
                (self.env(AZURE_TOKEN_EXPIRES_ON="1"), "another expires_on"),
                (self.env(access_token="x"), "two tokens"), (self.env(MORE="x"), "env format"),
                (json.dumps({**self.document, "expires_on": 1}), "no string"),
                (json.dumps({"access_token": self.token}), "lacks the fields")):
            self.assertIn(reason, self.judge(content), reason)

    def test_expectations(self) -> None:
        cases: List[Tuple[str, Dict[str, Any]]] = [
            ("has mode 0600, expected 0640", {"mode": 0o640}),
            ("expected https://x", {"audience": "https://x"}),
            ("another identity", {"client_id": "x"}), ("belongs to uid", {"owner": 12345}),
            ("expected at least", {"seconds_left_min": 200.0}),
            ("header format", {"format": "header"})]
        for reason, expected in cases:
            self.assertIn(reason, self.judge(self.token, **expected))

    def test_expired_and_foreign(self) -> None:
        self.world.steps("expired")
        self.assertIn("expired 6", self.judge(self.world.document()["access_token"]))
        with tempfile.TemporaryDirectory() as folder:
            stranger = SigningKey.load_or_create(os.path.join(folder, "key"))
        with self.assertRaisesRegex(verify.Rejected, "a key that the JWKS"):
            verify.verify_token(self.token, [{**stranger.jwk}])

    def test_links_are_not_followed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "file").write_text(self.token, encoding="ascii")
            os.symlink("file", os.path.join(folder, "link"))
            with self.assertRaises(verify.Rejected):
                verify.verify_file(os.path.join(folder, "link"), self.keys, verify.Expectation())


def forge(claims: Dict[str, Any]) -> str:
    """The payload of a token that would live longer than its signature allows."""
    return base64url(json.dumps({**claims, "exp": claims["exp"] + 1000}).encode())


if __name__ == "__main__":
    unittest.main()
