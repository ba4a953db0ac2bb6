"""How urgent a call is, among those that wait for an executor of the same version."""

from __future__ import annotations

import re

from rayfaas.errors import BadRequest

MOST = 10
LOWEST = -MOST
NAMES = {"low": -5, "normal": 0, "high": 5}


def parse_priority(given: int | str) -> int:
    """`low`, `normal`, `high`, or a number from -10 to 10, as a number.

    >>> parse_priority("high"), parse_priority("-3"), parse_priority(10)
    (5, -3, 10)
    """
    text = str(given)
    if text in NAMES:
        return NAMES[text]
    if re.fullmatch(r"[+-]?[0-9]{1,2}", text, re.ASCII) is None or abs(int(text)) > MOST:
        raise BadRequest(f"A priority is low, normal, high, or a number from -{MOST} to {MOST}, not {text!r}.")
    return int(text)
