"""Two connected ends of a stream socket in one process, for tests of what is spoken over it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from rayfaas.connection import Connection
from rayfaas.frames import Decoder, Message
from rayfaas.handshake import ClientSide, Identity, ServerSide

KEY = b"the key of both"
WHO: Identity = {"role": "test"}
C = TypeVar("C", bound=Connection)


def accepting(key: bytes = KEY) -> ServerSide:
    return ServerSide(lambda identity: key)


def dialling(key: bytes = KEY) -> ClientSide:
    return ClientSide(WHO, key)


async def attach(make: Callable[[], C], sock: socket.socket) -> C:
    """A connection over a socket that is connected already."""
    _, connection = await asyncio.get_running_loop().connect_accepted_socket(make, sock)
    return connection


async def end_of(connection: Connection) -> None:
    """End it, where it has not ended already."""
    if not connection.closed.done():
        connection.abort()
    await connection.closed


@asynccontextmanager
async def connected(server: Callable[[], C], client: Callable[[], C]) -> AsyncIterator[tuple[C, C]]:
    """Both ends with the handshake done."""
    ours, theirs = socket.socketpair()
    ends = await attach(server, ours), await attach(client, theirs)
    try:
        for end in ends:
            await asyncio.wait_for(asyncio.shield(end.ready), 10)
        yield ends
    finally:
        for end in ends:
            await end_of(end)


class Raw:
    """The other end of a connection, as bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._decoder = sock, Decoder()
        sock.setblocking(False)
        self.heard: list[Message] = []

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def read(self) -> bool:
        """Read what is there; False at the end of the stream."""
        try:
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._sock, 1 << 20), 10)
        except ConnectionResetError:
            return False
        self.heard += self._decoder.feed(data)
        return bool(data)

    async def message(self) -> Message:
        while not self.heard:
            assert await self.read(), "the connection was closed"
        return self.heard.pop(0)

    async def messages_to_the_end(self) -> list[Message]:
        while await self.read():
            pass
        return self.heard

    def close(self) -> None:
        self._sock.close()

    def end_writing(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)
