"""Lengths of time as people write them: 90s, 15m, 12h, 30d, 1y."""

from __future__ import annotations

import re

from rayfaas.errors import BadRequest

DURATION = r"\d{1,9}(\.\d{1,9})?[smhdy]"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}


def check_keep_alive(text: str) -> str:
    """How long something without a call is kept: a duration, `learned` from the pauses between calls, or `never` is it
    stopped. Raises `BadRequest`.

    >>> check_keep_alive("10m")
    '10m'
    """
    if text not in ("learned", "never"):
        seconds_of(text)
    return text


def seconds_of(text: str) -> float:
    """Seconds of a duration. Raises `BadRequest`.

    >>> seconds_of("90m"), seconds_of("1.5d")
    (5400.0, 129600.0)
    """
    if re.fullmatch(DURATION, text, re.ASCII) is None:
        raise BadRequest(f"{text!r} is no duration: write 90s, 15m, 12h, 30d or 1y.")
    return float(text[:-1]) * _UNITS[text[-1]]
