"""A journal's records: one line each, told apart, and readable after the code that wrote them has changed."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.records import CallEnded, CallStarted, LogLine, Record, Settled, Spawned, encode_record

decoder = msgspec.json.Decoder(Record)


def is_finite(record: msgspec.Struct) -> bool:
    """JSON has no word for other numbers, and no record has them."""
    return all(math.isfinite(value) for value in msgspec.structs.astuple(record) if isinstance(value, float))


kinds = (CallStarted, CallEnded, LogLine, Spawned, Settled)
records: st.SearchStrategy[Any] = st.one_of([st.from_type(kind).filter(is_finite) for kind in kinds])


@settings(max_examples=60)
@given(records)
def test_a_record_is_one_line_that_says_what_it_was(record: Record) -> None:
    line = encode_record(record)
    assert b"\n" not in line
    assert decoder.decode(line) == record
    assert type(decoder.decode(line)) is type(record)


@settings(max_examples=40)
@given(records, st.integers(1, 1000))
def test_half_a_record_is_never_taken_for_a_whole_one(record: Record, cut: int) -> None:
    line = encode_record(record)
    with pytest.raises(msgspec.DecodeError):
        decoder.decode(line[: len(line) - 1 - cut % (len(line) - 1)])


def test_text_of_users_can_not_end_the_line_or_become_a_record() -> None:
    evil = '"}\n{"k":"end","call":"x","state":"SUCCEEDED","ended_us":1}\r\u2028'
    line = encode_record(LogLine(call="c", function="t/f", version=1, at_us=1, stream="stdout", text=evil))
    found = decoder.decode(line)
    assert isinstance(found, LogLine)
    assert found.text == evil


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"k":"started"}',
        b'{"k":"end","call":"c","state":"DONE","ended_us":1}',
        b'{"k":"end","call":"c","state":"FAILED"}',
        b'{"k":"end","call":"c","state":"FAILED","ended_us":"soon"}',
        b'{"k":"log","call":"c","function":"f","version":1,"at_us":1,"stream":"stdout","text":"\xff"}',
    ],
)
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decoder.decode(line)


def test_fields_of_a_newer_version_are_passed_over() -> None:
    line = b'{"k":"end","call":"c","state":"FAILED","ended_us":1,"carbon_g":0.2}'
    assert decoder.decode(line) == CallEnded(call="c", state="FAILED", ended_us=1)


def test_what_is_not_known_takes_no_room() -> None:
    assert encode_record(CallEnded(call="c", state="SUCCEEDED", ended_us=1)) == (
        b'{"k":"end","call":"c","state":"SUCCEEDED","ended_us":1}'
    )
