"""docs/wire.md says what becomes of each type, and that is so."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from rayfaas.wire import (
    JSON,
    MSGPACK,
    OCTETS,
    VALUE_ACCEPT,
    Arguments,
    decode_arguments,
    decode_result,
    encode_arguments,
    encode_json,
    encode_result,
    media,
)
from rayfaas.wire.msgpack import decode_msgpack, encode_msgpack
from tests.wire.samples import SAMPLES, same

DOCS = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()
TABLE = DOCS.partition("## What becomes of a type")[2].partition("\n- ")[0]
ROWS = [line.strip("| \n").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][2:]
MSGPACK_NAMES = {
    int: "int", float: "float", str: "str", bytes: "bin", list: "array", dict: "map", datetime: "timestamp",
}  # fmt: skip


def test_the_table_has_every_sample() -> None:
    assert [row[0] for row in ROWS] == list(SAMPLES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_of_the_table_is_what_happens(row: list[str]) -> None:
    name, as_json, as_msgpack, as_sdk = row
    value = SAMPLES[name]
    assert encode_json(value) == as_json.strip("`").encode()
    assert MSGPACK_NAMES[type(decode_msgpack(encode_msgpack(value)))] == as_msgpack
    content_type, body = encode_result(value, VALUE_ACCEPT)
    assert type(decode_result(content_type, bytes(body))).__name__ == as_sdk


@pytest.mark.parametrize("name", SAMPLES)
def test_an_argument_arrives_as_a_result_does(name: str) -> None:
    content_type, body = encode_result([SAMPLES[name]], VALUE_ACCEPT)
    arguments = decode_arguments(*encode_arguments([SAMPLES[name]], {}))
    assert same(arguments.args[0], decode_result(content_type, bytes(body))[0])


def test_every_type_of_an_argument_is_told() -> None:
    told = set(re.findall(r"`([a-z]+/[a-z0-9.+*-]+)`", DOCS))
    for content_type in (JSON, MSGPACK, OCTETS, media.ARROW, media.MULTIPART, media.NDJSON, media.PNG, media.JPEG):
        assert content_type in told


def test_the_single_argument_of_msgpack_is_as_that_of_json() -> None:
    cases: list[tuple[Any, Arguments]] = [
        ({"x": b"\xff"}, Arguments((), {"x": b"\xff"})),
        ([1], Arguments(([1],), {})),
        ({1: 2}, Arguments(({1: 2},), {})),
    ]
    for value, arguments in cases:
        assert decode_arguments(MSGPACK, encode_msgpack(value)) == arguments
