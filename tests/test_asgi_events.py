"""ASGI's scopes and events come out of their frames as they went in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfaas.asgi_events import MAX_PIECE, decode_event, decode_scope, encode_event, encode_scope, pieces
from rayfaas.errors import ProtocolError

EVENTS: list[dict[str, Any]] = [
    {"type": "http.request", "body": b"\x00x", "more_body": True},
    {"type": "http.request", "body": b"", "more_body": False},
    {"type": "http.disconnect"},
    {"type": "http.response.start", "status": 200, "headers": [[b"set-cookie", b"a=\xff"], [b"set-cookie", b"b"]]},
    {"type": "websocket.receive", "text": ""},
    {"type": "websocket.send", "bytes": b""},
    {"type": "websocket.send", "text": "\N{SNOWMAN}"},
    {"type": "websocket.accept", "subprotocol": None, "headers": []},
    {"type": "websocket.close", "code": 4001, "reason": "x"},
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_an_event_comes_back_as_it_was(event: dict[str, Any]) -> None:
    assert decode_event(*encode_event(event)) == event


def test_of_bytes_and_text_the_one_that_is_there_travels() -> None:
    header, body = encode_event({"type": "websocket.receive", "bytes": None, "text": "hi"})
    assert decode_event(header, body) == {"type": "websocket.receive", "text": "hi"}


@pytest.mark.parametrize("headers", [[("a", b"b")], [(b"a", "b")], [(b"a", 1)]])
def test_headers_that_are_no_bytes_are_the_applications_error(headers: Any) -> None:
    with pytest.raises(TypeError, match="pairs of bytes"):
        encode_event({"type": "http.response.start", "status": 200, "headers": headers})


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_whatever_comes_is_an_event_or_refused(header: bytes, body: bytes) -> None:
    try:
        assert isinstance(decode_event(header, body)["type"], str)
    except ProtocolError:
        pass


def test_text_that_is_none_is_refused() -> None:
    with pytest.raises(ProtocolError, match="UTF-8"):
        decode_event(msgspec.msgpack.encode({"type": "websocket.send", "payload": "text"}), b"\xff")


@pytest.mark.parametrize("size", [0, 1, MAX_PIECE, MAX_PIECE + 1, 3 * MAX_PIECE])
@pytest.mark.parametrize("more", [True, False])
def test_a_long_body_is_cut_and_only_its_last_piece_is_the_last(size: int, more: bool) -> None:
    body = bytes(size)
    cut = list(pieces({"type": "http.response.body", "body": body, "more_body": more}))
    assert b"".join(piece["body"] for piece in cut) == body
    assert max(len(piece["body"]) for piece in cut) <= MAX_PIECE
    assert [piece["more_body"] for piece in cut] == [True] * (len(cut) - 1) + [more]


def test_a_scope_comes_back_below_its_root_and_without_what_is_secret() -> None:
    scope = {
        "type": "websocket", "http_version": "1.1", "scheme": "ws", "path": "/app/w/x", "raw_path": b"/app/w/x",
        "query_string": b"q=1", "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        "subprotocols": ["chat"], "headers": [(b"authorization", b"Bearer t"), (b"a", b"\xff"), (b"a", b"2")],
        "state": {"ours": 1}, "app": object(),
    }  # fmt: skip
    found = decode_scope(encode_scope(scope, "/app/w", frozenset((b"authorization",))), {"theirs": 2})
    assert found.pop("asgi")["version"] == "3.0"
    assert found.pop("extensions") == {"websocket.http.response": {}}
    left_out = ("app", "state", "headers", "root_path")
    expected = {key: value for key, value in scope.items() if key not in left_out}
    headers = [(b"a", b"\xff"), (b"a", b"2")]
    assert found == {**expected, "headers": headers, "root_path": "/app/w", "state": {"theirs": 2}}
