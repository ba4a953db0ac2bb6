"""Supervisor and zygote understand each other's packets, and nothing else."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.orders import (
    MAX_PACKET,
    Exited,
    Fork,
    Forked,
    Grow,
    Imported,
    Order,
    Preloaded,
    decode_from_zygote,
    decode_to_zygote,
    encode_packet,
)

texts = st.text(max_size=20)
counts = st.integers(0, 2**31)
orders = st.builds(Order, version=counts, concurrency=counts, env=st.dictionaries(texts, texts, max_size=3))


def an_order(**changed: object) -> Order:
    fields = {
        "executor": "e-1",
        "function": "nlp/embed",
        "version": 7,
        "bundle_path": "/cache/" + "0" * 64,
        "entry_kind": "module",
        "entry_module": "embed",
        "entry_name": "embed",
        "concurrency": 1,
        "gateways": ["unix:/run/gateway-0.sock", "tls:10.0.0.1:9000:ab12"],
        "key": bytes(range(224, 256)),
        "cluster": "local",
        "node": "n-1",
        "replica": "r-1",
        "hardware": "x86_64/2cpu",
        "scratch": "/cache/scratch/e-1",
    }
    return Order(**{**fields, **changed})  # type: ignore[arg-type]


@settings(max_examples=40)
@given(st.builds(Fork, orders) | st.builds(Grow, texts))
def test_what_a_zygote_is_told_arrives_as_it_was_said(message: Fork | Grow) -> None:
    assert decode_to_zygote(encode_packet(message)) == message


@settings(max_examples=40)
@given(
    st.builds(Forked, texts, counts)
    | st.builds(Exited, texts, counts)
    | st.builds(Preloaded, took_ms=st.floats(allow_nan=False))
)
def test_what_a_zygote_says_arrives_as_it_was_said(message: Forked | Exited | Preloaded) -> None:
    assert decode_from_zygote(encode_packet(message)) == message


def test_a_key_that_is_no_text_survives() -> None:
    message = decode_to_zygote(encode_packet(Fork(an_order())))
    assert isinstance(message, Fork)
    assert message.order.key == bytes(range(224, 256))


def test_neither_end_takes_the_others_words_for_its_own() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_to_zygote(encode_packet(Forked("e-1", 4711)))
    with pytest.raises(msgspec.ValidationError):
        decode_from_zygote(encode_packet(Grow("z-2")))


@pytest.mark.parametrize("packet", [b"", b"\xc1", b"\x80", b"\x81\xa4type\xa4Fork", b"\x01"])
def test_half_a_packet_or_another_is_refused(packet: bytes) -> None:
    for decode in (decode_to_zygote, decode_from_zygote):
        with pytest.raises(msgspec.DecodeError):
            decode(packet)


def test_a_packet_holds_an_order_with_many_gateways_and_variables() -> None:
    env = {f"VARIABLE_{n}": "x" * 500 for n in range(100)}
    packet = encode_packet(Fork(an_order(env=env, gateways=[f"tls:10.0.0.{n}:9000:{'ab' * 32}" for n in range(250)])))
    assert len(packet) < MAX_PACKET


def test_an_order_names_its_version_as_gateways_do() -> None:
    assert an_order().version_key == "nlp/embed:7"


def test_what_an_import_came_to_survives_the_channel() -> None:
    imported = Imported(
        {"kind": "sync", "arguments": {"type": "object"}}, 12.5, {"numpy": 80.0}, ["numpy", "numpy.core"]
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(imported), type=Imported) == imported
