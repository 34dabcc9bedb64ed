"""The request log: one JSON line a request, written before the answer's first byte is sent.

So a client that has its answer finds its request in the file. Secret header values and tokens
never get there; a token is named by its SHA-256.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Dict, Optional, Set, TextIO
from urllib.parse import unquote

from behaviour import Step
from message import Request
from server import Origin, Reply
from source import Answer

SECRET_FIELDS = {"client_assertion", "client_secret", "assertion"}
SECRET_HEADERS = {"authorization", "secret", "x-identity-header", "proxy-authorization", "cookie"}


class Journal:
    """Writes to a file, to standard output as short lines, to both or to nothing."""

    def __init__(self, path: Optional[str], narrate: bool) -> None:
        self._file: Optional[TextIO] = open(path, "a", encoding="utf-8") if path else None
        self._narrate = narrate
        self._lock = threading.Lock()
        self._seen: Set[str] = set()
        self.request_count = 0

    def record(self, source: str, request: Request, origin: Origin, answer: Answer,
               reply: Reply, step: Step) -> None:
        with self._lock:
            self.request_count += 1
            entry = self._entry(source, request, origin, answer, reply, step)
            self._write(entry)
            if self._narrate:
                print(_narration(entry), flush=True)

    def malformed(self, origin: Origin, reason: str) -> None:
        """A request that could not be read: `source` is `malformed`, `error` says why."""
        self._write_broken("malformed", origin, reason, status=400, outcome="answer")

    def handshake_failed(self, server: str, origin: Origin, reason: str) -> None:
        """`source` is `handshake`, `server` the source's name, `error` says why."""
        self._write_broken("handshake", origin, reason, status=None, outcome="close",
                           server=server)

    def _write_broken(self, what: str, origin: Origin, reason: str, **more: Any) -> None:
        with self._lock:
            self.request_count += 1
            self._write({"time": round(time.time(), 6), "number": self.request_count,
                         "connection": origin.connection, "index": origin.index,
                         "source": what, "error": reason, **more})
            if self._narrate:
                print(f"{what} on connection {origin.connection}: {reason}", flush=True)

    def _write(self, entry: Dict[str, Any]) -> None:
        if self._file:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def _entry(self, source: str, request: Request, origin: Origin, answer: Answer,
               reply: Reply, step: Step) -> Dict[str, Any]:
        entry: Dict[str, Any] = {
            "time": round(time.time(), 6), "number": self.request_count,
            "connection": origin.connection, "index": origin.index, "source": source,
            "method": request.method, "target": request.target,
            "version": f"HTTP/1.{request.minor_version}",
            "headers": [[name, _shown(name, value)] for name, value in request.headers],
            "body_size": len(request.body), "status": _status(answer, reply),
            "outcome": _outcome(reply), "error": answer.refusal or None, "step": step.text or None,
        }
        if origin.tls:
            entry["tls"] = origin.tls
        if request.form:
            entry["form"] = [[name, _hidden(value) if name in SECRET_FIELDS else value]
                             for name, value in request.form]
        if answer.token:
            sha256 = answer.token.sha256
            entry.update(token_sha256=sha256, token_new=sha256 not in self._seen,
                         token_size=len(answer.token.text), expires_on=answer.token.expires_on)
            self._seen.add(sha256)
        return entry


def _shown(name: str, value: str) -> str:
    return _hidden(value) if name.lower() in SECRET_HEADERS else value


def _hidden(value: str) -> str:
    return f"(hidden, {len(value)} characters)"


def _status(answer: Answer, reply: Reply) -> Optional[int]:
    if answer.response.wire is not None or reply.delivery.silence or reply.delivery.cut_at == 0:
        return None
    return answer.response.status


def _outcome(reply: Reply) -> str:
    if reply.delivery.silence:
        return "silence"
    if reply.delivery.cut_at is not None:
        return "reset" if reply.delivery.cut_by_reset else "close"
    return "wire" if reply.response.wire is not None else "answer"


def _narration(entry: Dict[str, Any]) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(entry["time"]))
    path, _, query = entry["target"].partition("?")
    what = unquote(query) if entry["source"] != "other" and query else path
    result = f"{entry['status']}" if entry["outcome"] == "answer" else entry["outcome"]
    if "token_sha256" in entry:
        kind = "new" if entry["token_new"] else "cached"
        result += f" {kind} token {entry['token_sha256'][:8]}…"
    elif entry["error"]:
        result += f" {entry['error']}"
    step = f"  [{entry['step']}]" if entry["step"] else ""
    return f"{clock} #{entry['connection']}.{entry['index']} {entry['method']} {what} -> " \
           f"{result}{step}"
