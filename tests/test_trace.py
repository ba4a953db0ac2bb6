"""The trace of a call: what a `traceparent` is, and what a call tells others."""

from __future__ import annotations

import json

import pytest

from rayfaas.names import new_id
from rayfaas.trace import trace_facts, trace_of, traceparent_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01x",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_a_header_that_is_no_traceparent_names_no_trace(header: str) -> None:
    assert trace_facts(header) is None


def test_a_header_of_a_later_version_may_say_more() -> None:
    assert trace_facts(f"01-{TRACE}-{SPAN}-01-more") == {"id": TRACE, "span": SPAN}


def test_a_context_names_its_trace_or_none() -> None:
    facts = trace_facts(f"00-{TRACE}-{SPAN}-00")
    assert trace_of(json.dumps({"host": "h", "trace": facts}, separators=(",", ":"))) == TRACE
    for context in (None, "{}", '{"trace":1}', '{"trace":{"id":"x"}}', '{"program":"\\"trace\\""}'):
        assert trace_of(context) == ""


@pytest.mark.parametrize("trace", ["", TRACE])
def test_what_a_call_sends_on_is_a_traceparent_in_the_same_trace(trace: str) -> None:
    root, call = new_id(), new_id()
    facts = trace_facts(traceparent_of(call, root, trace))
    assert facts == {"id": trace or root.replace("-", ""), "span": call.replace("-", "")[16:]}
