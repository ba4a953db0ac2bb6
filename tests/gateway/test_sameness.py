"""Bodies are the same arguments where a client that tries again would write them so."""

from __future__ import annotations

import pytest

from rayfaas.gateway.sameness import are_same

JSON = "application/json"
FORM = 'multipart/form-data; boundary="{}"'
PICKLE = "application/vnd.rayfaas.pickle"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((JSON, b'{"a": 1, "b": [2]}'), (f"{JSON}; charset=utf-8", b'{"b":[2],"a":1}')),
        (("", b"1"), (JSON, b" 1")),
        ((JSON, b"{"), (JSON, b"{")),
        ((FORM.format("x7"), b"--x7\r\nA\r\n--x7--"), (FORM.format("q"), b"--q\r\nA\r\n--q--")),
        ((PICKLE, b"\x80\x05a"), (PICKLE, b"\x80\x05b")),
        (("application/octet-stream", b"\x00"), ("application/octet-stream", b"\x00")),
    ],
)
def test_these_are_the_same(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    assert are_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((JSON, b'{"a": 1}'), (JSON, b'{"a": 2}')),
        ((JSON, b"[1, 2]"), (JSON, b"[2, 1]")),
        ((JSON, b"{"), (JSON, b"{{")),
        ((JSON, b"1"), ("application/msgpack", b"\x01")),
        ((FORM.format("x7"), b"--x7\r\nA\r\n--x7--"), (FORM.format("q"), b"--q\r\nB\r\n--q--")),
        (("application/octet-stream", b"\x00"), ("application/octet-stream", b"\x01")),
    ],
)
def test_these_are_not(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    assert not are_same(one, other)
