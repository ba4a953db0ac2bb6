"""What a caller prefers: RFC 7240. Of a preference that is not known nothing is said."""

from __future__ import annotations

import re

from rayfaas.errors import BadRequest

_MOST_S = 1e9
_WAIT = re.compile(r"wait\s*=\s*\"?([0-9]+)\"?")


def wait_s(prefer: str) -> float | None:
    """Seconds of `wait=…`; None where nothing is said of it. Raises `BadRequest`.

    >>> wait_s("respond-async, wait=30"), wait_s("respond-async")
    (30.0, None)
    """
    named = [each.strip() for each in prefer.lower().split(",") if re.match(r"\s*wait\b", each)]
    if not named:
        return None
    found = _WAIT.fullmatch(named[0].partition(";")[0].strip())
    if found is None or len(named) > 1:
        raise BadRequest(f"Prefer: {', '.join(named)}: write wait=30, once, in whole seconds.")
    return min(float(found[1]), _MOST_S)
