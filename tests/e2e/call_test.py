#!/usr/bin/python3
"""`miagent call`, with the real binary: the emulator's Resource Manager and Key Vault, by TLS."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import unittest
from typing import Any, Dict, List, Optional

from support import (COMMAND_TIMEOUT_S, MARKER, E2eTest, Result, binary, check_no_secret,
                     clean_environment, miagent)

from harness import Emulator, LoggedRequest
from tls_door import DAY, NOW, Door, Issued, issue

ARM, VAULT = "arm", "vault"
GROUPS = "?api-version=2021-04-01"
SECRET = "/secrets/{}?api-version=7.4"


class CallTest(E2eTest):
    emulator: Emulator

    @classmethod
    def setUpClass(cls) -> None:
        if "tls: no\n" in miagent("--version").out:
            raise unittest.SkipTest("a build without TLS")
        cls.emulator = Emulator(sources=[ARM, VAULT, "workload-identity", "service-fabric",
                                         "app-service"])
        cls.addClassCleanup(cls.emulator.stop)

    def setUp(self) -> None:
        super().setUp()
        self.emulator.clear_steps()
        self.emulator.forget_tokens()
        self.before = len(self.emulator.requests())

    def seen(self, source: str = "") -> List[LoggedRequest]:
        return [each for each in self.emulator.requests()[self.before:]
                if source in ("", each.source)]

    def raw(self, *arguments: str, data: bytes = b"", ca: Optional[str] = None,
            environment: Optional[Dict[str, str]] = None, **more: Any) -> Result:
        """`call`, with standard input, and without a token's source where an environment is given."""
        endpoint = [] if environment else ["--source", "imds", "--endpoint", self.emulator.url]
        trust = ["--ca", self.emulator.ca_file if ca is None else ca]
        done = subprocess.run(
            [binary(), "call", *endpoint, *trust, *arguments], input=data,
            stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE, check=False,
            env={**clean_environment(), **(environment or {})}, timeout=COMMAND_TIMEOUT_S, **more)
        err = done.stderr.decode("utf-8", "replace")
        check_no_secret(err)
        return Result(done.returncode, (done.stdout or b"").decode("utf-8"), err, 0.0)

    def arm(self, *arguments: str, path: str = "", **more: Any) -> Result:
        return self.raw("--resource", "arm", *arguments,
                        self.emulator.endpoint(ARM) + path + GROUPS, **more)

    def vault(self, name: str, *arguments: str, **more: Any) -> Result:
        return self.raw("--resource", "vault", *arguments,
                        self.emulator.endpoint(VAULT) + SECRET.format(name), **more)


class Requests(CallTest):
    def test_a_list(self) -> None:
        result = self.arm()
        self.check_result(result, 0)
        self.assertEqual(result.err, "")
        self.assertIn("value", json.loads(result.out))
        self.assertEqual([each.source for each in self.seen()], ["imds", ARM])

    def test_put_and_delete(self) -> None:
        content = json.dumps({"location": "northeurope"})
        made = self.arm("--method", "PUT", "--data", content, path="/made")
        self.check_result(made, 0)
        self.assertEqual(json.loads(made.out)["location"], "northeurope")
        self.assertEqual(self.seen(ARM)[0].header("Content-Length"), str(len(content)))
        self.assertEqual(self.seen(ARM)[0].header("Content-Type"), "application/json")
        gone = self.arm("--method", "DELETE", path="/made")
        self.check_result(gone, 0)
        self.assertEqual(gone.out, "")
        self.assertEqual(self.arm(path="/made").code, 69)

    def test_data_of_a_file_and_of_standard_input(self) -> None:
        path = self.place / "data.json"
        path.write_text('{"location": "file"}')
        from_file = self.arm("--method", "PUT", "--data", f"@{path}", path="/f")
        self.check_result(from_file, 0)
        self.assertEqual(json.loads(from_file.out)["location"], "file")
        from_input = self.arm("--method=PUT", "--data=@-", path="/f", data=b'{"location": "input"}')
        self.check_result(from_input, 0)
        self.assertEqual(json.loads(from_input.out)["location"], "input")

    def test_data_of_the_limit_and_beyond(self) -> None:
        head, tail = b'{"location": "', b'"}'
        most = head + b"x" * (262144 - len(head) - len(tail)) + tail
        result = self.arm("--method=PUT", "--data=@-", path="/big", data=most)
        self.check_result(result, 0)
        self.before = len(self.emulator.requests())
        self.check_result(self.arm("--data=@-", data=most + b" "), 64, "larger than 256 KiB")
        for name in ("/nonexistent", str(self.place)):
            self.check_result(self.arm("--data", f"@{name}"), 64, "can't read the data: ")
        self.assertEqual(self.seen(), [])

    def test_a_long_answer_streams(self) -> None:
        for more in ("", " chunked 5000", " chunked 1,7,30000"):
            with self.subTest(more):
                self.emulator.set_steps(f"at arm oversize 6000000{more}")
                result = self.arm()
                self.check_result(result, 0)
                self.assertGreater(len(result.out), 6000000)
                self.assertGreater(len(json.loads(result.out)["value"]), 1000)

    def test_head(self) -> None:
        self.emulator.set_steps("at arm status 204 x*")
        result = self.arm("--method", "HEAD")
        self.check_result(result, 0)
        self.assertEqual((result.out, self.seen(ARM)[0].method), ("", "HEAD"))

    def test_errors(self) -> None:
        for status, code, word in ((400, 69, "BadRequest"), (403, 69, "AuthorizationFailed"),
                                   (404, 69, "ResourceNotFound"), (409, 69, "Conflict"),
                                   (408, 75, ""), (429, 75, "TooManyRequests"),
                                   (500, 75, "InternalServerError"), (503, 75, "ServerBusy")):
            with self.subTest(status):
                self.emulator.set_steps(f"at arm status {status} retry-after 7")
                result = self.arm()
                self.check_result(result, code, f"HTTP {status}", word)
                self.assertIn(word, result.out)
                self.assertEqual("Retry-After: 7" in result.err, code == 75)
                url = self.emulator.endpoint(ARM)
                self.assertEqual((len(result.err.splitlines()), f"miagent: {url}: HTTP" in result.err,
                                  "api-version" in result.err), (1, True, False), result.err)

    def test_an_errors_body_that_says_nothing_known_is_not_on_standard_error(self) -> None:
        self.emulator.set_steps(f"at arm status 404 body {MARKER}")
        result = self.arm()
        self.check_result(result, 69, "HTTP 404")
        self.assertEqual(result.out, MARKER)

    def test_the_token_is_refused(self) -> None:
        result = self.raw("--resource", "storage", self.emulator.endpoint(ARM) + GROUPS)
        self.check_result(result, 69, "HTTP 401 InvalidAuthenticationTokenAudience")

    def test_no_token(self) -> None:
        self.emulator.set_steps("status 400 error invalid_resource")
        self.check_result(self.arm(), 69, "imds at ", "invalid_resource")
        self.assertEqual(self.seen(ARM), [])

    def test_headers(self) -> None:
        result = self.arm("--header", "x-ms-version: 2021-10-04", "--header=Accept:text/plain")
        self.check_result(result, 0)
        sent = self.seen(ARM)[0]
        self.assertEqual((sent.header("x-ms-version"), sent.header("Accept"),
                          sent.header("User-Agent")), ("2021-10-04", "text/plain", "miagent"))

    def test_header_injection(self) -> None:
        for header in ("A: b\r\nAuthorization: Bearer x", "A: b\nc: d", "authorization: Basic x",
                       "Host: elsewhere", "content-length: 3", "Transfer-Encoding: chunked",
                       "Connection: close", "no colon", ": empty", "A b: c", "A : c"):
            with self.subTest(header):
                self.check_result(self.arm("--header", header), 64, "--header")
        self.assertEqual(self.seen(), [])

    def test_redirects_are_not_followed(self) -> None:
        self.emulator.set_steps("at arm redirect https://elsewhere.example/x?sig=1")
        result = self.arm()
        self.check_result(result, 69, "HTTP 302; redirects are not followed: "
                          "https://elsewhere.example/x\n")
        self.assertEqual(len(self.seen()), 2)

    def test_silence_and_a_cut_answer(self) -> None:
        self.emulator.set_steps("at arm silence x*")
        self.check_result(self.arm("--timeout", "1"), 75, "out of time")
        self.emulator.set_steps("at arm close x*")
        self.check_result(self.arm("--timeout", "5"), 75, "ended before the answer was whole")

    def test_what_is_no_http(self) -> None:
        self.emulator.set_steps(r"at arm raw HTTP/9.9\s200\sOK\r\n\r\n")
        self.check_result(self.arm(), 65, "neither HTTP/1.0 nor HTTP/1.1")

    def test_a_reader_that_ends(self) -> None:
        self.emulator.set_steps("at arm oversize 3000000")
        reading, writing = os.pipe()
        os.close(reading)
        try:
            result = self.arm(stdout=writing)
        finally:
            os.close(writing)
        self.check_result(result, 73, "standard output: closed by the reader")


class Keys(CallTest):
    def test_a_secret(self) -> None:
        for number, value in enumerate(("correct horse", 'quote " and \\ and é', "line\nline")):
            with self.subTest(value):
                self.emulator.put_secret(f"s{number}", value)
                result = self.vault(f"s{number}", "--key", "value")
                self.check_result(result, 0)
                self.assertEqual(result.out, value + "\n")

    def test_other_members(self) -> None:
        self.emulator.put_secret("other", "v")
        result = self.vault("other", "--key=attributes")
        self.check_result(result, 0)
        self.assertTrue(json.loads(result.out)["enabled"])
        self.check_result(self.vault("other", "--key", "absent"), 65, "no such member")

    def test_errors_print_nothing(self) -> None:
        result = self.vault("none", "--key", "value")
        self.check_result(result, 69, "HTTP 404 SecretNotFound: A secret with")
        self.assertEqual(result.out, "")

    def test_what_is_no_object_or_too_long(self) -> None:
        self.emulator.set_steps(f"at arm status 200 body {MARKER}")
        self.check_result(self.arm("--key", "value"), 65, "not one JSON object; --key takes")
        self.emulator.set_steps("at arm oversize 40000")
        self.check_result(self.arm("--key", "value"), 65, "larger than 32 KiB; --key takes")


class Refusals(CallTest):
    def test_a_revoked_token_gets_one_forced_refresh(self) -> None:
        self.check_result(self.arm(), 0)
        self.emulator.revoke()
        self.before = len(self.emulator.requests())
        result = self.arm()
        self.check_result(result, 0)
        self.assertEqual(result.err, "")
        self.assertIn("value", json.loads(result.out))
        self.assertEqual([(each.source, each.status, each.query.get("bypass_cache", ""))
                          for each in self.seen()],
                         [("imds", 200, ""), (ARM, 401, ""), ("imds", 200, "true"),
                          (ARM, 200, "")])

    def test_the_second_401_is_final(self) -> None:
        self.emulator.set_steps("at arm status 401 x*")
        result = self.arm()
        self.check_result(result, 69, "HTTP 401 InvalidAuthenticationToken")
        self.assertEqual([each.source for each in self.seen()], ["imds", ARM, "imds", ARM])

    def test_the_same_token_again_is_not_tried_again(self) -> None:
        self.emulator.set_steps("at arm status 401 x*")
        result = self.arm(environment=self.emulator.environment("app-service"))
        self.check_result(result, 69, "refuses the token, and the source has no other")
        self.assertEqual([each.source for each in self.seen()], ["app-service", ARM, "app-service"])

    def test_a_claims_challenge(self) -> None:
        variables = self.emulator.environment("workload-identity")
        self.check_result(self.arm(environment=variables), 0)
        self.emulator.revoke(claims=True)
        self.before = len(self.emulator.requests())
        result = self.arm(environment=variables)
        self.check_result(result, 0)
        self.assertEqual([(each.source, each.status) for each in self.seen()],
                         [("workload-identity", 200), (ARM, 401), ("workload-identity", 200),
                          (ARM, 200)])
        forms = [each.form for each in self.seen("workload-identity")]
        self.assertNotIn("claims", forms[0])
        self.assertIn("nbf", json.loads(forms[1]["claims"])["access_token"])

    def test_service_fabric_is_told_which_token(self) -> None:
        variables = self.emulator.environment("service-fabric")
        self.check_result(self.arm(environment=variables), 0)
        self.emulator.revoke()
        self.before = len(self.emulator.requests())
        self.check_result(self.arm(environment=variables), 0)
        first, second = self.seen("service-fabric")
        self.assertNotIn("token_sha256_to_refresh", first.query)
        self.assertEqual(second.query["token_sha256_to_refresh"], first.token_sha256)
        self.assertEqual(second.query["xms_cc"], "cp1")


class Servers(CallTest):
    root: Issued

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.root = issue()

    def door(self, leaf: Issued) -> Door:
        door = Door(leaf.write(self.place / "server.pem"), self.emulator.port)
        self.addCleanup(door.close)
        return door

    def test_a_server_that_is_not_trusted_is_sent_nothing(self) -> None:
        ca = self.place / "ca.pem"
        ca.write_bytes(self.root.pem())
        for leaf, said in ((issue(issue()), "unknown issuer"),
                           (issue(self.root, address="127.0.0.2"), "for another name"),
                           (issue(self.root, end=NOW - DAY), "has expired")):
            with self.subTest(said):
                door = self.door(leaf)
                result = self.raw("--resource", "arm", door.url + "/x", ca=str(ca))
                self.check_result(result, 69, said, door.url)
                self.assertEqual(door.count, 0)

    def test_another_ca(self) -> None:
        ca = self.place / "ca.pem"
        ca.write_bytes(self.root.pem())
        self.check_result(self.arm(ca=str(ca)), 69, "unknown issuer")
        self.assertEqual(self.seen(ARM), [])
        self.check_result(self.arm(ca="/nonexistent"), 78, "no CA certificates")

    def test_a_name(self) -> None:
        url = self.emulator.endpoint(ARM).replace("127.0.0.1", "localhost") + GROUPS
        result = self.raw("--resource", "arm", url)
        self.check_result(result, 0)
        self.assertIn("value", json.loads(result.out))

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        result = self.raw("--resource", "arm", f"https://127.0.0.1:{port}/x")
        self.check_result(result, 75, "can't connect: connection refused")

    def test_http_is_refused(self) -> None:
        self.check_result(self.raw("--resource", "arm", "http://127.0.0.1/x"), 64, "https alone")
        self.assertEqual(self.seen(), [])


if __name__ == "__main__":
    unittest.main()
