"""Lengths of time and moments, as they stand on the wire."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_SPAN = re.compile(r"(\d+)(ms|s|m|h|d)\s*")


def span_text(span: timedelta) -> str:
    """`1h30m`. Parts of a millisecond are dropped; raises `ValueError` for a negative span."""
    rest = span // timedelta(milliseconds=1)
    if rest < 0:
        raise ValueError("a length of time is not negative")
    parts = []
    for name, factor in _UNITS:
        count, rest = divmod(rest, factor)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"


def parse_span(text: str) -> timedelta:
    """Reads `90s`, `15m`, `1h30m`. Raises `ValueError` for anything else."""
    total, position = 0, 0
    factors = dict(_UNITS)
    while position < len(text):
        part = _SPAN.match(text, position)
        if part is None:
            break
        total += int(part[1]) * factors[part[2]]
        position = part.end()
    if position == 0 or position < len(text):
        raise ValueError(f"`{text[:40]}` is not a length of time: write for example `90s`, `15m` or `1h30m`")
    return timedelta(milliseconds=total)


def parse_moment(text: str) -> datetime:
    """Reads a moment of RFC 3339, such as `2026-01-01T00:00:00Z`. Raises `ValueError`, also without a time zone."""
    # Before Python 3.11 `fromisoformat` knows neither `Z` nor fractions of other than 3 or 6 digits.
    plain = re.sub(r"[zZ]$", "+00:00", text.strip())
    plain = re.sub(r"\.(\d+)", lambda fraction: "." + fraction[1][:6].ljust(6, "0"), plain)
    moment = datetime.fromisoformat(plain)
    if moment.tzinfo is None:
        raise ValueError(f"`{text}` has no time zone")
    return moment


def moment_text(moment: datetime) -> str:
    """`2026-01-01T00:00:00Z`. Raises `ValueError` for a moment without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone, such as `datetime.now(timezone.utc)`")
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
