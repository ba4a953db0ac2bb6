"""The trace that a call belongs to, as W3C Trace Context has it: one for a call and all that come of it.

https://www.w3.org/TR/trace-context/. Who calls with a `traceparent` is in a trace of theirs, which the context of the
call then names; any other call begins one, whose id is that of the chain's first call.
"""

from __future__ import annotations

import re
from typing import Any

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_IN_CONTEXT = re.compile(r'"trace":\{"id":"([0-9a-f]{32})"')


def trace_facts(traceparent: str) -> dict[str, Any] | None:
    """What the context of a call says of its trace; None for a header that is none, which the standard ignores.

    >>> trace_facts("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    {'id': '4bf92f3577b34da6a3ce929d0e0e4736', 'span': '00f067aa0ba902b7'}
    """
    found = _TRACEPARENT.fullmatch(traceparent)
    return {"id": found[1], "span": found[2]} if found else None


def trace_of(context: str | None) -> str:
    """The id of the trace that a context names, or nothing.

    >>> trace_of('{"trace":{"id":"4bf92f3577b34da6a3ce929d0e0e4736","span":"00f067aa0ba902b7"}}')
    '4bf92f3577b34da6a3ce929d0e0e4736'
    """
    if context is None or '"trace"' not in context:
        return ""
    found = _IN_CONTEXT.search(context)
    return found[1] if found else ""


def traceparent_of(call_id: str, root_id: str, trace: str = "") -> str:
    """The header for what a call asks of others: its span is the call.

    >>> traceparent_of("018f0000-0000-7000-8000-00000000000b", "018f0000-0000-7000-8000-00000000000a")
    '00-018f000000007000800000000000000a-800000000000000b-01'
    """
    return f"00-{trace or root_id.replace('-', '')}-{call_id.replace('-', '')[-16:]}-01"
