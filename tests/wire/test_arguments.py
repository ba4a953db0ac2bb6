"""Arguments by Content-Type: decoded, or refused with words; and what the SDK chooses for those that it sends."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.errors import BadRequest, MalformedBody, ResultNotSerializable, UnsupportedMediaType
from rayfaas.wire import (
    ARGUMENTS_JSON,
    ARGUMENTS_MSGPACK,
    ARROW,
    JSON,
    MSGPACK,
    MULTIPART,
    OCTETS,
    PICKLE,
    Arguments,
    File,
    decode_arguments,
    encode_arguments,
    encode_json,
    is_pickle,
)
from rayfaas.wire.arguments import is_plain
from rayfaas.wire.msgpack import encode_msgpack
from rayfaas.wire.pickle import encode_pickle
from rayfaas.wire.typed import encode_typed
from tests.wire.samples import Point, same
from tests.wire.test_json import texts, values


def encode_msgpack_or_nothing(value: Any) -> bytes:
    try:
        return encode_msgpack(value)
    except ResultNotSerializable:
        return b""


@settings(max_examples=40)
@given(st.lists(values, max_size=3), st.dictionaries(texts, values, max_size=3))
def test_positional_and_named_arguments_come_back_as_they_were(args: list[Any], kwargs: dict[str, Any]) -> None:
    assert decode_arguments(*encode_arguments(args, kwargs)) == Arguments(tuple(args), kwargs)


@settings(max_examples=80)
@given(st.sampled_from([JSON, ARGUMENTS_JSON, "", "text/html"]), st.binary(max_size=40) | values.map(encode_json))
def test_any_body_is_arguments_or_refused(content_type: str, body: bytes) -> None:
    try:
        arguments = decode_arguments(content_type, body)
    except (MalformedBody, UnsupportedMediaType):
        return
    assert isinstance(arguments.args, tuple)
    assert all(isinstance(name, str) for name in arguments.kwargs)


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        (b"", Arguments((), {})),
        (b'{"x": 1}', Arguments((), {"x": 1})),
        (b"{}", Arguments((), {})),
        (b"[1, 2]", Arguments(([1, 2],), {})),
        (b"null", Arguments((None,), {})),
        (b' "text" ', Arguments(("text",), {})),
        (b'{"args": [1], "kwargs": {}}', Arguments((), {"args": [1], "kwargs": {}})),
    ],
)
def test_an_object_is_named_arguments_and_anything_else_is_the_only_one(body: bytes, arguments: Arguments) -> None:
    for content_type in ("", JSON, "application/json; charset=utf-8", " Application/JSON ", "application/geo+json"):
        assert decode_arguments(content_type, body) == arguments


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b"1",
        b"null",
        b'{"args": {}}',
        b'{"kwargs": []}',
        b'{"args": null}',
        b'{"args": [], "x": 1}',
        b'{"kwargs": 5}',
    ],
)
def test_arguments_of_the_sdk_have_one_form(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        decode_arguments(ARGUMENTS_JSON, body)


def test_either_kind_of_arguments_may_be_left_out() -> None:
    assert decode_arguments(ARGUMENTS_JSON, b"{}") == Arguments((), {})
    assert decode_arguments(ARGUMENTS_JSON, b'{"args": [1]}') == Arguments((1,), {})
    assert decode_arguments(ARGUMENTS_JSON, b'{"kwargs": {"x": 1}}') == Arguments((), {"x": 1})


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", "a/b/c"]
)
def test_another_content_type_is_not_guessed_at(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        decode_arguments(content_type, b"{}")


def test_who_forgets_the_type_with_curl_is_told_how_to_say_it() -> None:
    with pytest.raises(UnsupportedMediaType, match=r"curl -d .* add -H 'Content-Type: application/json'"):
        decode_arguments("application/x-www-form-urlencoded", b'{"x": 1}')
    with pytest.raises(UnsupportedMediaType, match=r"image/\*\.$"):
        decode_arguments("text/plain", b'{"x": 1}')


@settings(max_examples=150)
@given(
    st.sampled_from([MSGPACK, ARGUMENTS_MSGPACK, f"{MULTIPART}; boundary=b", MULTIPART, OCTETS, ARROW, "image/png"]),
    st.binary(max_size=60) | values.map(encode_msgpack_or_nothing),
)
def test_no_body_breaks_its_decoder(content_type: str, body: bytes) -> None:
    try:
        decode_arguments(content_type, body)
    except MalformedBody:
        pass


@pytest.mark.parametrize(
    ("args", "content_type"),
    [
        ([1, 0.5, None, True, "x", [1, {"y": [2]}], (1, 2)], ARGUMENTS_JSON),
        ([float("nan"), [np.float64(1)]], ARGUMENTS_JSON),
        ([2**70], ARGUMENTS_JSON),
        ([b"x"], ARGUMENTS_MSGPACK),
        ([[np.zeros(2)]], ARGUMENTS_MSGPACK),
        ([{1: 2}], ARGUMENTS_MSGPACK),
        ([{1, 2}, Point(1, 2)], ARGUMENTS_MSGPACK),
        ([object()], PICKLE),
        ([b"x", 2**70], PICKLE),
    ],
)
def test_the_sdk_sends_what_is_plain_as_json_and_the_rest_as_plainly_as_it_can(
    args: list[Any], content_type: str
) -> None:
    assert encode_arguments(args, {"key": 1})[0] == content_type


def test_nan_arrives_as_nan() -> None:
    assert same(decode_arguments(*encode_arguments([float("nan"), [float("inf")]], {})).args[0], float("nan"))


def test_what_can_not_even_be_pickled_is_refused_here() -> None:
    with pytest.raises(BadRequest, match="can't be pickled"):
        encode_arguments([threading.Lock()], {})


def test_plain_is_found_out_at_any_depth() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert not is_plain(deep)
    assert is_plain({"a": [1, "x", {"b": [None]}]})
    assert not is_plain({"a": [1, {"b": [b"x"]}]})


def test_a_raw_body_is_the_single_argument_though_it_is_empty() -> None:
    assert decode_arguments(OCTETS, b"") == Arguments((b"",), {})
    (file,) = decode_arguments("image/png", b"png").args
    assert (file, file.content_type) == (File(b"png"), "image/png")


@pytest.mark.parametrize(
    "body", [encode_pickle(1), encode_pickle((1, 2, 3)), encode_pickle(([1], {1: 2})), b"\x80\x05N.", b"\x93\xa43.11"]
)
def test_a_pickle_is_of_arguments_or_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        decode_arguments(PICKLE, body)


def test_a_pickle_is_told_however_it_is_written() -> None:
    for content_type in (PICKLE, PICKLE.upper(), f" {PICKLE} ; x=1"):
        assert is_pickle(content_type)
        decode_arguments(content_type, encode_pickle(((1,), {})))
    assert not any(map(is_pickle, ("", JSON, ARGUMENTS_MSGPACK, "text/plain; x=" + PICKLE)))


def test_arguments_of_the_sdk_are_typed() -> None:
    body = encode_typed({"args": [np.arange(3)], "kwargs": {"x": b"y"}})
    arguments = decode_arguments(ARGUMENTS_MSGPACK, body)
    assert same(list(arguments.args), [np.arange(3)])
    assert arguments.kwargs == {"x": b"y"}
