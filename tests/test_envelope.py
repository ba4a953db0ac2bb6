"""The headers of the data path: both ends read them alike, also where one is newer, and refuse what they are not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rayfaas.envelope import (
    AccessBody,
    CallHeader,
    CancelHeader,
    CreditHeader,
    ErrorHeader,
    LogHeader,
    ReadyHeader,
    ResultHeader,
)
from rayfaas.errors import CallTimeout, from_problem, to_problem

HEADERS: list[Any] = [
    ReadyHeader("nlp/embed:7", "e-1", 4, 4711, "r-1", "n-1", "local", "x86_64/2cpu"),
    CallHeader("c-1", "c-0", "c-0", "application/json", "ann", "nlp", 1_800_000_000.25, 100),
    CallHeader("c-1", "c-1", None, "", "ann", "nlp", 1_800_000_000.0, 0),
    ResultHeader("application/json", 1_800_000_000_000_000, 1500, 1400, 2),
    ResultHeader("", 1_800_000_000_000_000, 1500, 1400, 2, items=7),
    ErrorHeader({"code": "timeout", "status": 504, "extra": [1, None]}, 0, 0, 0, 1),
    LogHeader(1_800_000_000_000_000, "stdout"),
    LogHeader(1_800_000_000_000_000, "log", "WARNING"),
    CreditHeader(64),
    CancelHeader("timeout"),
    AccessBody("http://gateway:8700", "token"),
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda h: type(h).__name__)
def test_a_header_is_read_as_it_was_written(header: Any) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(header), type=type(header)) == header


@pytest.mark.parametrize("header", HEADERS, ids=lambda h: type(h).__name__)
def test_a_header_of_a_newer_peer_with_more_in_it_is_understood(header: Any) -> None:
    longer = [*msgspec.to_builtins(header), "something new"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(longer), type=type(header)) == header


@pytest.mark.parametrize("header", HEADERS, ids=lambda h: type(h).__name__)
def test_an_empty_header_or_one_of_another_kind_is_refused(header: Any) -> None:
    others: list[Any] = [[], {}, [["a list"]], None]
    for other in others:
        with pytest.raises(msgspec.ValidationError):
            msgspec.msgpack.decode(msgspec.msgpack.encode(other), type=type(header))


def test_the_items_of_a_result_that_is_no_stream_are_none() -> None:
    header = msgspec.msgpack.decode(msgspec.msgpack.encode(["application/json", 1, 2, 3, 4]), type=ResultHeader)
    assert header.items is None


def test_an_error_crosses_in_its_header() -> None:
    sent = msgspec.msgpack.encode(ErrorHeader(to_problem(CallTimeout("after 2 s", limit=2)), 1, 2, 3, 0))
    error = from_problem(msgspec.msgpack.decode(sent, type=ErrorHeader).problem)
    assert isinstance(error, CallTimeout)
    assert (error.detail, error.extra) == ("after 2 s", {"limit": 2})
