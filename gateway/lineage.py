"""A question for lineage, as a URL asks it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from rayfaas.errors import BadRequest
from rayfaas.gateway.requests import whole_number
from rayfaas.graph import MOST_DEPTH
from rayfaas.touches import MOST_URI


def question_of(query: Mapping[str, str]) -> dict[str, Any]:
    """As the controller takes it. Raises `BadRequest`.

    >>> question_of({"of": "embed:3", "depth": "2", "as_of": "1970-01-01T00:00:01"})["as_of_us"]
    1000000
    """
    of, direction, depth = query.get("of", ""), query.get("direction", "upstream"), query.get("depth", "10")
    if not 0 < len(of) <= MOST_URI:
        raise BadRequest("Say of what: ?of=embed:3, the URI of an artifact, or the id of a call.")
    if direction not in ("upstream", "downstream"):
        raise BadRequest(f"direction is upstream or downstream, not {direction!r}.")
    if (levels := whole_number(depth, MOST_DEPTH, least=1)) is None:
        raise BadRequest(f"depth is from 1 to {MOST_DEPTH}, not {depth!r}.")
    as_of = query.get("as_of")
    return {
        "of": of,
        "direction": direction,
        "depth": levels,
        "as_of_us": None if as_of is None else _moment_us(as_of),
        "version": query.get("version"),
    }


def _moment_us(text: str) -> int:
    """A day alone is its beginning; a time without an offset is UTC."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+") if "T" in text else text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return int(moment.timestamp() * 1e6)
    except (ValueError, OverflowError):
        raise BadRequest(f"as_of is a time as ISO 8601 writes it, 2026-11-27T10:00:00Z, not {text!r}.") from None
