"""Any problem can be sent, in one frame's header, and says as much as there is room for."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.errors import FunctionError, to_problem
from rayfaas.executor.problems import sendable
from rayfaas.frames import MAX_HEADER, decode_header, encode_header

texts = st.text(st.characters(exclude_categories=())) | st.sampled_from(["\ud800", "x" * 100_000, "é" * 60_000])
values = st.recursive(
    st.none() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=100)
@given(st.dictionaries(texts, values, max_size=5))
def test_any_problem_becomes_one_that_can_be_sent(problem: dict[str, Any]) -> None:
    encoded = encode_header(sendable(problem))
    assert len(encoded) <= MAX_HEADER
    decode_header(encoded)


def test_a_problem_that_is_fit_stays_as_it_is() -> None:
    problem = to_problem(FunctionError("ValueError: é", exception="ValueError", causes=[{"message": "x"}]))
    assert sendable(problem) == problem


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    text = sendable({"traceback": "first" + "x" * 200_000 + "last"})["traceback"]
    assert (text.startswith("first"), text.endswith("last"), "134,473 bytes are left out" in text) == (True, True, True)


def test_a_problem_that_is_too_large_keeps_what_it_is() -> None:
    causes = [{"exception": "E", "message": "x" * 60_000} for _ in range(16)]
    kept = sendable(to_problem(FunctionError("E: x", exception="E", message="x", causes=causes)))
    assert (kept["code"], kept["exception"], "causes" in kept) == ("function_error", "E", False)
