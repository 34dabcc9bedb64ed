#!/usr/bin/python3
"""`miagent get`, with the real binary against the emulator."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import unittest
from typing import Dict, List

from support import MARKER, E2eTest, Emulator, Result, miagent, requests_for, uuid_is_random

import verify
from identities import system_identity, user_identity

APP = user_identity("app")
SYSTEM = system_identity()


class GetTest(E2eTest):
    emulator: Emulator
    keys: List[Dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.emulator = Emulator("--user", "app", "--lifetime", "1h")
        cls.addClassCleanup(cls.emulator.stop)
        cls.keys = verify.fetch_keys(cls.emulator.jwks_url)

    def resource(self) -> str:
        """One that no other test uses."""
        return f"https://{self.id().rpartition('.')[2].replace('_', '-')}.example/"

    def get(self, *more: str, resource: str = "", **options: object) -> Result:
        return miagent("get", "--resource", resource or self.resource(), "--endpoint",
                       self.emulator.url, *more, **options)

    def get_fine(self, *more: str, **options: object) -> str:
        result = self.get(*more, **options)
        self.assertEqual((result.code, result.err), (0, ""))
        return result.out


class Formats(GetTest):
    def test_raw_is_the_token_and_a_newline_and_nothing_else(self) -> None:
        out = self.get_fine()
        self.assertTrue(out.endswith("\n"))
        claims = verify.verify_token(out[:-1], self.keys)
        self.assertEqual((claims["aud"], claims["appid"]), (self.resource(), SYSTEM.client_id))
        self.assertGreater(claims["exp"], time.time() + 3500)

    def test_json_is_the_endpoints_own_answer(self) -> None:
        document = json.loads(self.get_fine("--format", "json"))
        self.assertEqual(set(document), verify.JSON_NAMES)
        self.assertTrue(all(isinstance(value, str) for value in document.values()))
        claims = verify.verify_token(document["access_token"], self.keys)
        self.assertEqual(document["expires_on"], str(claims["exp"]))
        self.assertEqual(document["not_before"], str(claims["nbf"]))
        self.assertAlmostEqual(int(document["expires_in"]), claims["exp"] - time.time(), delta=2)
        self.assertEqual((document["resource"], document["token_type"], document["refresh_token"]),
                         (self.resource(), "Bearer", ""))

    def test_env_is_sourced_by_sh(self) -> None:
        path = self.folder / "token.env"
        path.write_text(self.get_fine("--format=env"), encoding="ascii")
        names = ("AZURE_ACCESS_TOKEN", "access_token", "AZURE_TOKEN_EXPIRES_ON",
                 "AZURE_TOKEN_RESOURCE")
        script = f". {path} || exit 1; printf '%s\\n' " + " ".join(f'"${name}"' for name in names)
        done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        token, again, expires_on, resource = done.stdout.splitlines()
        claims = verify.verify_token(token, self.keys)
        self.assertEqual((again, expires_on, resource),
                         (token, str(claims["exp"]), self.resource()))

    @unittest.skipUnless(shutil.which("curl"), "no curl here")
    def test_header_is_sent_by_curl(self) -> None:
        path = self.folder / "token.header"
        path.write_text(self.get_fine("--format", "header"), encoding="ascii")
        received: List[str] = []

        class Resource(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                received.append(self.headers["Authorization"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Resource) as server:
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            done = subprocess.run(
                ["curl", "-sS", "--noproxy", "*", "-m", "10", "-H", f"@{path}",
                 f"http://127.0.0.1:{server.server_port}/"],
                capture_output=True, text=True, check=False)
            thread.join(10)
        self.assertEqual((done.returncode, done.stderr, len(received)), (0, "", 1))
        scheme, token = received[0].split(" ")
        self.assertEqual(scheme, "Bearer")
        verify.verify_token(token, self.keys)


class OnTheWire(GetTest):
    def test_the_request_is_as_imds_wants_it(self) -> None:
        self.get_fine()
        self.get_fine()
        first, second = requests_for(self.emulator, self.resource())
        self.assertEqual(first.method, "GET")
        self.assertEqual(first.target.partition("?")[0], "/metadata/identity/oauth2/token")
        self.assertEqual(first.query, {"api-version": "2018-02-01", "resource": self.resource()})
        self.assertEqual(first.header("Metadata"), "true")
        self.assertEqual(first.header("Host"), self.emulator.url[len("http://"):])
        ids = [request.header("x-ms-client-request-id") for request in (first, second)]
        self.assertTrue(all(map(uuid_is_random, ids)), ids)
        self.assertNotEqual(*ids)
        for name in ("X-Forwarded-For", "Authorization", "Cookie", "Via", "Proxy-Connection"):
            self.assertIsNone(first.header(name))

    def test_the_identity_asked_for(self) -> None:
        for option, name, value in (("--client-id", "client_id", APP.client_id),
                                    ("--object-id", "object_id", APP.object_id),
                                    ("--mi-res-id", "msi_res_id", APP.resource_id)):
            with self.subTest(option):
                token = self.get_fine(option, value)[:-1]
                self.assertEqual(verify.verify_token(token, self.keys)["appid"], APP.client_id)
                query = requests_for(self.emulator, self.resource())[-1].query
                self.assertEqual(query, {"api-version": "2018-02-01", name: value,
                                         "resource": self.resource()})

    def test_short_names(self) -> None:
        for arguments, uri in ((["arm"], "https://management.azure.com/"),
                               (["vault"], "https://vault.azure.net"),
                               (["storage"], "https://storage.azure.com/"),
                               (["sql"], "https://database.windows.net/"),
                               (["arm", "--cloud", "usgov"],
                                "https://management.usgovcloudapi.net/"),
                               (["vault", "--cloud=china"], "https://vault.azure.cn")):
            with self.subTest(arguments):
                self.get_fine(*arguments[1:], resource=arguments[0])
                self.assertEqual(self.emulator.requests()[-1].resource, uri)

    def test_a_resource_is_percent_encoded(self) -> None:
        resource = "https://a.example/?x=1&client_id=2#3%20+"
        self.get_fine(resource=resource)
        self.assertEqual(self.emulator.requests()[-1].query,
                         {"api-version": "2018-02-01", "resource": resource})

    def test_the_endpoint_of_the_environment(self) -> None:
        result = miagent("get", "--resource", self.resource(),
                         environment={"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.emulator.url})
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertEqual(len(requests_for(self.emulator, self.resource())), 1)

    def test_a_proxy_is_never_used(self) -> None:
        dead = "http://127.0.0.1:1"
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        token = self.get_fine("--timeout", "5", environment=dict.fromkeys(names, dead))[:-1]
        verify.verify_token(token, self.keys)

    def test_answers_in_every_shape(self) -> None:
        for step in ("chunked 1,2,3", "chunked 5000", "http10", "no-length", "interim 100",
                     "interim 103 interim 100", "numbers", "escape", "drop expires_in",
                     "drop expires_on", "drop not_before drop resource drop token_type",
                     "date none", "date +30m", "dribble 300 1ms", "hangup", "lifetime 24h",
                     "token-size 10500", "token-size 30000", "header X-Long:" + "x" * 3000,
                     'set note="' + MARKER + '"', "set refresh_in=60"):
            with self.subTest(step):
                self.emulator.set_steps(f"when {self.resource()[8:-1]} {step}")
                verify.verify_token(self.get_fine()[:-1], self.keys)


class Failures(GetTest):
    def test_codes_and_messages(self) -> None:
        url = self.emulator.url
        for step, code, said in (
                ("status 400", 69, ("HTTP 400 invalid_request: Identity not found",
                                    "is that identity assigned to this machine?")),
                ("status 400 error invalid_resource", 69, ("AADSTS50001", "check the resource")),
                ("status 401 error unknown_source", 69, ("the endpoint's URL is wrong",)),
                ("status 403 shape nested", 69, ("HTTP 403 access_denied",)),
                ("status 400 shape text", 69, ("HTTP 400",)),
                ("redirect", 69, ("HTTP 302", "never followed")),
                ("status 204 shape empty", 65, ("HTTP 204",)),
                ("body {}", 65, ("no access_token",)),
                (f'body {{"access_token": "{MARKER}"}}', 65, ("no usable expiry",)),
                (f'body {{"access_token": "{MARKER}", "expires_in": "1"', 65, ("JSON",)),
                ("body " + MARKER, 65, ("not one JSON object",)),
                (f"status 400 body {MARKER}", 69, ("HTTP 400",)),
                (f'status 400 body {{"note": "{MARKER}", "error": "e"}}', 69, ("HTTP 400 e",)),
                ("repeat access_token", 65, ("a name twice",)),
                ('set access_token="a\\\\u0000b"', 65, ("bytes that no token has",)),
                ("drop expires_in drop expires_on", 65, ("no usable expiry",)),
                ("expired", 65, ("has expired already",)),
                ("oversize", 65, ("larger than 32 KiB",)),
                (f"raw {MARKER}\\r\\n\\r\\n", 65, ("not HTTP",)),
                (f"raw HTTP/1.1 200 OK\\r\\nX: {MARKER}", 75, ("ended before",)),
                ("header X:" + "x" * 9000, 65, ("head is too large",)),
                ("after " + MARKER, 65, ("bytes follow",)),
                ("close", 75, ("ended before",)),
                ("close 400", 75, ("ended before",)),
                ("reset 400", 75, ("ended before",)),
                ("status 404", 75, ("HTTP 404",)),
                ("status 410", 75, ("HTTP 410",)),
                ("status 429 retry-after 100", 75, ("HTTP 429",)),
                ("status 500", 75, ("HTTP 500 unknown", "managed identity enabled")),
                ("status 503 body " + MARKER, 75, ("HTTP 503",))):
            with self.subTest(step[:60]):
                self.emulator.set_steps(f"when {self.resource()[8:-1]} {step}")
                count = len(self.emulator.requests())
                result = self.get("--timeout", "1")
                self.check_result(result, code, f"miagent: imds at {url}: ", *said)
                self.assertEqual(result.out, "")
                self.assertEqual(len(result.err.splitlines()), 1)
                self.assertEqual(len(self.emulator.requests()), count + 1)

    def test_the_timeout_bounds_the_whole(self) -> None:
        name = self.resource()[8:-1]
        for step in ("silence", "dribble 1 byte 50ms", "delay 30s", "close"):
            with self.subTest(step):
                self.emulator.set_steps(f"when {name} {step} x*")
                result = self.get("--timeout", "1")
                self.check_result(result, 75)
                self.assertEqual(result.out, "")
                self.assertLess(result.seconds, 5)

    def test_a_failure_that_passes_is_retried(self) -> None:
        self.emulator.set_steps(f"when {self.resource()[8:-1]} status 503")
        result = self.get("--timeout", "20")
        self.assertEqual((result.code, result.err), (0, ""))
        first, second = requests_for(self.emulator, self.resource())
        self.assertEqual((first.status, second.status), (503, 200))
        self.assertGreater(second.time - first.time, 1.9)

    def test_nobody_listens(self) -> None:
        result = miagent("get", "--resource", "vault", "--endpoint", "http://127.0.0.1:1",
                         "--timeout", "1")
        self.check_result(result, 75, "http://127.0.0.1:1", "connection refused")

    def test_configuration_and_command_line(self) -> None:
        for arguments, code, said in (
                (["get"], 64, "--resource"),
                (["get", "--resource", "vault", "--format", "template"], 64, "--format"),
                (["get", "--resource", "vault", "--timeout", "0"], 64, "--timeout"),
                (["get", "--resource", "datalake", "--cloud", "china"], 78, "resource"),
                (["get", "--resource", "vault", "--endpoint", "ftp://127.0.0.1"], 64, "http"),
                (["get", "--resource", "vault", "--source", "moon"], 64, "moon"),
                (["get", "--resource", "vault", "--source", "cloud-shell", "--client-id",
                  APP.client_id], 64, "cloud-shell"),
                (["get", "--resource", "vault", "--source", "app-service"], 78,
                 "IDENTITY_HEADER")):
            with self.subTest(arguments):
                result = miagent(*arguments)
                self.assertEqual((result.code, result.out), (code, ""), result.err)
                self.assertIn(said, result.err)
                self.assertEqual(len(result.err.splitlines()), 1)
        result = miagent("get", "--resource", "vault",
                         environment={"AZURE_POD_IDENTITY_AUTHORITY_HOST": "localhost"})
        self.check_result(result, 78, "AZURE_POD_IDENTITY_AUTHORITY_HOST")

    def test_standard_output_that_takes_nothing(self) -> None:
        with open("/dev/full", "wb") as full:
            self.check_result(self.get(stdout=full), 73, "standard output", "no space left")
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as closed:
            self.check_result(self.get(stdout=closed), 73, "standard output", "closed")


if __name__ == "__main__":
    unittest.main()
