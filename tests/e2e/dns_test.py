#!/usr/bin/python3
"""The resolver over the kernel's sockets, against a name server that shares no code with it.

No command resolves names yet: tests/dns/resolve.cpp does, built from the product's core and
platform. This whole process enters namespaces of its own, in which /etc/resolv.conf and /etc/hosts
are the test's; it is skipped where they are not permitted.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import netns

RESOLVE = os.environ.get("MIAGENT_RESOLVE", "")
A, CNAME, AAAA = 1, 5, 28
MS_BIND = 0x1000

Record = Tuple[int, bytes]  # type, data


def setUpModule() -> None:
    if not RESOLVE:
        raise unittest.SkipTest("MIAGENT_RESOLVE names no program")
    status = netns.enter()
    if not status.entered:
        raise unittest.SkipTest(status.reason)


def wire(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def v4(text: str) -> Record:
    return A, socket.inet_pton(socket.AF_INET, text)


def v6(text: str) -> Record:
    return AAAA, socket.inet_pton(socket.AF_INET6, text)


class Query:
    def __init__(self, data: bytes, transport: str, source: Tuple[str, int]) -> None:
        self.transport, self.source = transport, source
        self.id, self.flags, counts = *struct.unpack_from(">HH", data), data[4:12]
        assert (self.flags, counts) == (0x0100, b"\0\1" + bytes(6)), data
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        self.name = ".".join(labels)
        self.type, query_class = struct.unpack_from(">HH", data, at + 1)
        assert query_class == 1 and len(data) == at + 5, data
        self.question = data[12:]

    def answer(self, records: List[Record], flags: int = 0x8180, query_id: Optional[int] = None,
               ttl: int = 60) -> bytes:
        """An answer; each record of the question's name, or of the last alias before it."""
        owner = b"\xc0\x0c"
        body = b""
        for kind, data in records:
            body += owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
            owner = data if kind == CNAME else owner
        return struct.pack(">HHHHHH", self.id if query_id is None else query_id, flags, 1,
                           len(records), 0, 0) + self.question + body


class NameServer:
    """One address of this machine's; UDP and TCP on port 53."""

    def __init__(self, address: str) -> None:
        self.zone: Dict[str, List[Record]] = {}
        self.queries: List[Query] = []
        self.behave: Optional[Callable[[Query], Optional[List[bytes]]]] = None
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.datagrams = socket.socket(family, socket.SOCK_DGRAM)
        self.streams = socket.socket(family, socket.SOCK_STREAM)
        self.streams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for own in (self.datagrams, self.streams):
            own.bind((address, 53))
        self.streams.listen()
        for serve in (self._serve_datagrams, self._serve_streams):
            threading.Thread(target=serve, daemon=True).start()

    def close(self) -> None:
        for own in (self.datagrams, self.streams):
            try:
                own.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            own.close()

    def _answers(self, query: Query) -> List[bytes]:
        self.queries.append(query)
        told = self.behave(query) if self.behave else None
        if told is not None:
            return told
        known = self.zone.get(query.name.lower())
        if known is None:
            return [query.answer([], 0x8183)]
        return [query.answer([record for record in known if record[0] in (query.type, CNAME)])]

    def _serve_datagrams(self) -> None:
        while True:
            try:
                data, source = self.datagrams.recvfrom(4096)
            except OSError:
                return
            if not data:  # closed
                return
            for answer in self._answers(Query(data, "udp", source)):
                if len(answer) > 512:
                    answer = answer[:2] + b"\x83\x80\0\1" + bytes(6) + Query(
                        data, "udp", source).question
                self.datagrams.sendto(answer, source)

    def _serve_streams(self) -> None:
        while True:
            try:
                stream, source = self.streams.accept()
            except OSError:
                return
            with stream:
                data = stream.recv(4096)
                size = struct.unpack(">H", data[:2])[0]
                while len(data) < 2 + size:
                    data += stream.recv(4096)
                for answer in self._answers(Query(data[2:], "tcp", source)):
                    framed = struct.pack(">H", len(answer)) + answer
                    for at in range(0, len(framed), 100):
                        stream.sendall(framed[at:at + 100])

    def asked(self) -> List[Tuple[str, int, str]]:
        return [(query.name, query.type, query.transport) for query in self.queries]


class Dns(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.servers: List[NameServer] = []
        self.place("/etc/hosts", "127.0.0.1 localhost\n10.9.9.9 listed.example # by hand\n")

    def place(self, path: str, text: str) -> None:
        """Puts a file of this test over another; nobody else sees it."""
        own = self.folder / Path(path).name
        is_new = not own.exists()
        own.write_text(text, encoding="utf-8")
        if not is_new:
            return
        if not Path(path).exists():
            self.skipTest(f"there is no {path} to mount over")
        libc = ctypes.CDLL(None, use_errno=True)
        target = os.path.realpath(path)
        if libc.mount(os.fsencode(own), os.fsencode(target), None, MS_BIND, None):
            self.skipTest(f"{path}: {os.strerror(ctypes.get_errno())}")
        self.addCleanup(subprocess.run, ["umount", "-l", target], check=True)

    def serve(self, address: str = "127.0.0.1", more: str = "") -> NameServer:
        server = NameServer(address)
        self.addCleanup(server.close)
        self.servers.append(server)
        server.zone["vault.example.com"] = [v4("192.0.2.1"), v4("192.0.2.2"), v6("2001:db8::1")]
        self.place("/etc/resolv.conf", more + f"nameserver {address}\n")
        return server

    def resolve(self, *names: str, timeout_ms: int = 20000) -> List[str]:
        arguments = [part for name in names for part in (name, "443", str(timeout_ms))]
        done = subprocess.run([RESOLVE, *arguments], capture_output=True, text=True, timeout=120,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_addresses_of_both_families(self) -> None:
        server = self.serve()
        self.assertEqual(self.resolve("Vault.example.com"), [
            "192.0.2.1:443 192.0.2.2:443 [2001:db8:0:0:0:0:0:1]:443"])
        self.assertEqual(server.asked(), [("vault.example.com", A, "udp"),
                                          ("vault.example.com", AAAA, "udp")])

    def test_ids_and_ports_are_random(self) -> None:
        server = self.serve()
        self.resolve(*["vault.example.com", "-"] * 32)
        self.assertEqual(len(server.queries), 64)
        self.assertGreater(len({query.id for query in server.queries}), 60)
        ports = [query.source[1] for query in server.queries]
        self.assertGreater(len(set(ports)), 55)
        steps = {second - first for first, second in zip(ports, ports[1:])}
        self.assertGreater(len(steps), 40)  # not one after the other

    def test_files_and_numbers_need_no_server(self) -> None:
        self.place("/etc/resolv.conf", "nameserver 192.0.2.99\n")
        self.assertEqual(self.resolve("localhost", "LISTED.example", "10.0.0.7", "fd00::7"), [
            "127.0.0.1:443 [0:0:0:0:0:0:0:1]:443", "10.9.9.9:443", "10.0.0.7:443",
            "[fd00:0:0:0:0:0:0:7]:443"])

    def test_of_a_hosts_file_the_first_4_mib_count(self) -> None:
        server = self.serve()
        advert = "0.0.0.0 advert.example\n"
        count = 4 * 1024 * 1024 // len(advert)
        self.place("/etc/hosts", advert * (count - 10) + "10.9.9.9 listed.example\n"
                   + advert * 10 + "10.9.9.8 vault.example.com\n")
        self.assertEqual(self.resolve("listed.example"), ["10.9.9.9:443"])
        self.assertEqual(server.asked(), [])
        self.assertNotIn("10.9.9.8", self.resolve("vault.example.com")[0])
        self.assertEqual(len(server.asked()), 2)

    def test_a_large_answer_comes_over_tcp(self) -> None:
        server = self.serve()
        server.zone["many.example.com"] = [v4(f"192.0.2.{last}") for last in range(1, 100)]
        self.assertEqual(self.resolve("many.example.com"), [
            " ".join(f"192.0.2.{last}:443" for last in range(1, 5))])
        self.assertEqual(server.asked()[:2], [("many.example.com", A, "udp"),
                                              ("many.example.com", A, "tcp")])

    def test_a_server_over_ipv6(self) -> None:
        self.serve("::1")
        self.assertEqual(self.resolve("vault.example.com")[0].split()[0], "192.0.2.1:443")

    def test_aliases(self) -> None:
        server = self.serve()
        server.zone["a.example.com"] = [(CNAME, wire("B.example.net")),
                                        (CNAME, wire("vault.example.com")), v4("192.0.2.8")]
        server.zone["asked.example.com"] = [(CNAME, wire("vault.example.com"))]
        first, second = self.resolve("a.example.com", "asked.example.com")
        self.assertEqual(first, "192.0.2.8:443 [2001:db8:0:0:0:0:0:1]:443")
        self.assertEqual(second, "192.0.2.1:443 192.0.2.2:443 [2001:db8:0:0:0:0:0:1]:443")

    def test_the_search_list(self) -> None:
        server = self.serve(more="search corp.example example.com\n")
        self.assertEqual(self.resolve("vault")[0].split()[0], "192.0.2.1:443")
        self.assertEqual(server.asked()[:2], [("vault.corp.example", A, "udp"),
                                              ("vault.example.com", A, "udp")])
        self.assertEqual(self.resolve("vault."), ["! no such host (0)"])

    def test_failures_are_told_apart(self) -> None:
        server = self.serve()
        server.zone["empty.example.com"] = []
        self.assertEqual(self.resolve("nobody.example.com", "empty.example.com", "a..b"), [
            "! no such host (0)", "! the host has no address (0)",
            "! the host is no name that DNS can have (0)"])
        for flags, what in ((0x8182, "failed"), (0x8185, "refused")):
            server.behave = lambda query, flags=flags: [query.answer([], flags)]
            self.assertEqual(self.resolve("vault.example.com"), [f"! the name server {what} (0)"])

    def test_a_server_that_is_not_there(self) -> None:
        self.place("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.assertEqual(self.resolve("vault.example.com"), ["! no name server answered (111)"])
        self.place("/etc/resolv.conf", "nameserver 192.0.2.99\n")
        self.assertEqual(self.resolve("vault.example.com"), ["! no name server answered (101)"])
        self.place("/etc/resolv.conf", "")
        self.assertEqual(self.resolve("vault.example.com"), ["! no name server answered (111)"])

    def test_silence_ends_at_the_deadline_and_another_server_helps(self) -> None:
        server = self.serve()
        server.behave = lambda query: []
        begun = time.monotonic()
        self.assertEqual(self.resolve("vault.example.com", timeout_ms=300),
                         ["! no name server answered (0)"])
        self.assertGreaterEqual(time.monotonic() - begun, 0.3)
        second = self.serve("127.0.0.2")
        self.place("/etc/resolv.conf",
                   "options timeout:1\nnameserver 127.0.0.1\nnameserver 127.0.0.2\n")
        self.assertEqual(self.resolve("vault.example.com")[0].split()[0], "192.0.2.1:443")
        self.assertEqual(len(second.queries), 2)

    def test_forged_answers_are_not_believed(self) -> None:
        server = self.serve()

        def behave(query: Query) -> Optional[List[bytes]]:
            forged = [v4("203.0.113.66")] if query.type == A else [v6("2001:db8::66")]
            stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with stranger:  # the right id from another port, and from another address
                stranger.sendto(query.answer(forged), query.source)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.3", 53))
                other.sendto(query.answer(forged), query.source)
            other_question = Query(query.answer([], 0x0100)[:4] + b"\0\1" + bytes(6) +
                                   wire("evil.example.com") + struct.pack(">HH", query.type, 1),
                                   "udp", query.source)
            right = [record for record in server.zone["vault.example.com"]
                     if record[0] == query.type]
            return [query.answer(forged, query_id=query.id ^ 1), other_question.answer(forged),
                    query.answer(forged, flags=0x0180), b"", b"\0", os.urandom(200),
                    query.answer(right)]

        server.behave = behave
        self.assertEqual(self.resolve("vault.example.com"), [
            "192.0.2.1:443 192.0.2.2:443 [2001:db8:0:0:0:0:0:1]:443"])

    def test_every_cut_of_an_answer(self) -> None:
        server = self.serve(more="options attempts:1\n")
        cuts: List[int] = []
        server.behave = lambda query: [query.answer(server.zone["vault.example.com"][:2])[
            :cuts[-1]]] if query.type == A else None
        whole = 12 + len(wire("vault.example.com")) + 4 + 2 * 16
        for size in range(12 + len(wire("vault.example.com")) + 4, whole):
            cuts.append(size)
            self.assertEqual(self.resolve("vault.example.com"),
                             ["! the name server's answer is malformed (0)"], size)
        cuts.append(whole)
        self.assertEqual(self.resolve("vault.example.com")[0].split()[0], "192.0.2.1:443")

    def test_no_other_file_or_server_is_asked(self) -> None:
        """Nothing of the C library's resolver is behind it, which would allocate and wait."""
        self.serve()
        trace = self.folder / "trace"
        subprocess.run(["strace", "-f", "-o", str(trace), "-e", "trace=open,openat,connect,socket",
                        RESOLVE, "vault.example.com", "443", "5000"], check=True,
                       capture_output=True, timeout=60)
        lines = trace.read_text(encoding="utf-8").splitlines()
        opened = [line.split('"')[1] for line in lines if "open" in line and "/etc/" in line]
        self.assertEqual([path for path in opened if "ld.so" not in path],
                         ["/etc/hosts", "/etc/resolv.conf"])
        self.assertEqual(sum("connect(" in line for line in lines), 2)


if __name__ == "__main__":
    unittest.main()
