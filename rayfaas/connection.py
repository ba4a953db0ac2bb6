"""A connection of frames on an asyncio loop: handshake, whole messages in, messages out, in order.

Of the small messages of one turn of the loop the first is written at once and the others together: a write wakes the
other process, which costs more than all the rest. The chunks of large ones take turns, so that no payload delays
another call's message; messages of one call arrive in the order in which they were sent.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

from rayfaas import frames
from rayfaas.address import NetworkAddress, parse_address
from rayfaas.errors import ProtocolError, RayfaasError
from rayfaas.frames import CHUNK, Decoder, Message, StrangerDecoder
from rayfaas.handshake import MAX_HELLO, ClientSide, Identity, ServerSide, refusal
from rayfaas.strangers import Strangers
from rayfaas.tls import check_certificate, client_context, keep_alive
from rayfaas.within import within

_log = logging.getLogger("rayfaas.connection")

HANDSHAKE_S = 10.0


class Connection(asyncio.Protocol):
    """Base of all ends. Subclasses say what happens on `opened`, `on_message` and `on_closed`.

    `peer` is the identity that the other side proved (accepting end) or None (dialling end). `strangers` are those of
    the socket that accepted it.
    """

    def __init__(self, handshake: ServerSide | ClientSide, strangers: Strangers | None = None) -> None:
        self._handshake: ServerSide | ClientSide | None = handshake
        self._strangers = strangers or Strangers()
        self._decoder = StrangerDecoder(MAX_HELLO) if isinstance(handshake, ServerSide) else Decoder()
        self._held: list[bytes] | None = None  # written in this turn after the first; None before it
        self._large: dict[int, deque[Iterator[bytes]]] = {}  # by call, in the order of their turns
        self._last: list[bytes] = []  # what waits until none of them is left
        self._pump: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.peer: Identity | None = None
        self.is_open = False
        self.is_remote = False  # it came, or goes, over the network
        self.expects = ""  # the fingerprint of the certificate that the accepting end must have
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # What subclasses say

    def opened(self) -> None:
        """The handshake is done."""

    def on_message(self, message: Message) -> None:
        """A whole message came."""

    def on_closed(self) -> None:
        """The connection ended; called once, only after `opened`."""

    # What they use

    def send(self, kind: int, call: int, header: bytes = b"", body: bytes = b"") -> None:
        """Write a message; nothing happens on a connection that ended (its end was told by `on_closed`)."""
        if not self.is_open:
            return
        if len(body) <= CHUNK and call not in self._large:
            self._write(frames.encode(kind, call, header, body))
            return
        self._large.setdefault(call, deque()).append(frames.split(kind, call, header, body))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._pump_large())

    def send_last(self, kind: int, call: int) -> None:
        """Write a message after all that was sent before, large ones too."""
        if self._large:
            self._last.append(frames.encode(kind, call, b""))
        else:
            self.send(kind, call)

    @property
    def is_made(self) -> bool:
        """Whether it has its transport, which closes the socket with it."""
        return self._transport is not None

    def close(self) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if (tls := transport.get_extra_info("ssl_object")) is not None:
            self.is_remote = True
            keep_alive(transport.get_extra_info("socket"))
            if self.expects and not self._trusts(tls):
                return
        self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._too_slow)
        if isinstance(self._handshake, ServerSide):
            self._strangers.came(self)
            self._write(self._handshake.first())

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._decoder.feed(data):
                if self._handshake is None:
                    self.on_message(message)
                else:
                    self._shake(self._handshake, message)
        except RayfaasError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        was_open, self.is_open = self.is_open, False
        self._strangers.left(self)
        self._writable.set()
        if self._timer is not None:
            self._timer.cancel()
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionResetError("the peer closed the connection during the handshake"))
            self.ready.exception()  # whoever awaits it sees it; nobody has to
        if not self.closed.done():
            self.closed.set_result(None)
        if was_open:
            self.on_closed()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # Inside

    def _write(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
        elif self._transport is not None:
            self._held = []
            asyncio.get_running_loop().call_soon(self._flush)
            self._transport.write(data)

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(held))

    def _trusts(self, tls: ssl.SSLObject) -> bool:
        """Asked before the first word: somebody in between must not get a proof that is meant for the server."""
        try:
            check_certificate(tls, self.expects)
        except RayfaasError as error:
            self._fail(error)
            return False
        return True

    async def _pump_large(self) -> None:
        while self._large and self.is_open:
            await self._writable.wait()
            call = next(iter(self._large))
            messages = self._large.pop(call)
            chunk = next(messages[0], None)
            if chunk is None:
                messages.popleft()
            elif self.is_open and self._transport is not None:
                self._flush()
                self._transport.write(chunk)  # not held: it must count for flow control at once
            if messages:
                self._large[call] = messages
        for frame in self._last if self.is_open else ():
            self._write(frame)
        self._last.clear()

    def _shake(self, handshake: ServerSide | ClientSide, message: Message) -> None:
        answer = handshake.receive(message)
        if answer is not None:
            self._write(answer)
        if isinstance(handshake, ServerSide):
            self.peer = handshake.identity
            self._finish()
        elif handshake.done:
            self._finish()

    def _finish(self) -> None:
        if isinstance(self._handshake, ServerSide):
            self._decoder = Decoder()
        self._handshake, self.is_open = None, True
        self._strangers.left(self)
        if self._timer is not None:
            self._timer.cancel()
        self.opened()
        if not self.ready.done():
            self.ready.set_result(None)

    def _fail(self, error: RayfaasError) -> None:
        peer = self._transport.get_extra_info("peername") if self._transport else None
        _log.warning("connection %s refused: %s", self.peer or peer or "", error.detail)
        if isinstance(self._handshake, ServerSide):
            self._write(refusal(error.detail))
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()
        self.close()
        if self._timer is not None:
            self._timer.cancel()
        # One that does not read what was sent to it would hold its socket for ever.
        self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_S, self.abort)

    def _too_slow(self) -> None:
        self._fail(ProtocolError("the handshake took too long"))


async def dial(address: str, protocol: Any) -> Any:
    """Connect to an address (`rayfaas.address`), shake hands, and return the Connection that `protocol` makes.

    Raises OSError where nobody listens there, and `ProtocolError` or `Unauthenticated` where it is not who was meant.
    """
    loop = asyncio.get_running_loop()
    place = parse_address(address)
    if isinstance(place, str):
        _, connection = await loop.create_unix_connection(protocol, place)
    else:
        connection = await within(HANDSHAKE_S, _dial_network(place, protocol))
    try:
        await connection.ready
    except BaseException:  # a cancel too
        connection.abort()
        raise
    return connection


async def _dial_network(place: NetworkAddress, protocol: Any) -> Any:
    def make() -> Any:
        connection = protocol()
        connection.expects = place.fingerprint
        return connection

    _, connection = await asyncio.get_running_loop().create_connection(
        make, place.host, place.port, ssl=client_context(), server_hostname="rayfaas"
    )
    return connection
