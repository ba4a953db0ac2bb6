"""Results by Accept: what the caller prefers among what the value can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rayfaas.errors import MalformedBody, NotAcceptable, ProtocolError, ResultNotSerializable
from rayfaas.wire import ARROW, JSON, MSGPACK, OCTETS, PICKLE, VALUE_ACCEPT, VALUE_MSGPACK, decode_result, encode_result
from rayfaas.wire.results import offers_of
from tests.case_names import named

IMAGE = Image.new("RGBA", (2, 3), (255, 0, 0, 128))
FRAME = pd.DataFrame({"a": [1]})


@pytest.mark.parametrize(
    ("value", "accept", "content_type"),
    [
        ({"x": 1}, "", JSON),
        ({"x": 1}, "*/*", JSON),
        ({"x": 1}, JSON, JSON),
        ({"x": 1}, f"image/png, {MSGPACK};q=0.4, {JSON};q=0.3", MSGPACK),
        ({"x": 1}, "application/*", JSON),
        ({"x": 1}, f"{JSON};q=0, */*", JSON),
        (b"x", "", OCTETS),
        (b"x", "*/*", OCTETS),
        (bytearray(b"x"), "", OCTETS),
        (b"x", JSON, JSON),
        (b"x", f"{MSGPACK}, {OCTETS}", MSGPACK),
        (FRAME, "", JSON),
        (FRAME, ARROW, ARROW),
        (np.zeros(2), f"{ARROW};q=0.5, {MSGPACK};q=0.6", MSGPACK),
        (IMAGE, "", "image/png"),
        (IMAGE, "image/*", "image/png"),
        (IMAGE, "image/jpeg, image/png;q=0.9", "image/jpeg"),
        (IMAGE, VALUE_ACCEPT, VALUE_MSGPACK),
        (2**70, VALUE_ACCEPT, JSON),
        (object(), f"{PICKLE}, {VALUE_ACCEPT}", PICKLE),
        (1, f"{PICKLE}, {VALUE_ACCEPT}", PICKLE),
    ],
    ids=named,
)
def test_a_result_comes_as_its_caller_likes_it_best(value: Any, accept: str, content_type: str) -> None:
    assert encode_result(value, accept)[0] == content_type


@pytest.mark.parametrize(
    ("value", "accept"),
    [({"x": 1}, ARROW), ({"x": 1}, "image/*"), (b"x", "image/png"), (IMAGE, JSON + " "), (FRAME, OCTETS), (1, "?")],
    ids=named,
)
def test_a_type_that_does_not_suit_the_value_is_not_acceptable_and_those_that_do_are_named(
    value: Any, accept: str
) -> None:
    with pytest.raises(NotAcceptable) as caught:
        encode_result(value, accept)
    assert offers_of(value)[0] in caught.value.detail


def test_a_wildcard_makes_no_pickle_of_what_has_no_json() -> None:
    for accept in ("", "*/*", "application/*", VALUE_ACCEPT):
        with pytest.raises(ResultNotSerializable):
            encode_result(object(), accept)


def test_a_pickle_that_was_not_asked_for_is_not_read() -> None:
    content_type, body = encode_result(1, PICKLE)
    with pytest.raises(ProtocolError, match="was not asked for"):
        decode_result(content_type, bytes(body))
    assert decode_result(content_type, bytes(body), unpickle=True) == 1


def test_a_type_that_is_none_of_ours_is_not_guessed_at() -> None:
    with pytest.raises(ProtocolError, match="text/html"):
        decode_result("text/html; charset=utf-8", b"<html>")
    with pytest.raises(MalformedBody):
        decode_result(JSON, b"{")
