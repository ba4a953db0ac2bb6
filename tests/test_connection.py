"""A connection gives whole messages, to and from a peer that proved itself, and tells its end once."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rayfaas import connection
from rayfaas.connection import Connection, dial
from rayfaas.errors import ProtocolError, Unauthenticated
from rayfaas.frames import CHUNK, Kind, Message, encode, encode_header, header_of
from rayfaas.handshake import ClientSide, ServerSide
from tests.ends import KEY, WHO, Raw, accepting, attach, connected, dialling, end_of
from tests.waiting import eventually


class End(Connection):
    """Keeps what it hears."""

    def __init__(self, handshake: ServerSide | ClientSide) -> None:
        super().__init__(handshake)
        self.heard: list[Message] = []
        self.events: list[str] = []

    def opened(self) -> None:
        self.events.append("opened")

    def on_message(self, message: Message) -> None:
        self.heard.append(message)

    def on_closed(self) -> None:
        self.events.append("closed")


def server_end() -> End:
    return End(accepting())


def client_end() -> End:
    return End(dialling())


@asynccontextmanager
async def raw_client() -> AsyncIterator[tuple[End, Raw]]:
    """An accepting end whose peer's bytes are the test's; nothing was said yet."""
    ours, theirs = socket.socketpair()
    end, raw = await attach(server_end, ours), Raw(theirs)
    try:
        yield end, raw
    finally:
        raw.close()
        await end_of(end)


async def hello(raw: Raw) -> bytes:
    """The raw client's proof."""
    answer = (client := ClientSide(WHO, KEY)).receive(await raw.message())
    assert answer is not None
    assert not client.done
    return answer


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="rf-"))  # short: it holds a socket
    yield path
    shutil.rmtree(path)


async def test_the_accepting_end_knows_who_its_peer_proved_to_be() -> None:
    async with connected(server_end, client_end) as (server, client):
        assert server.peer == WHO
        assert client.peer is None
        assert server.events == client.events == ["opened"]


async def test_small_messages_arrive_in_the_order_in_which_they_were_sent() -> None:
    async with connected(server_end, client_end) as (server, client):
        for number in range(3000):
            client.send(Kind.CALL, number, b"h", b"%d" % number)
            if number % 700 == 0:
                await asyncio.sleep(0)  # another turn of the loop
        await eventually(lambda: len(server.heard) == 3000)
        assert [m.call for m in server.heard] == list(range(3000))


async def test_a_small_message_passes_a_large_one_and_both_arrive_whole() -> None:
    async with connected(server_end, client_end) as (server, client):
        client.send(Kind.CALL, 1, b"large", b"x" * (8 * CHUNK))
        client.send(Kind.CALL, 2, b"small")
        await eventually(lambda: len(server.heard) == 2)
        assert [(m.call, len(m.body)) for m in server.heard] == [(2, 0), (1, 8 * CHUNK)]


async def test_large_messages_take_turns_in_both_directions() -> None:
    async with connected(server_end, client_end) as (server, client):
        for call in range(4):
            client.send(Kind.CALL, call, b"%d" % call, bytes([call]) * (2 * CHUNK + call))
            server.send(Kind.RESULT, call, b"%d" % call, bytes([call]) * (2 * CHUNK + call))
        await eventually(lambda: len(server.heard) == len(client.heard) == 4)
        for heard in (server.heard, client.heard):
            whole = sorted((m.call, m.header, len(m.body), set(m.body)) for m in heard)
            assert whole == [(call, b"%d" % call, 2 * CHUNK + call, {call}) for call in range(4)]


async def test_a_slow_reader_delays_neither_its_sender_nor_a_small_message() -> None:
    async with raw_client() as (server, raw):
        await raw.send(await hello(raw))
        await raw.message()
        server.send(Kind.RESULT, 1, b"", b"x" * (20 * CHUNK))  # far more than a socket holds
        await asyncio.sleep(0)
        server.send(Kind.PING, 0)
        heard = [await raw.message(), await raw.message()]
        assert [m.kind for m in heard] == [Kind.PING, Kind.RESULT]
        assert len(heard[1].body) == 20 * CHUNK


async def test_a_peer_that_closes_its_half_ends_the_connection() -> None:
    async with raw_client() as (server, raw):
        await raw.send(await hello(raw))
        await eventually(lambda: server.is_open)
        raw.end_writing()
        await asyncio.wait_for(server.closed, 10)
        assert server.events == ["opened", "closed"]
        assert not server.is_open
        assert [m.kind for m in await raw.messages_to_the_end()] == [Kind.HELLO]


async def test_closing_during_a_large_send_gives_the_peer_no_part_of_it() -> None:
    async with connected(server_end, client_end) as (server, client):
        client.send(Kind.CALL, 1, b"", b"whole")
        client.send(Kind.CALL, 2, b"", b"x" * (30 * CHUNK))
        await eventually(lambda: server.heard)
        client.close()
        await asyncio.wait_for(asyncio.gather(server.closed, client.closed), 10)
        assert [m.body for m in server.heard] == [b"whole"]
        assert server.events == client.events == ["opened", "closed"]


async def test_what_was_sent_before_a_close_arrives() -> None:
    async with connected(server_end, client_end) as (server, client):
        for call in range(50):
            client.send(Kind.CALL, call)
        client.close()
        await asyncio.wait_for(server.closed, 10)
        assert [m.call for m in server.heard] == list(range(50))


async def test_sending_on_a_connection_that_ended_does_nothing() -> None:
    async with connected(server_end, client_end) as (server, client):
        server.abort()
        await asyncio.wait_for(client.closed, 10)
        client.send(Kind.CALL, 1)
        client.send(Kind.CALL, 2, b"", b"x" * (CHUNK + 1))
        client.close()
        assert client.events == ["opened", "closed"]


async def test_messages_that_come_with_the_last_hello_are_heard() -> None:
    async with raw_client() as (server, raw):
        await raw.send(await hello(raw) + encode(Kind.CALL, 5, b"") + encode(Kind.CALL, 6, b""))
        await eventually(lambda: len(server.heard) == 2)
        assert [m.call for m in server.heard] == [5, 6]


@pytest.mark.parametrize(
    "said",
    [
        encode(Kind.CALL, 1, b""),
        encode(Kind.HELLO, 0, b""),
        encode(Kind.HELLO, 0, b"\xc1"),
        b"GET / HTTP/1.1\r\n\r\n" * 2,
    ],
    ids=["a call", "an empty hello", "a broken hello", "http"],
)
async def test_who_says_anything_else_than_hello_first_is_told_and_closed(said: bytes) -> None:
    async with raw_client() as (server, raw):
        await raw.send(said + encode(Kind.CALL, 2, b"header", b"after it"))
        kinds = [m.kind for m in await raw.messages_to_the_end()]
        assert kinds == [Kind.HELLO, Kind.ERROR]
        assert (server.heard, server.events, server.peer) == ([], [], None)
        with pytest.raises(ProtocolError):
            await server.ready


async def test_a_wrong_key_is_refused_with_words_and_nothing_is_heard_from_it() -> None:
    async with raw_client() as (server, raw):
        answer = ClientSide(WHO, b"another key").receive(await raw.message())
        assert answer is not None
        await raw.send(answer + encode(Kind.CALL, 1, b""))
        (refusal,) = await raw.messages_to_the_end()
        assert refusal.kind == Kind.ERROR
        assert "does not prove" in header_of(refusal)["detail"]
        assert (server.heard, server.events, server.is_open) == ([], [], False)


async def test_a_peer_that_goes_during_the_handshake_is_an_error_of_ready_only() -> None:
    async with raw_client() as (server, raw):
        await raw.message()
        raw.close()
        await asyncio.wait_for(server.closed, 10)
        with pytest.raises(ConnectionResetError, match="during the handshake"):
            await server.ready
        assert server.events == []


async def test_an_unfinished_handshake_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HANDSHAKE_S", 0.02)
    async with raw_client() as (server, raw):
        await raw.send(encode(Kind.HELLO, 0, b"x" * 100)[:50])
        assert [m.kind for m in await raw.messages_to_the_end()] == [Kind.HELLO, Kind.ERROR]
        with pytest.raises(ProtocolError, match="too long"):
            await server.ready


async def test_a_finished_handshake_is_not_given_up_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HANDSHAKE_S", 0.02)
    async with connected(server_end, client_end) as (server, client):
        monkeypatch.setattr(connection, "HANDSHAKE_S", 0.03)
        async with raw_client() as (late, _):
            await asyncio.wait_for(late.closed, 10)  # its time came after theirs would have
        client.send(Kind.CALL, 1)
        await eventually(lambda: server.heard)


async def test_nothing_is_sent_before_the_peer_has_proved_itself() -> None:
    async with raw_client() as (server, raw):
        server.send(Kind.CALL, 1, b"", b"a secret")
        server.send(Kind.CALL, 2, b"", b"secret" * CHUNK)
        server.close()
        assert [m.kind for m in await raw.messages_to_the_end()] == [Kind.HELLO]


async def test_garbage_after_the_handshake_ends_the_connection() -> None:
    async with raw_client() as (server, raw):
        await raw.send(await hello(raw))
        await eventually(lambda: server.is_open)
        await raw.send(encode(Kind.CALL, 1, b"")[:-1] + b"\xff" * 40)
        await asyncio.wait_for(server.closed, 10)
        assert server.events == ["opened", "closed"]


async def test_a_message_that_a_subclass_refuses_ends_the_connection() -> None:
    class Strict(End):
        def on_message(self, message: Message) -> None:
            raise ProtocolError("not in this order")

    async with connected(lambda: Strict(accepting()), client_end) as (server, client):
        client.send(Kind.CALL, 1)
        await asyncio.wait_for(asyncio.gather(server.closed, client.closed), 10)
        assert server.events == client.events == ["opened", "closed"]


async def test_dialling_by_unix(directory: Path) -> None:
    async with await asyncio.get_running_loop().create_unix_server(server_end, directory / "s"):
        end = await dial(f"unix:{directory / 's'}", client_end)
        assert (end.is_open, end.is_remote) == (True, False)
        end.close()
        await end.closed


async def test_dialling_with_a_wrong_key_says_so(directory: Path) -> None:
    async with await asyncio.get_running_loop().create_unix_server(server_end, directory / "s"):
        with pytest.raises(Unauthenticated, match="does not prove"):
            await dial(f"unix:{directory / 's'}", lambda: End(dialling(b"wrong")))


async def test_dialling_what_is_no_address_or_answers_to_nobody(directory: Path) -> None:
    for address in ("", "http://localhost", "/tmp/socket", "udp:127.0.0.1:1"):
        with pytest.raises(ProtocolError, match="neither unix:PATH nor tls:HOST:PORT:FINGERPRINT"):
            await dial(address, client_end)
    with pytest.raises(OSError, match="No such file"):
        await dial(f"unix:{directory / 'nobody'}", client_end)


async def test_a_server_of_another_protocol_is_not_told_who_we_are() -> None:
    ours, theirs = socket.socketpair()
    end, raw = await attach(client_end, ours), Raw(theirs)
    await raw.send(encode(Kind.HELLO, 0, encode_header({"nonce": b"n" * 16, "protocol": 99})))
    with pytest.raises(ProtocolError, match="protocol 99"):
        await asyncio.wait_for(end.ready, 10)
    assert await raw.messages_to_the_end() == []
    raw.close()
    await end.closed
