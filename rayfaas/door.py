"""The door for peers on other machines: TCP and TLS, then the handshake. Strangers are few and have little time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

from rayfaas.connection import HANDSHAKE_S, Connection
from rayfaas.errors import RayfaasError
from rayfaas.within import within

_log = logging.getLogger("rayfaas.door")

# Connections whose peers have not proved who they are. One more, and the oldest of them goes: whoever is who it says
# is done in milliseconds, so that somebody who only holds connections open keeps nobody out.
STRANGERS = 256
_AFTER_FAILURE_S = 0.5


class Door:
    """Listens from `open` until `close`. `protocol` makes the accepting end of each connection."""

    def __init__(self, protocol: Callable[[], Connection], context: ssl.SSLContext) -> None:
        self._protocol, self._context = protocol, context
        self._strangers: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        assert self._socket is not None
        port: int = self._socket.getsockname()[1]
        return port

    def open(self, host: str, port: int) -> None:
        """Raises OSError where the address can't be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=1024)
        self._socket.setblocking(False)
        self._listen(self._socket)

    async def close(self) -> None:
        """Let nobody else in; who is in stays."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for task in self._strangers:
            task.cancel()
        await asyncio.gather(*self._strangers, return_exceptions=True)

    def _listen(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            sock, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # who came is gone already
        except OSError as error:  # no file descriptor is left, say
            _log.error("nobody can be let in: %s", error)
            loop.remove_reader(listening)
            loop.call_later(_AFTER_FAILURE_S, self._listen, listening)
            return
        sock.setblocking(False)
        if len(self._strangers) >= STRANGERS:
            next(iter(self._strangers)).cancel()
        task = asyncio.ensure_future(self._let_in(sock))
        self._strangers[task] = None
        task.add_done_callback(lambda done: self._strangers.pop(done, None))

    async def _let_in(self, sock: socket.socket) -> None:
        connection = self._protocol()
        try:
            await within(HANDSHAKE_S, self._encrypt(sock, connection))
            await within(HANDSHAKE_S, asyncio.shield(connection.ready))
        except (OSError, asyncio.TimeoutError, RayfaasError) as error:
            _log.info("a connection was not let in: %s", error or type(error).__name__)
            self._send_away(sock, connection)
        except asyncio.CancelledError:
            if not _is_in(connection):
                self._send_away(sock, connection)
            raise

    async def _encrypt(self, sock: socket.socket, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: connection, sock, ssl=self._context)

    def _send_away(self, sock: socket.socket, connection: Connection) -> None:
        if connection.is_made:
            connection.close()
        else:
            with contextlib.suppress(OSError):
                sock.close()


def _is_in(connection: Connection) -> bool:
    """Whether its handshake has ended well."""
    ready = connection.ready
    return ready.done() and not ready.cancelled() and ready.exception() is None
