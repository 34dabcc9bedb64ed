"""Numbers: what many samples come to, and how a number is written for people."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

MISSING = "–"


def median(samples: Sequence[float]) -> float:
    """The middle sample; the mean of the two middle ones where their count is even."""
    if not samples:
        raise ValueError("no samples have no median")
    ordered = sorted(samples)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[middle])
    return (ordered[middle - 1] + ordered[middle]) / 2


def quartiles(samples: Sequence[float]) -> Tuple[float, float]:
    """The medians of the lower and of the upper half; the middle sample is in neither."""
    ordered = sorted(samples)
    half = len(ordered) // 2
    if half == 0:
        return median(ordered), median(ordered)
    return median(ordered[:half]), median(ordered[-half:])


def ratio(value: Optional[float], floor: Optional[float]) -> Optional[float]:
    """How many times the floor; None where either is unknown or the floor is nothing."""
    if value is None or not floor:
        return None
    return value / floor


def number(value: Optional[float], digits: int = 3) -> str:
    """Three significant digits, or all of a whole number, with commas: 0.204, 12.3, 4,477."""
    if value is None:
        return MISSING
    magnitude = abs(value)
    if magnitude == int(magnitude) or magnitude >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    decimals = digits - 1
    while magnitude >= 10:
        magnitude /= 10
        decimals -= 1
    while 0 < magnitude < 1 and decimals < digits:
        magnitude *= 10
        decimals += 1
    return f"{value:,.{decimals}f}"


def count(value: Optional[float]) -> str:
    """Large counts in thousands and millions: 4.48 k, 188 M."""
    if value is None:
        return MISSING
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{number(value / limit)} {unit}"
    return number(value)


def size(value: Optional[float]) -> str:
    """Bytes: 6.38 KiB, 104 MiB."""
    if value is None:
        return MISSING
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if abs(value) >= limit:
            return f"{number(value / limit)} {unit}"
    return f"{number(value)} B"


def times(value: Optional[float]) -> str:
    """A ratio: 1.00 ×, 12.3 ×."""
    if value is None:
        return MISSING
    return f"{value:.2f} ×" if value < 10 else f"{number(value)} ×"
