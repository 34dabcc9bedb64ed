"""What every token source shares: the settings, the answer document, and how a step bends them.

A source is one file with a class that has the members of `Source` below. It knows its own
checks, its own error bodies and its own field names; nothing else.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any, Dict, List, Optional, Protocol, Sequence, Tuple

from behaviour import Step, json_text
from identities import Identities, Identity
from message import Request, Response, json_response
from server import Delivery, Reply
from tokens import Issuer, Token


@dataclass
class Settings:
    """What the command line chose; the control port can change it while running."""

    numbers: bool = False
    expires_in: str = "remaining"  # remaining | issue
    date: Optional[float] = 0.0  # offset in seconds; None: no Date header
    framing: str = "length"
    chunk_sizes: List[int] = field(default_factory=list)
    version: str = "HTTP/1.1"
    resources: List[str] = field(default_factory=list)  # empty: any that looks like one
    certificate: Optional[str] = None  # of certificates.KINDS; None: the source's usual one
    tls: str = "any"  # of certificates.VERSIONS
    tls_cut: Optional[int] = None  # connections end after so many bytes
    tls_records: Optional[int] = None  # payload in a record
    dates: Optional[str] = None  # how App Service 2017 and Azure ML write expires_on
    arc_agent: str = "new"  # old: ignores an identity selector, as early Arc agents do
    header: str = field(default_factory=lambda: secrets.token_hex(16))  # the secret header


@dataclass
class World:
    """Everything a source answers from."""

    settings: Settings
    identities: Identities
    issuer: Issuer
    folder: Path = Path(".")  # for the files of this run


@dataclass
class Answer:
    """What a source decided, before the step's wishes for head, framing and delivery."""

    response: Response
    token: Optional[Token] = None
    refusal: str = ""  # the error code, for the request log


class Source(Protocol):
    name: str
    scheme: str  # what clients expect of it

    def serves(self, path: str) -> bool: ...

    def answer(self, request: Request, step: Step) -> Answer: ...

    def failure(self, status: int, step: Step) -> Response:
        """An error for a script that names no more than its status."""
        ...

    def endpoint(self, base_url: str) -> str:
        """The address that a client is given."""
        ...

    def environment(self, base_url: str) -> Dict[str, str]:
        """The variables by which a client finds it."""
        ...


class Refused(Exception):
    """A request that a source refuses. `shape` differs from the source's own where it is set."""

    def __init__(self, status: int, code: str, description: str, shape: str = "",
                 headers: Sequence[Tuple[str, str]] = ()) -> None:
        super().__init__(code)
        self.status, self.code, self.description = status, code, description
        self.shape, self.headers = shape, headers


class CheckedSource:
    """A source whose `grant` raises Refused; `shape` is that of its error bodies."""

    name = ""
    scheme = "http"
    path = ""
    shape = "flat"
    failures: Dict[int, Tuple[str, str]] = {}  # by status
    descriptions: Dict[str, str] = {}  # by error code

    def __init__(self, world: World) -> None:
        self.world = world

    def serves(self, path: str) -> bool:
        return path == self.path

    def endpoint(self, base_url: str) -> str:
        return base_url + self.path

    def environment(self, base_url: str) -> Dict[str, str]:
        return {}

    def answer(self, request: Request, step: Step) -> Answer:
        try:
            return self.grant(request, step)
        except Refused as refused:
            response = error_body(refused.status, refused.shape or self.shape, refused.code,
                                  refused.description)
            response.headers += refused.headers
            return Answer(response, refusal=refused.code)

    def grant(self, request: Request, step: Step) -> Answer:
        raise NotImplementedError

    def failure(self, status: int, step: Step) -> Response:
        code, description = self.failures.get(
            status, ("unknown", "The service is unavailable") if status >= 500
            else ("invalid_request", "The request was refused"))
        if step.error:
            code, description = step.error, self.descriptions.get(step.error, description)
        return error_body(status, step.shape or self.shape, code, description)


def check_method(request: Request, *methods: str) -> None:
    if request.method not in methods:
        allow = ", ".join(methods)
        raise Refused(405, "method_not_allowed", f"Only {allow} is supported",
                      headers=[("Allow", allow)])


def check_pairs(pairs: Sequence[Tuple[str, str]], known: Sequence[str],
                ignored: Sequence[str] = ()) -> Dict[str, str]:
    """The pairs by name. Refuses what is there twice, what is empty, what isn't known."""
    counts = Counter(name.lower() for name, _ in pairs)
    for name, value in pairs:
        if counts[name.lower()] > 1:
            raise Refused(400, "invalid_request", f"Parameter '{name}' is given twice")
        if name not in known and name not in ignored:
            raise Refused(400, "invalid_request", f"Parameter '{name}' is not known")
        if not value:
            raise Refused(400, "invalid_request", f"Parameter '{name}' is empty")
    return dict(pairs)


def resource_known(settings: Settings, resource: str) -> bool:
    if settings.resources:
        return resource.rstrip("/") in [each.rstrip("/") for each in settings.resources]
    return _RESOURCE.fullmatch(resource) is not None


_RESOURCE = re.compile(r"[a-z][a-z0-9+.-]*://\S+|[0-9a-f-]{36}", re.IGNORECASE)


def take_token(world: World, identity: Identity, resource: str, bypass_cache: bool,
               step: Step, extra: Optional[Dict[str, Any]] = None) -> Token:
    """The token for an identity and a resource, with what the step does to it."""
    if step.wrong_identity:
        return world.issuer.issue(world.identities.other_than(identity), resource)
    if step.lifetime_s is not None or step.token_size is not None:
        return world.issuer.issue(identity, resource, step.lifetime_s, step.token_size)
    return world.issuer.get(identity, resource, bypass_cache or step.fresh, extra)


def expires_in(world: World, token: Token) -> int:
    if world.settings.expires_in == "issue":
        return token.expires_on - token.granted_at
    return token.expires_on - int(time.time())


def success(world: World, fields: Dict[str, Any], step: Step, numbers: bool = False) -> Response:
    """The document: numbers as strings unless asked otherwise, then the step's changes.

    `numbers` is for a source that writes numbers by itself.
    """
    numbers = (numbers or world.settings.numbers or step.numbers) and not step.strings
    document = [(name, str(value) if isinstance(value, int) and not numbers else value)
                for name, value in fields.items()]
    for name, text in step.set_fields:
        document = [pair for pair in document if pair[0] != name] + [(name, json_text(text))]
    document = [pair for pair in document if pair[0] not in step.drop_fields]
    document += [pair for pair in document if pair[0] in step.repeat_fields]
    body = _encode(document, step.escape)
    if step.oversize is not None:
        empty = len(_encode(document + [("padding", "")], step.escape))
        body = _encode(document + [("padding", "x" * max(0, step.oversize - empty))], step.escape)
    return Response(200, [("Content-Type", "application/json; charset=utf-8")], body)


def error_body(status: int, shape: str, code: str, description: str) -> Response:
    """An error in one of the shapes that the endpoints are known to use."""
    flat: Dict[str, Any] = {"error": code, "error_description": description}
    if shape.startswith("aad"):
        codes = [int(digits) for digits in [description[6:].split(":")[0]] if digits.isdigit()]
        codes = codes or [900000]
        flat.update(error_codes=str(codes) if shape == "aad-string" else codes,
                    timestamp=time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
                    trace_id="0d2b7a5e-0000-4000-8000-000000000001",
                    correlation_id="0d2b7a5e-0000-4000-8000-000000000002",
                    error_uri="https://login.microsoftonline.com/error?code="
                              f"{codes[0]}")
    if shape == "code":
        return json_response(status, {"code": code, "message": description})
    if shape == "nested":
        return json_response(status, {"error": {"code": code, "message": description}})
    if shape == "app-service":
        return json_response(status, {"statusCode": status, "message": description,
                                      "correlationId": str(uuid.uuid4())})
    if shape == "fabric":
        return json_response(status, {"error": {"correlationId": str(uuid.uuid4()),
                                                "code": code, "message": description}})
    if shape == "text":
        return Response(status, [("Content-Type", "text/plain")], description.encode())
    if shape == "empty":
        return Response(status)
    return json_response(status, flat)


def scripted(source: Source, request: Request, step: Step) -> Answer:
    """The answer under a step: the source's own, or what the step puts in its place."""
    if step.raw is not None:
        return Answer(Response(wire=step.raw), refusal="raw")
    if step.garbage_size is not None:
        return Answer(Response(wire=os.urandom(step.garbage_size)), refusal="garbage")
    if step.redirect is not None:
        return Answer(Response(step.status or 302, [("Location", step.redirect)]),
                      refusal="redirect")
    if step.body is not None:
        return Answer(Response(step.status or 200, [("Content-Type", "application/json")],
                               step.body), refusal="body")
    if step.status is not None and step.status != 200:
        return Answer(source.failure(step.status, step), refusal=step.error or "scripted")
    return source.answer(request, step)


def shape_reply(settings: Settings, answer: Answer, step: Step) -> Reply:
    """Head, framing and delivery, from the settings and the step."""
    response = answer.response
    response.headers = response.headers + step.headers
    if step.retry_after_date_s is not None:
        when = formatdate(time.time() + step.retry_after_date_s, usegmt=True)
        response.headers.append(("Retry-After", when))
    response.date_offset_s = None if step.date is None or settings.date is None \
        else settings.date + step.date
    response.version = step.version or settings.version
    response.framing = step.framing or settings.framing
    response.chunk_sizes = step.chunk_sizes or settings.chunk_sizes
    response.interim = step.interim
    return Reply(response, Delivery(
        delay_s=step.delay_s, dribble_size=step.dribble_size,
        dribble_interval_s=step.dribble_interval_s, cut_at=step.cut_at,
        cut_by_reset=step.cut_by_reset, silence=step.silence, hangup=step.hangup,
        after=step.after))


def _encode(document: List[Tuple[str, Any]], escape: bool) -> bytes:
    """JSON by hand, because a dict can't hold a name twice."""
    parts = []
    for name, value in document:
        text = json.dumps(value)
        if escape and name == "access_token":
            text = '"' + "".join(f"\\u{ord(c):04x}" if i % 7 == 0 else c
                                 for i, c in enumerate(str(value))) + '"'
        elif escape:
            text = text.replace("/", "\\/")
        parts.append(f"{json.dumps(name)}:{text}")
    return ("{" + ",".join(parts) + "}").encode()

