"""IMDS's two limits for token requests: how many in a second, and how many at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Callable, Deque


class Throttle:
    """`with throttle as admitted:` around one request; 0 switches a limit off."""

    def __init__(self, per_second: int, at_once: int,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: Deque[float] = deque()
        self._running = 0

    def __enter__(self) -> bool:
        with self._lock:
            now = self._clock()
            while self._recent and self._recent[0] <= now - 1.0:
                self._recent.popleft()
            self._recent.append(now)
            self._running += 1
            return (not self._per_second or len(self._recent) <= self._per_second) \
                and (not self._at_once or self._running <= self._at_once)

    def __exit__(self, *_: Any) -> None:
        with self._lock:
            self._running -= 1
