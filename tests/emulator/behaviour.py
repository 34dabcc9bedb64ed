"""Scripted behaviour: steps that change how requests are answered, one after the other.

A script is lines of words (README.md has the table). Each line is one step. A step serves a
number of requests (`x3`, default one) or a time (`for 5s`), then the next one is current; after
the last, answers are normal again. A step ends when its last request has been read.
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

UNLIMITED = -1
OVERSIZE_DEFAULT = 40_000
SHAPES = ("flat", "aad", "aad-string", "code", "nested", "app-service", "fabric", "text", "empty")
RESOURCES = ("arm", "vault")  # what takes tokens; only steps with `at` touch these
CHALLENGES = ("wrong-scheme", "no-header", "no-realm", "two-equals", "other-directory", "not-key",
              "relative", "link", "directory", "fifo", "largest", "oversize", "empty",
              "unreadable", "missing", "none")


class ScriptError(ValueError):
    """A line that can't be understood; the text says where and what was expected."""


@dataclass
class Step:
    """What one line asks for. Every field's default means: as the endpoint does by itself."""

    text: str = ""
    # how long and for which requests
    when: str = ""  # only requests whose target contains this text
    at: str = ""  # only requests to this source or resource
    count: int = 1
    duration_s: Optional[float] = None
    # an answer in place of the endpoint's own
    status: Optional[int] = None
    error: Optional[str] = None
    shape: Optional[str] = None
    body: Optional[bytes] = None
    raw: Optional[bytes] = None
    garbage_size: Optional[int] = None
    redirect: Optional[str] = None
    refuse: bool = False
    silence: bool = False
    # the token and the document around it
    wrong_identity: bool = False
    fresh: bool = False
    lifetime_s: Optional[float] = None
    token_size: Optional[int] = None
    numbers: bool = False
    strings: bool = False
    challenge: str = ""  # how Azure Arc's differs from a good one
    escape: bool = False
    oversize: Optional[int] = None
    set_fields: List[Tuple[str, str]] = field(default_factory=list)  # name, JSON text
    repeat_fields: List[str] = field(default_factory=list)
    drop_fields: List[str] = field(default_factory=list)
    # the head and the framing
    headers: List[Tuple[str, str]] = field(default_factory=list)
    retry_after_date_s: Optional[float] = None
    date: Optional[float] = 0.0  # offset in seconds; None: no Date header
    version: Optional[str] = None
    framing: Optional[str] = None
    chunk_sizes: Sequence[int] = ()
    interim: List[int] = field(default_factory=list)
    after: bytes = b""
    # the delivery
    delay_s: float = 0.0
    dribble_size: Optional[int] = None
    dribble_interval_s: float = 0.0
    cut_at: Optional[int] = None
    cut_by_reset: bool = False
    hangup: bool = False


NORMAL = Step()


def parse_script(text: str, origin: str = "script") -> List[Step]:
    """All lines of `text`; blank lines and those that begin with `#` are skipped."""
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                steps.append(parse_step(line.strip()))
            except ScriptError as error:
                raise ScriptError(f"{origin}:{number}: {error}") from None
    return steps


def parse_step(line: str) -> Step:
    step = Step(text=line)
    words = _Words(line)
    while words.more():
        word = words.take("a word")
        times = re.fullmatch(r"x(\d+|\*)", word)
        if times:
            step.count = UNLIMITED if times[1] == "*" else int(times[1])
            if step.count == 0:
                raise ScriptError("x0: a step serves at least one request")
        elif word in _WORDS:
            _WORDS[word](step, words)
        else:
            raise ScriptError(f"unknown word {word!r}; known: {', '.join(sorted(_WORDS))}, xN")
    if step.refuse and step.duration_s is None:
        raise ScriptError("refuse needs a time, such as: refuse 3s")
    if step.refuse and step.when:
        raise ScriptError("refuse takes no when: the whole port is closed")
    return step


def parse_time(text: str) -> float:
    """`250ms`, `3s`, `2m`, `1h` or bare seconds; a sign is allowed."""
    match = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)(ms|s|m|h)?", text)
    if not match:
        raise ScriptError(f"{text!r}: expected a time such as 250ms, 3s, 2m, 1h")
    return float(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}[match[2] or "s"]


def unescape(text: str) -> bytes:
    r"""Bytes of a text with \r \n \t \0 \s (blank) \\ and \xHH; all else as UTF-8."""
    simple = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "s": b" ", "\\": b"\\"}
    out, offset = b"", 0
    while offset < len(text):
        if text[offset] != "\\":
            out += text[offset].encode()
            offset += 1
            continue
        code = text[offset + 1:offset + 2]
        hexadecimal = re.match(r"x([0-9a-fA-F]{2})", text[offset + 1:])
        if code in simple and code:
            out += simple[code]
            offset += 2
        elif hexadecimal:
            out += bytes([int(hexadecimal[1], 16)])
            offset += 4
        else:
            raise ScriptError(f"unknown escape {text[offset:offset + 4]!r}")
    return out


class _Words:
    """The words of one line; `rest` gives what is left of it untouched."""

    def __init__(self, line: str) -> None:
        self._line = line

    def more(self) -> bool:
        return bool(self._line)

    def peek(self) -> str:
        return self._line.split(None, 1)[0] if self._line else ""

    def take(self, expected: str) -> str:
        if not self._line:
            raise ScriptError(f"the line ends where {expected} was expected")
        parts = self._line.split(None, 1)
        self._line = parts[1] if len(parts) > 1 else ""
        return parts[0]

    def skip(self, *noise: str) -> None:
        while self.peek() in noise:
            self.take("")

    def rest(self) -> str:
        line, self._line = self._line, ""
        return line

    def number(self, expected: str) -> int:
        word = self.take(expected)
        if not word.isdigit():
            raise ScriptError(f"{word!r}: expected {expected}")
        return int(word)

    def number_if_any(self, default: int) -> int:
        return self.number("a number") if self.peek().isdigit() else default

    def time(self) -> float:
        return parse_time(self.take("a time"))

    def time_follows(self) -> bool:
        return bool(re.match(r"[+-]?\d", self.peek()))


_Handler = Callable[[Step, _Words], None]


def _flag(name: str, value: Any = True) -> _Handler:
    def handler(step: Step, words: _Words) -> None:
        setattr(step, name, value)
    return handler


def _nothing(step: Step, words: _Words) -> None:
    """`normal` and `ok`: only count and time matter."""


def _status(step: Step, words: _Words) -> None:
    step.status = words.number("a status")
    if not 100 <= step.status <= 999:
        raise ScriptError(f"status {step.status}: expected three digits")


def _shape(step: Step, words: _Words) -> None:
    step.shape = words.take("a shape")
    if step.shape not in SHAPES:
        raise ScriptError(f"shape {step.shape}: expected one of {', '.join(SHAPES)}")


def _challenge(step: Step, words: _Words) -> None:
    step.challenge = words.take("a kind of challenge")
    if step.challenge not in CHALLENGES:
        raise ScriptError(f"challenge {step.challenge}: expected one of {', '.join(CHALLENGES)}")


def _retry_after(step: Step, words: _Words) -> None:
    value = words.take("seconds, or date:TIME")
    if value.startswith("date:"):
        step.retry_after_date_s = parse_time(value[5:])
    else:
        step.headers.append(("Retry-After", unescape(value).decode("latin-1")))


def _header(step: Step, words: _Words) -> None:
    name, colon, value = words.take("NAME:VALUE").partition(":")
    if not colon:
        raise ScriptError("header: expected NAME:VALUE without blanks (\\s is a blank)")
    step.headers.append((name, unescape(value).decode("latin-1")))


def _set(step: Step, words: _Words) -> None:
    name, equals, value = words.take("NAME=JSON").partition("=")
    if not equals:
        raise ScriptError("set: expected NAME=JSON")
    step.set_fields.append((name, unescape(value).decode()))


def _lifetime(step: Step, words: _Words) -> None:
    step.lifetime_s = words.time()


def _expired(step: Step, words: _Words) -> None:
    words.skip("token")
    step.lifetime_s = -(words.time() if words.time_follows() else 60.0)


def _wrong(step: Step, words: _Words) -> None:
    if words.take("identity") != "identity":
        raise ScriptError("wrong: expected identity")
    step.wrong_identity = True


def _date(step: Step, words: _Words) -> None:
    value = words.take("a time offset, or none")
    step.date = None if value == "none" else parse_time(value)


def _chunked(step: Step, words: _Words) -> None:
    words.skip("sizes")
    step.framing = "chunked"
    if re.fullmatch(r"[\d,]+", words.peek()):
        step.chunk_sizes = parse_sizes(words.take("sizes"))


def parse_sizes(text: str) -> List[int]:
    sizes = [int(size) for size in text.split(",") if size]
    if not sizes or min(sizes) < 1:
        raise ScriptError(f"chunk sizes {text!r}: expected numbers such as 1,2,3")
    return sizes


def _http10(step: Step, words: _Words) -> None:
    step.version, step.framing = "HTTP/1.0", "close"


def _delay(step: Step, words: _Words) -> None:
    step.delay_s = words.time()


def _dribble(step: Step, words: _Words) -> None:
    step.dribble_size = max(1, words.number("a number of bytes"))
    words.skip("byte", "bytes", "every", "each")
    step.dribble_interval_s = words.time()


def _cut(by_reset: bool) -> _Handler:
    def handler(step: Step, words: _Words) -> None:
        words.skip("at", "byte", "after")
        step.cut_at, step.cut_by_reset = words.number_if_any(0), by_reset
        words.skip("byte", "bytes")
    return handler


def _for(step: Step, words: _Words) -> None:
    step.duration_s = words.time()
    step.count = UNLIMITED


def _refuse(step: Step, words: _Words) -> None:
    step.refuse = True
    if words.time_follows():
        _for(step, words)


def _silence(step: Step, words: _Words) -> None:
    step.silence = True


def _body(step: Step, words: _Words) -> None:
    step.body = unescape(words.rest()) if words.peek() == "\\" else words.rest().encode()


def _raw(step: Step, words: _Words) -> None:
    step.raw = unescape(words.rest())


def _store(name: str, expected: str, convert: Callable[[str], Any] = str) -> _Handler:
    def handler(step: Step, words: _Words) -> None:
        setattr(step, name, convert(words.take(expected)))
    return handler


def _store_number(name: str, default: Optional[int] = None) -> _Handler:
    def handler(step: Step, words: _Words) -> None:
        value = words.number("a number") if default is None else words.number_if_any(default)
        setattr(step, name, value)
        words.skip("byte", "bytes")
    return handler


def _append(name: str, expected: str) -> _Handler:
    def handler(step: Step, words: _Words) -> None:
        getattr(step, name).append(words.take(expected))
    return handler


def _interim(step: Step, words: _Words) -> None:
    step.interim.append(words.number("a status"))


def _redirect(step: Step, words: _Words) -> None:
    step.redirect = words.take("") if "://" in words.peek() or words.peek()[:1] == "/" \
        else "http://127.0.0.1:1/elsewhere"


_WORDS: Dict[str, _Handler] = {
    "normal": _nothing, "ok": _nothing, "for": _for, "when": _store("when", "a text"),
    "at": _store("at", "a source's name"), "challenge": _challenge,
    "status": _status, "error": _store("error", "an error code"), "shape": _shape,
    "body": _body, "raw": _raw, "garbage": _store_number("garbage_size"),
    "redirect": _redirect, "refuse": _refuse, "silence": _silence,
    "wrong-identity": _flag("wrong_identity"), "wrong": _wrong, "fresh": _flag("fresh"),
    "expired": _expired, "lifetime": _lifetime, "token-size": _store_number("token_size"),
    "numbers": _flag("numbers"), "strings": _flag("strings"), "escape": _flag("escape"),
    "oversize": _store_number("oversize", OVERSIZE_DEFAULT),
    "set": _set, "repeat": _append("repeat_fields", "a name"),
    "drop": _append("drop_fields", "a name"),
    "retry-after": _retry_after, "header": _header, "date": _date, "http10": _http10,
    "chunked": _chunked, "no-length": _flag("framing", "close"), "interim": _interim,
    "after": _store("after", "bytes", unescape),
    "delay": _delay, "dribble": _dribble, "close": _cut(False), "reset": _cut(True),
    "hangup": _flag("hangup"),
}


class Script:
    """The queue of steps. Safe to use from several threads.

    The current steps are those at the front up to and including the first without `when` and
    `at`; the clock of a timed step starts when it becomes current.
    """

    def __init__(self, steps: Sequence[Step] = (),
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._queue: List[_Pending] = []
        self.append(steps)

    def append(self, steps: Sequence[Step]) -> None:
        with self._changed:
            self._queue += [_Pending(step, step.count) for step in steps]
            self._advance()
            self._changed.notify_all()

    def replace(self, steps: Sequence[Step]) -> None:
        with self._changed:
            self._queue.clear()
            self.append(steps)

    def take(self, target: str, source: str = "imds") -> Step:
        """The step for a request with this target, counted; NORMAL where none is left."""
        with self._changed:
            self._advance()
            for pending in self._current():
                if pending.step.when in target and not pending.step.refuse \
                        and concerns(pending.step, source):
                    if pending.left != UNLIMITED:
                        pending.left -= 1
                    self._advance()
                    self._changed.notify_all()
                    return pending.step
            return NORMAL

    def refusing(self, source: str = "imds") -> bool:
        with self._changed:
            self._advance()
            return any(pending.step.refuse and concerns(pending.step, source)
                       for pending in self._current())

    def remaining(self) -> List[str]:
        with self._changed:
            self._advance()
            return [pending.step.text for pending in self._queue]

    def wait_for_change(self) -> None:
        """Returns when the current steps may have changed."""
        with self._changed:
            self._advance()
            ends = [pending.ends_at for pending in self._current() if pending.ends_at is not None]
            self._changed.wait(max(0.0, min(ends) - self._clock()) if ends else None)

    def _current(self) -> List[_Pending]:
        front = []
        for pending in self._queue:
            front.append(pending)
            if not pending.step.when and not pending.step.at:
                break
        return front

    def _advance(self) -> None:
        """Removes what is done and starts the clocks of what is current."""
        now = self._clock()
        while True:
            for pending in self._current():
                if pending.step.duration_s is not None and pending.ends_at is None:
                    pending.ends_at = now + pending.step.duration_s
            before = len(self._queue)
            self._queue[:] = [pending for pending in self._queue if not pending.done(now)]
            if len(self._queue) == before:
                return


def concerns(step: Step, source: str) -> bool:
    """Whether a step is for this source; without `at` it is for all that give tokens."""
    return step.at == source if step.at else source not in RESOURCES


@dataclass
class _Pending:
    step: Step
    left: int
    ends_at: Optional[float] = None

    def done(self, now: float) -> bool:
        return self.left == 0 or (self.ends_at is not None and now >= self.ends_at)


def json_text(text: str) -> Any:
    """A value for a document: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
