"""A guest's console: what it says, and commands to the shell that it has there.

What a guest says may hold tokens, when a command asked for them: it stays in memory, and is shown
without them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, List, Match, Optional, Sequence

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "emulator"))

from harness import end_with_parent

TIMEOUT_S = 300.0  # emulation on a busy machine
TAIL_SIZE = 4000


class Failure(Exception):
    """A guest did not do what it should; the text says what was missing, and what it said."""


class Console:
    """A running guest. Ends it when left."""

    def __init__(self, command: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="miagent-image-")
        self._errors = Path(self._folder.name) / "errors"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(list(command), stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=errors,
                                            preexec_fn=end_with_parent)
        assert self.process.stdout and self.process.stdin
        os.set_blocking(self.process.stdout.fileno(), False)
        self._said = ""
        self._seen_size = 0  # what was waited for before this is over
        self._shell_count = 0

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()
        self._folder.cleanup()

    def wait(self, pattern: str, what: str, timeout_s: float = TIMEOUT_S) -> Match[str]:
        """Returns once the pattern is in what has been said since the last wait.

        It may be looked for while a line is being said: a pattern whose groups are used says what
        ends them, and not by `$`, which is true of wherever the guest has come to.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self.process.poll() is not None
            self._read()
            match = re.compile(pattern, re.MULTILINE).search(self._said, self._seen_size)
            if match:
                self._seen_size = match.end()
                return match
            if ended or time.monotonic() > deadline:
                raise Failure(f"{what}: not seen"
                              f"{', and qemu ended' if ended else ''}; it said\n{self.tail()}")
            time.sleep(0.02)

    def shell(self, command: str, timeout_s: float = TIMEOUT_S) -> str:
        """What a command says that the shell on the console runs; it has to succeed."""
        self._shell_count += 1
        mark = f"={self._shell_count}="
        # The mark isn't in what is typed, which comes back as the terminal's echo.
        self.type(f"echo; echo '<'{mark}; {command}; echo \"<$?\"'>'{mark}\n")
        self.wait(re.escape(f"<{mark}") + "\r?\n", command, timeout_s)
        begin = self._seen_size
        match = self.wait(r"<(\d+)>" + re.escape(mark), command, timeout_s)
        said = self._said[begin:match.start()].replace("\r", "")
        if match.group(1) != "0":
            raise Failure(f"{command}: exit {match.group(1)}\n{redacted(said)}")
        return said

    def type(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_end(self, timeout_s: float = TIMEOUT_S) -> None:
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise Failure(f"the guest didn't end; it said\n{self.tail()}") from None
        self._read()

    def said(self) -> str:
        self._read()
        return self._said

    def lines(self, pattern: str) -> List[str]:
        return [line for line in self.said().splitlines() if re.search(pattern, line)]

    def tail(self) -> str:
        errors = self._errors.read_text(encoding="utf-8", errors="replace")
        return redacted(self._said[-TAIL_SIZE:]) + errors

    def _read(self) -> None:
        assert self.process.stdout
        while True:
            data: Optional[bytes] = self.process.stdout.read(65536)
            if not data:
                return
            self._said += data.decode("utf-8", "replace").replace("\x1b[6n", "")


def redacted(text: str) -> str:
    return re.sub(r"eyJ[\w.-]*", "(a token)", text)
