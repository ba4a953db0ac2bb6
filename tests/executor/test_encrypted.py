"""An executor's end of an encrypted connection: read by one thread while others write, whatever the sizes are."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rayfaas import tls
from rayfaas.address import NetworkAddress
from rayfaas.connection import Connection
from rayfaas.errors import ProtocolError, Unauthenticated
from rayfaas.executor import channel as channel_module
from rayfaas.executor.channel import Channel, dial
from rayfaas.frames import CHUNK, Kind, Message
from tests.ends import KEY, WHO, accepting
from tests.network import Line, door
from tests.waiting import eventually


class Echo(Connection):
    """Sends back what comes."""

    def __init__(self) -> None:
        super().__init__(accepting())

    def on_message(self, message: Message) -> None:
        self.send(Kind.RESULT, message.call, message.header, message.body)


@pytest_asyncio.fixture(loop_scope="session")
async def address(tmp_path: Path) -> AsyncIterator[NetworkAddress]:
    async with door(tmp_path, Echo) as (_, address):
        yield address


def received(channel: Channel, count: int) -> list[Message]:
    """As the intake reads: when there is something, and without waiting for more."""
    messages: list[Message] = []
    while len(messages) < count:
        assert select.select([channel.fileno()], [], [], 20)[0]
        batch = channel.receive()
        assert batch is not None
        messages += batch
    return messages


async def test_many_threads_write_while_one_reads(address: NetworkAddress) -> None:
    bodies = {call: bytes([call]) * size for call, size in enumerate([0, 1, 16 << 10, 300_000, CHUNK, 3 * CHUNK + 5])}

    def talk() -> list[Message]:
        channel = dial(str(address), WHO, KEY)
        senders = [
            threading.Thread(target=channel.send, args=(Kind.CALL, call, b"h", body)) for call, body in bodies.items()
        ]
        for sender in senders:
            sender.start()
        messages = received(channel, len(bodies))
        for sender in senders:
            sender.join()
        channel.close()
        return messages

    heard = await asyncio.to_thread(talk)
    assert {message.call: message.body for message in heard} == bodies


async def test_a_gateway_with_another_certificate_hears_nothing_of_the_key(address: NetworkAddress) -> None:
    with pytest.raises(Unauthenticated, match="another certificate"):
        await asyncio.to_thread(dial, str(address._replace(fingerprint="ab" * 32)), WHO, KEY)


async def test_a_wrong_key_is_refused(address: NetworkAddress) -> None:
    with pytest.raises(Unauthenticated, match="does not prove"):
        await asyncio.to_thread(dial, str(address), WHO, b"another key")


async def test_the_end_is_read_after_what_came_before_it(address: NetworkAddress) -> None:
    channel = await asyncio.to_thread(dial, str(address), WHO, KEY)
    channel.send(Kind.CALL, 1, b"", b"last words")
    assert (await asyncio.to_thread(received, channel, 1))[0].body == b"last words"
    channel.hang_up()
    assert await asyncio.to_thread(lambda: list(channel.messages())) == []
    with pytest.raises(OSError, match="Broken pipe"):
        channel.send(Kind.CALL, 2, b"", b"x")
    channel.close()


@pytest.mark.parametrize("busy", [False, True])
async def test_a_gateway_that_is_gone_without_a_word_is_noticed(
    address: NetworkAddress, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(tls, "SILENT_S", 2)
    line = Line(address)
    channel = await asyncio.to_thread(dial, str(await line.open()), WHO, KEY)
    line.swallow()
    if busy:
        channel.send(Kind.CALL, 1)
    reading = asyncio.ensure_future(asyncio.to_thread(lambda: list(channel.messages())))
    assert await asyncio.wait_for(reading, 20) == []
    channel.close()
    await line.close()


async def test_nobody_there_and_nobody_who_speaks_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "DIAL_S", 0.2)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        address = f"tls:127.0.0.1:{deaf.getsockname()[1]}:{'ab' * 32}"
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(dial, address, WHO, KEY)
        deaf.listen()
        with pytest.raises(OSError, match="timed out"):
            await asyncio.to_thread(dial, address, WHO, KEY)
    with pytest.raises(ProtocolError):
        dial("tls:127.0.0.1:80", WHO, KEY)


async def test_a_line_that_is_cut_is_the_end(address: NetworkAddress) -> None:
    line = Line(address)
    channel = await asyncio.to_thread(dial, str(await line.open()), WHO, KEY)
    line.cut()
    assert await asyncio.to_thread(lambda: list(channel.messages())) == []
    assert await eventually(lambda: channel.receive() is None)
    channel.close()
    await line.close()
