"""What load generators print is read rightly, whichever of the two it was."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from benchmarks.closed_loop import order_from, result_line
from benchmarks.errors import BenchmarkError
from benchmarks.load import parse_result

LINE = (
    'RESULT {"requests": 1000, "duration_us": 4000000, "p50_us": 500, "p90_us": 600, "p99_us": 700, "max_us": 800, '
    '"errors": {"connect": 0, "read": 1, "write": 0, "timeout": 0, "answer": 2}}'
)


def test_a_result_is_found_among_other_lines() -> None:
    result = parse_result(f"Running 4s test\n{LINE}\n", connections=32)
    assert (result.connections, result.requests, result.seconds) == (32, 1000, 4.0)
    assert result.requests_per_s == 250.0
    assert (result.p50_ms, result.p90_ms, result.p99_ms, result.max_ms) == (0.5, 0.6, 0.7, 0.8)


def test_wrong_and_missing_answers_make_a_result_invalid() -> None:
    result = parse_result(LINE, connections=1)
    assert result.failed == 3
    assert not result.valid


def test_output_without_a_result_is_an_error_that_shows_it() -> None:
    with pytest.raises(BenchmarkError, match="unable to connect"):
        parse_result("unable to connect", connections=1)


def test_the_closed_loops_line_is_read_as_wrks() -> None:
    result = parse_result(result_line([1_000_000] * 99 + [9_000_000], Counter(answer=1), 2.0), connections=1)
    assert (result.requests, result.requests_per_s, result.failed) == (100, 50.0, 1)
    assert (result.p50_ms, result.p99_ms, result.max_ms) == (1.0, 1.0, 9.0)


def test_nothing_answered_is_no_valid_result() -> None:
    assert not parse_result(result_line([], Counter(connect=3), 1.0), connections=1).valid


def test_an_order_holds_the_whole_request() -> None:
    body = '{"x": 1}'
    order = order_from(["http://127.0.0.1:80/call/noop", body, '{"x":1}', "32", "3", "Authorization=Bearer a=b"])
    assert (order.host, order.port, order.connections, order.seconds) == ("127.0.0.1", 80, 32, 3.0)
    head, _, sent = order.request.decode().partition("\r\n\r\n")
    assert head.startswith("POST /call/noop HTTP/1.1\r\n")
    assert "Authorization: Bearer a=b" in head
    assert f"Content-Length: {len(body)}" in head
    assert json.loads(sent) == {"x": 1}
