"""Whatever cuts a stream of frames into pieces, the same messages come out; what is no stream of frames is refused."""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas import frames
from rayfaas.errors import ProtocolError
from rayfaas.frames import CHUNK, MAX_HEADER, Decoder, Kind, Message, encode, encode_header, header_of, split

numbers = st.integers(0, 2**64 - 1)
messages = st.builds(Message, st.integers(0, 255), numbers, st.binary(max_size=80), st.binary(max_size=300))


def stream_of(*sent: Message) -> bytes:
    return b"".join(frame for message in sent for frame in split(*message))


def decode_all(data: bytes) -> list[Message]:
    return Decoder().feed(data)


def prefix(length: int, header_length: int) -> bytes:
    return struct.pack("!IIQBB", length, header_length, 1, Kind.CALL, 0)


@settings(max_examples=40)
@given(st.lists(messages, max_size=6), st.lists(st.integers(1, 40), min_size=1))
def test_any_chunking_gives_the_same_messages(sent: list[Message], steps: list[int]) -> None:
    data, decoder, received = stream_of(*sent), Decoder(), []
    cuts = [at for at in accumulate(steps * (len(data) // sum(steps) + 1)) if at < len(data)]
    for start, stop in pairwise([0, *cuts, len(data)]):
        received += decoder.feed(data[start:stop])
    assert received == sent


@settings(max_examples=80)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_garbage_is_refused_or_waited_for_and_never_anything_else(pieces: list[bytes]) -> None:
    decoder = Decoder()
    try:
        for piece in pieces:
            decoder.feed(piece)
    except ProtocolError:
        pass


@settings(max_examples=40)
@given(messages, st.data())
def test_a_message_cut_anywhere_is_not_given_out(message: Message, data: st.DataObject) -> None:
    whole = stream_of(message)
    cut = data.draw(st.integers(0, len(whole) - 1))
    decoder = Decoder()
    assert decoder.feed(whole[:cut]) == []
    assert decoder.feed(whole[cut:]) == [message]


@pytest.mark.parametrize("text", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + b"\0" * 30, b"\xff" * 18])
def test_another_protocol_is_refused_at_its_first_bytes(text: bytes) -> None:
    with pytest.raises(ProtocolError, match="does not speak"):
        decode_all(text)


@pytest.mark.parametrize(
    ("length", "header_length"),
    [
        (14 + MAX_HEADER + 1, MAX_HEADER + 1),
        (14 + CHUNK + 1, 0),
        (2**32 - 1, 0),
        (14, 2**32 - 1),
        (13, 0),
        (14 + 4, 5),
        (0, 0),
    ],
)
def test_impossible_lengths_are_refused_before_anything_of_that_length_is_read(length: int, header_length: int) -> None:
    with pytest.raises(ProtocolError):
        decode_all(prefix(length, header_length))


def test_the_longest_header_and_chunk_are_accepted() -> None:
    message = Message(Kind.CALL, 1, b"h" * MAX_HEADER, b"b" * CHUNK)
    assert decode_all(encode(*message)) == [message]


@pytest.mark.parametrize(
    ("size", "count"), [(0, 1), (1, 1), (CHUNK, 1), (CHUNK + 1, 2), (2 * CHUNK, 2), (3 * CHUNK + 7, 4)]
)
def test_a_body_travels_in_as_few_frames_as_it_needs(size: int, count: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    cut = list(split(Kind.RESULT, 7, b"h", memoryview(body)[:size]))
    assert len(cut) == count
    assert decode_all(b"".join(cut)) == [Message(Kind.RESULT, 7, b"h", body[:size])]


@settings(max_examples=15)
@given(st.lists(st.sampled_from([1, 2, 3]), min_size=8, max_size=8), st.sampled_from([40_000, CHUNK, 3 * CHUNK + 1]))
def test_large_bodies_interleave_in_any_order_and_small_ones_pass_between_them(turns: list[int], piece: int) -> None:
    large = {call: Message(Kind.CALL, call, b"%d" % call, bytes([call]) * (2 * CHUNK + call)) for call in (1, 2, 3)}
    waiting = {call: split(*message) for call, message in large.items()}
    small = Message(Kind.PING, 0, b"", b"")
    order = [*turns, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    data = b"".join(next(waiting[call], b"") + encode(*small) for call in order)
    decoder, received = Decoder(), []
    for at in range(0, len(data), piece):
        received += decoder.feed(data[at : at + piece])
    assert [m for m in received if m.kind == Kind.PING] == [small] * len(order)
    assert {m.call: m for m in received if m.kind == Kind.CALL} == large
    assert received[0] == small


def test_large_bodies_of_two_kinds_with_one_call_number_do_not_mix() -> None:
    item = Message(Kind.ITEM, 5, b"", b"i" * (CHUNK + 1))
    log = Message(Kind.LOG, 5, b"", b"l" * (CHUNK + 1))
    first, second = list(split(*item)), list(split(*log))
    received = decode_all(first[0] + second[0] + first[1] + second[1])
    assert sorted(received) == sorted([item, log])


def test_the_next_large_body_of_a_call_starts_afresh() -> None:
    items = [Message(Kind.ITEM, 5, b"%d" % n, bytes([n]) * (CHUNK + 1)) for n in (1, 2)]
    assert decode_all(stream_of(*items)) == items


def test_a_body_put_together_from_chunks_has_a_limit() -> None:
    decoder = Decoder(max_body=2 * CHUNK)
    assert len(decoder.feed(stream_of(Message(Kind.CALL, 1, b"", b"x" * (2 * CHUNK))))) == 1
    with pytest.raises(ProtocolError, match="over"):
        decoder.feed(stream_of(Message(Kind.CALL, 2, b"", b"x" * (2 * CHUNK + 1))))


def test_an_endless_body_is_refused_at_its_limit_and_not_at_its_end() -> None:
    decoder = Decoder(max_body=3)
    more = encode(Kind.CALL, 1, b"", b"xx", flags=1)
    assert decoder.feed(more) == []
    with pytest.raises(ProtocolError, match="over 3 bytes"):
        decoder.feed(more)


def test_messages_do_not_change_with_the_buffer_they_came_in() -> None:
    data = bytearray(stream_of(Message(Kind.CALL, 1, b"head", b"body")))
    message = Decoder().feed(data)[0]  # type: ignore[arg-type] # a transport may reuse its buffer
    data[:] = b"\0" * len(data)
    assert (message.header, message.body) == (b"head", b"body")


def test_a_header_is_a_map_and_none_is_an_empty_one() -> None:
    assert header_of(Message(Kind.HELLO, 0, b"", b"")) == {}
    assert header_of(Message(Kind.HELLO, 0, encode_header({"a": [1, b"\xff"]}), b"")) == {"a": [1, b"\xff"]}


@pytest.mark.parametrize("header", [b"\xc1", b"\x81\xa1", b"\x91\x01", b"\x01", b"\xc0", b"\x80\x80"])
def test_a_header_that_is_no_map_of_messagepack_is_refused(header: bytes) -> None:
    with pytest.raises(ProtocolError, match="header"):
        header_of(Message(Kind.HELLO, 0, header, b""))


def test_what_messagepack_does_not_know_becomes_text_in_a_header() -> None:
    assert frames.decode_header(encode_header({"why": ValueError("no")})) == {"why": "no"}
