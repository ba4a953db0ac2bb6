"""Over the network nobody comes in who can't prove who they are, nothing is readable, and the dead are noticed."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from rayfaas import door as rayfaas_door
from rayfaas import tls
from rayfaas.connection import Connection, dial
from rayfaas.errors import ProtocolError, Unauthenticated
from rayfaas.frames import CHUNK, Kind, Message, encode, encode_header
from rayfaas.handshake import MAX_HELLO, ClientSide, ServerSide
from rayfaas.server.certificate import make_certificate
from rayfaas.tls import client_context
from tests.ends import WHO, accepting, dialling, end_of
from tests.network import Line, door
from tests.waiting import eventually


class End(Connection):
    def __init__(self, handshake: ServerSide | ClientSide) -> None:
        super().__init__(handshake)
        self.heard: list[Message] = []

    def on_message(self, message: Message) -> None:
        self.heard.append(message)


class Ends:
    """The accepting ends of all who came."""

    def __init__(self) -> None:
        self.all: list[End] = []

    def __call__(self) -> End:
        self.all.append(End(accepting()))
        return self.all[-1]


def client_end() -> End:
    return End(dialling())


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="rf-"))
    yield path
    shutil.rmtree(path)


async def test_messages_of_any_size_arrive_over_the_network(directory: Path) -> None:
    ends = Ends()
    async with door(directory, ends) as (_, address):
        client = await dial(str(address), client_end)
        (server,) = ends.all
        assert (server.peer, server.is_remote, client.is_remote) == (WHO, True, True)
        client.send(Kind.CALL, 1, b"", b"x" * (3 * CHUNK))
        server.send(Kind.RESULT, 1, b"", b"y")
        await eventually(lambda: server.heard and client.heard)
        assert (server.heard[0].body, client.heard[0].body) == (b"x" * (3 * CHUNK), b"y")
        await end_of(client)
        await server.closed


def test_the_same_on_the_loop_of_the_gateways(directory: Path) -> None:
    uvloop.run(test_messages_of_any_size_arrive_over_the_network(directory))


async def test_nothing_can_be_read_on_the_way(directory: Path) -> None:
    secret = b"the arguments of a call" * 10
    ends = Ends()
    async with door(directory, ends) as (_, address):
        line = Line(address)
        client = await dial(str(await line.open()), client_end)
        client.send(Kind.CALL, 1, b"", secret)
        await eventually(lambda: ends.all[0].heard)
        assert secret not in line.carried
        assert len(line.carried) > len(secret)
        await end_of(client)
        await line.close()


async def test_a_server_with_another_certificate_hears_nothing(directory: Path) -> None:
    ends = Ends()
    async with door(directory, ends) as (_, address):
        wrong = address._replace(fingerprint="0" * 64)
        with pytest.raises(Unauthenticated, match="another certificate"):
            await dial(str(wrong), client_end)
        await ends.all[0].closed
        assert ends.all[0].peer is None


async def test_who_has_the_wrong_key_is_told_so(directory: Path) -> None:
    async with door(directory, Ends()) as (_, address):
        with pytest.raises(Unauthenticated, match="does not prove"):
            await dial(str(address), lambda: End(dialling(b"wrong")))


async def test_who_speaks_no_tls_is_sent_away(directory: Path) -> None:
    async with door(directory, Ends()) as (opened, address):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert not (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP")
        writer.close()
        client = await dial(str(address), client_end)  # it is still open for others
        await end_of(client)
        assert opened.port == address.port


async def test_a_stranger_may_say_little(directory: Path) -> None:
    async with door(directory, Ends()) as (_, address):
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=client_context())
        for call in range(1 + MAX_HELLO // 1000):  # never a whole message
            writer.write(encode(Kind.HELLO, call, encode_header({}), b"x" * 1000, flags=1))
        assert b"says too much" in await asyncio.wait_for(reader.read(), 20)
        writer.close()


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_stranger_who_says_nothing_is_sent_away(
    directory: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    monkeypatch.setattr(rayfaas_door, "HANDSHAKE_S", 0.2)
    async with door(directory, Ends()) as (_, address):
        context = client_context() if encrypted else None
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
        await asyncio.wait_for(reader.read(), 20)
        writer.close()


async def test_strangers_keep_nobody_out_however_many_they_are(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rayfaas_door, "STRANGERS", 3)
    async with door(directory, Ends()) as (_, address):
        strangers = [await asyncio.open_connection(address.host, address.port) for _ in range(8)]
        client = await dial(str(address), client_end)
        assert await asyncio.wait_for(strangers[0][0].read(), 20) == b""
        assert client.is_open
        await end_of(client)
        for _, writer in strangers:
            writer.close()


async def test_a_line_that_is_cut_ends_both_ends(directory: Path) -> None:
    ends = Ends()
    async with door(directory, ends) as (_, address):
        line = Line(address)
        client = await dial(str(await line.open()), client_end)
        line.cut()
        await asyncio.wait_for(asyncio.gather(client.closed, ends.all[0].closed), 20)
        await line.close()


@pytest.mark.parametrize("busy", [False, True])
async def test_a_peer_that_is_gone_without_a_word_is_noticed(
    directory: Path, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(tls, "SILENT_S", 2)
    ends = Ends()
    async with door(directory, ends) as (_, address):
        line = Line(address)
        client = await dial(str(await line.open()), client_end)
        line.swallow()
        if busy:  # what was sent is never acknowledged
            client.send(Kind.CALL, 1)
            ends.all[0].send(Kind.CALL, 1)
        await asyncio.wait_for(asyncio.gather(client.closed, ends.all[0].closed), 20)
        await line.close()


async def test_nobody_listens_there_and_no_address_at_all() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await dial(f"tls:127.0.0.1:{taken.getsockname()[1]}:ab", client_end)
    for address in ("tls:127.0.0.1:80", "tls:127.0.0.1:0:ab", "tls::80:ab", "tcp:127.0.0.1:80", "tls:h:x:ab"):
        with pytest.raises(ProtocolError, match="neither unix:PATH nor tls:HOST:PORT:FINGERPRINT"):
            await dial(address, client_end)


async def test_a_closed_door_lets_nobody_in_and_nobody_out(directory: Path) -> None:
    ends = Ends()
    async with door(directory, ends) as (opened, address):
        client = await dial(str(address), client_end)
        await opened.close()
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await dial(str(address), client_end)
        assert client.is_open
        await end_of(client)
        await ends.all[0].closed


def test_every_certificate_is_another_one_and_loads(directory: Path) -> None:
    files = [directory / "a.pem", directory / "b.pem"]
    for file in files:
        file.write_bytes(make_certificate())
        assert tls.server_context(file).minimum_version == ssl.TLSVersion.TLSv1_3
    assert tls.fingerprint_of(files[0]) != tls.fingerprint_of(files[1])
