"""Real sockets with TLS on this machine, and a line between two ends that a test cuts, or has swallow everything."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from pathlib import Path

from rayfaas.address import NetworkAddress
from rayfaas.connection import Connection
from rayfaas.door import Door
from rayfaas.server.certificate import make_certificate
from rayfaas.tls import fingerprint_of, server_context

_SO_ATTACH_FILTER = 26


@lru_cache
def certificate() -> bytes:
    return make_certificate()


@asynccontextmanager
async def door(directory: Path, protocol: Callable[[], Connection]) -> AsyncIterator[tuple[Door, NetworkAddress]]:
    """An open door and its address."""
    file = directory / "certificate.pem"
    file.write_bytes(certificate())
    opened = Door(protocol, server_context(file))
    opened.open("127.0.0.1", 0)
    try:
        yield opened, NetworkAddress("127.0.0.1", opened.port, fingerprint_of(file))
    finally:
        await opened.close()


class Line:
    """Carries bytes to `target` and back; `carried` are all of them."""

    def __init__(self, target: NetworkAddress) -> None:
        self._target = target
        self.carried = b""
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.AbstractServer | None = None

    async def open(self) -> NetworkAddress:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self._target._replace(port=self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Both ends hear of it."""
        for writer in self._writers:
            writer.transport.abort()

    def swallow(self) -> None:
        """Like a cable that is pulled: from now on nothing that is sent arrives, and nobody hears of it."""
        for writer in self._writers:
            drop_everything(writer.get_extra_info("socket"))

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers += [writer, there_writer]
        await asyncio.gather(self._copy(reader, there_writer), self._copy(there_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                self.carried += data
                writer.write(data)
                await writer.drain()
        writer.close()


def drop_everything(sock: socket.socket) -> None:
    """Have the kernel throw away each packet that comes for this socket, unacknowledged."""
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF: ret 0
    program = struct.pack("HL", 1, ctypes.addressof(instruction))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
