#!/usr/bin/python3
"""Random bytes as configuration and as answers: no crash, no hang, only documented exit codes.

The seeds are fixed: a failure names its number, and comes again.
"""

from __future__ import annotations

import random
import signal
import socket
import threading
import time
import unittest
from typing import Callable, List

from support import E2eTest, config_text, miagent, wait_until

CHECK_CODES = {0, 73, 77, 78}
GET_CODES = {0, 65, 69, 75}
CONFIG_COUNT = 300
ANSWER_COUNT = 400
TOKEN_COUNT = 64

FRAGMENTS = (
    "[agent]", "[token t]", "[token u]", "[file /dev/shm/x/y]", "[file /a]", "[", "]", "[]", "=",
    "resource", "resource = vault", "token = t", "token = u", "format = ", "template", "template =",
    "{access_token}", "{", "}", "{{", "json", "mode = 0600", "mode = 99999999999999999999",
    "owner = root", "refresh_at = 50%", "%", "endpoint = http://127.0.0.1:1", "http://[::1]:99999",
    "http://@:/?#", "client_id = 11111111-2222-3333-4444-555555555555", "; c", "# c", "\r", "\0",
    "\ufeff", "\x1b[2J", "ä", "x" * 1100, " ", "\t", "timeout = 18446744073709551616",
    "/subscriptions/", "source = imds", "cloud = china",
)
DOCUMENT = ('{"access_token":"abc.def-ghi","client_id":"c","expires_in":"3600",'
            '"expires_on":"%d","ext_expires_in":"3600","not_before":"1","refresh_token":"",'
            '"resource":"r","token_type":"Bearer"}')


def mutate(random_numbers: random.Random, text: bytes) -> bytes:
    """A few bytes changed, cut, doubled or put in."""
    data = bytearray(text)
    for _ in range(random_numbers.randint(1, 3)):
        at = random_numbers.randint(0, len(data))
        end = min(len(data), at + random_numbers.randint(1, 12))
        kind = random_numbers.randrange(5)
        if kind == 0:
            data[at:end] = random_numbers.randbytes(end - at)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * random_numbers.randint(1, 50)
        elif kind == 3:
            data[at:at] = random_numbers.choice(
                [b"\0", b"\xff", b'"', b"\\", b"{", b"}", b"[", b"\r\n", b"\n", b":", b"\\ud800"])
        elif at < len(data):
            data[at] ^= 1 << random_numbers.randrange(8)
    return bytes(data)


def random_config(number: int, good: str) -> bytes:
    random_numbers = random.Random(number)
    kind = number % 4
    if kind == 0:
        return random_numbers.randbytes(random_numbers.choice([1, 10, 100, 3000, 65535, 65536]))
    if kind == 1:
        return "".join(random_numbers.choice(FRAGMENTS) + random_numbers.choice(["\n", " ", ""])
                       for _ in range(random_numbers.randint(1, 200))).encode()
    lines = good.splitlines(keepends=True)
    if kind == 2:
        random_numbers.shuffle(lines)
    return mutate(random_numbers, "".join(lines).encode())


def random_answer(number: int) -> bytes:
    random_numbers = random.Random(number)
    body = (DOCUMENT % (time.time() + 3600)).encode()
    kind = number % 6
    if kind == 0:
        return random_numbers.randbytes(random_numbers.choice([0, 1, 20, 1000, 9000, 70000]))
    if kind == 1:
        body = random_numbers.randbytes(random_numbers.randint(0, 2000))
    elif kind == 2:
        body = mutate(random_numbers, body)
    elif kind == 3:
        body = "".join(random_numbers.choice(['{', '}', '[', ']', '"a"', ':', ',', '1', 'null',
                                              '"access_token":"x"', '"expires_in":9', "\\", " "])
                       for _ in range(random_numbers.randint(1, 400))).encode()
    status = random_numbers.choice([200, 200, 200, 200, 400, 500, 302, 206])
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
    answer = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    if random_numbers.random() < 0.3:
        answer = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
        while body:
            size = random_numbers.randint(1, 300)
            answer += b"%x\r\n%s\r\n" % (len(body[:size]), body[:size])
            body = body[size:]
        answer += b"0\r\n\r\n"
    if kind in (4, 5):
        answer = mutate(random_numbers, answer)
    return answer[:random_numbers.randint(0, len(answer))] if kind == 5 else answer


class Answerer:
    """A server that answers each connection's request with what `answer(number)` says."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self.count = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                try:
                    if client.recv(4096):
                        number, self.count = self.count, self.count + 1
                        client.sendall(self._answer(number))
                        client.shutdown(socket.SHUT_WR)
                        while client.recv(4096):
                            pass
                except OSError:
                    pass


class Random(E2eTest):
    def test_configurations(self) -> None:
        good = config_text(
            {"t": {"resource": "vault", "client_id": "11111111-2222-3333-4444-555555555555",
                   "endpoint": "http://127.0.0.1:1/path", "refresh_at": "60%"},
             "u": {"resource": "https://storage.azure.com/", "source": "imds"}},
            {str(self.file): {"token": "t", "format": "template", "template": "{{{access_token}",
                              "owner": "root", "on_expiry": "empty"},
             f"{self.folder}/json": {"token": "u", "format": "json", "mode": "0640"}},
            log_level="debug", timeout="20", cloud="public")
        codes: List[int] = []
        path = self.place / "random.conf"
        for number in range(CONFIG_COUNT):
            path.write_bytes(random_config(number, good))
            result = miagent("check", "-c", str(path), timeout_s=10)
            self.assertIn(result.code, CHECK_CODES, f"number {number}: {result.err}")
            if result.code:
                self.assertTrue(result.err, f"number {number}")
            codes.append(result.code)
        self.assertLessEqual({0, 78}, set(codes))  # the seeds reach both

    def test_answers(self) -> None:
        server = Answerer(random_answer)
        self.addCleanup(server.stop)
        codes: List[int] = []
        for number in range(ANSWER_COUNT):
            result = miagent("get", "--resource", "vault", "--endpoint", server.url, "--timeout",
                             "1", timeout_s=10)
            self.assertIn(result.code, GET_CODES, f"number {number}: {result.err}")
            self.assertEqual(bool(result.out), result.code == 0, f"number {number}")
            self.assertEqual(len(result.err.splitlines()), int(result.code != 0))
            if result.code == 0:
                self.assertRegex(result.out, r"\A[\x21-\x7e]+\n\Z")
            self.assertEqual(server.count, number + 1)
            codes.append(result.code)
        self.assertEqual(set(codes), GET_CODES)  # the seeds reach every kind

    def test_answers_to_an_agent_that_stays(self) -> None:
        server = Answerer(random_answer)
        self.addCleanup(server.stop)
        config = self.write_config(config_text(
            {f"t{number}": {"resource": f"https://{number}.example", "endpoint": server.url}
             for number in range(TOKEN_COUNT)},
            {f"{self.folder}/{number}": {"token": f"t{number}"} for number in range(TOKEN_COUNT)},
            timeout="1"))
        agent = self.start("run", "-c", config)
        wait_until(lambda: server.count >= TOKEN_COUNT, "every token asked for")
        for _ in range(3):
            seen = server.count
            agent.send(signal.SIGUSR1)
            wait_until(lambda: server.count >= seen + TOKEN_COUNT, "every token asked for")
        self.assertTrue(agent.is_alive(), agent.log())
        self.assertEqual(agent.stop(), 0)
        self.assertEqual(self.temporaries(), [])
        for path in self.folder.iterdir():
            self.assertRegex(path.read_bytes(), rb"\A[\x21-\x7e]+\Z")


if __name__ == "__main__":
    unittest.main()
