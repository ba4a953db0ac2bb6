"""uvicorn's HTTP protocol, with a short way for calls: one that came whole is answered without a task.

Other requests are uvicorn's, with head and body of an answer in one write: a packet and a wake-up less.
"""

from __future__ import annotations

import asyncio
import http
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from rayfaas.gateway.asgi import HeaderList
from rayfaas.gateway.heads import Head, Headers, Heads
from rayfaas.gateway.unread import TRANSPORT

ON_GONE = "rayfaas.on_gone"
"""Where a request's scope holds what is to be called when its connection breaks before it is answered."""

Application = Callable[..., Awaitable[None]]

# A request with a longer body takes uvicorn's way, which holds back a client that sends faster than it is read.
MAX_DIRECT_BODY = 64 << 10
# Of a request's line and headers, or of the trailers after its body; the parser has no limit of its own.
MAX_HEAD = 64 << 10
# How long a head may take, from its first byte, or from the beginning of the connection.
HEAD_S = 60.0
_PREFIX = b"/call/"
_LONG_WAY = frozenset((b"expect", b"upgrade", b"transfer-encoding"))
_NOT_IN_A_TARGET = re.compile(rb"[^A-Za-z0-9/:@_.-]")
_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in http.HTTPStatus}


class DirectCalls(Protocol):
    """Who answers calls that came whole."""

    def takes(self, headers: Headers) -> bool: ...

    def begin(self, exchange: Exchange) -> None: ...


class _NoEvent:
    """In place of what a task would wait for."""

    def set(self) -> None:
        pass


class Exchange:
    """A call that came whole, and waits for its answer. To uvicorn it is the connection's present cycle."""

    message_event = _NoEvent()

    def __init__(self, protocol: CallProtocol, target: str, headers: Headers) -> None:
        self._protocol = protocol
        self.target, self.headers = target, headers
        self.body = b""
        self.on_gone: Callable[[], object] | None = None
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False

    @property
    def client(self) -> object:
        """Its address and port."""
        return self._protocol.client

    def answer(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Send the whole answer; nothing happens when the client is gone."""
        self.response_complete = True
        if not self.disconnected and not self._protocol.transport.is_closing():
            self._protocol.answer(status, headers, body, self.keep_alive)

    def hand_on(self, application: Application) -> None:
        """Have an ASGI application answer; it has nothing to receive but the client's leaving."""
        self._protocol.hand_on(self, application)

    def begin_again(self, application: Application) -> None:
        """Have an ASGI application answer the whole request."""
        self._protocol.hand_on(self, application, self.body)


class CallProtocol(HttpToolsProtocol):
    """`direct` gets the calls that may be answered at once, everything else the application of `config`."""

    def __init__(self, direct: DirectCalls, heads: Heads, *args: Any, head_s: float = HEAD_S, **options: Any) -> None:
        super().__init__(*args, **options)
        self._direct, self._heads, self._head_s = direct, heads, head_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._receiving: Exchange | None = None
        self._is_between = True  # all that came were whole direct calls, so that the next byte begins a request
        self._whole: bytes | None = None  # what came last, where it began a request
        self._is_in_head = True  # what came last brought nothing but lines of a head
        self._head_size = 0
        self._is_head_open = False  # of a head that began not all has come
        self._is_declined = False  # the request asks for a protocol that is not spoken here
        self._answering: Any = None  # the cycle whose answer is under way; others may wait behind it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._paired = PairedWrites(transport)
        self.transport = cast(asyncio.Transport, self._paired)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_head()
        cycle = self._answering
        if cycle is None or cycle.response_complete:
            return
        cycle.disconnected = True
        on_gone = cycle.on_gone if isinstance(cycle, Exchange) else cycle.scope.get(ON_GONE)
        if on_gone is not None:
            on_gone()

    def data_received(self, data: bytes) -> None:
        if self._is_between and self._is_idle() and (known := self._heads.of(data)) is not None:
            self._unset_keepalive_if_required()
            self._begin(*known)
        else:
            self._parse(data)

    def _begin(self, head: Head, body: bytes) -> None:
        self.cycle = self._answering = exchange = cast(Any, Exchange(self, head.target, head.headers))
        exchange.body = body
        self._direct.begin(exchange)

    def _parse(self, data: bytes) -> None:
        self._whole = data if self._is_between else None
        self._is_in_head = True
        self._feed(data)
        if self._is_head_open:
            self._expect_head()
        else:
            self._end_head()
        if not self._is_in_head:
            self._head_size = 0
            return
        self._head_size += len(data)
        if self._head_size > MAX_HEAD and not self.transport.is_closing():
            self._refuse_head()

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            elif self._is_declined:
                self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request as if it had not asked: clients such as Java's ask every server for HTTP/2, and a server may
        go on as it is (https://www.rfc-editor.org/rfc/rfc9110#name-upgrade). The parser would take the body for bytes
        of the other protocol."""
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self._feed(b"".join((line, *lines, b"\r\n", rest)))

    def _refuse_head(self) -> None:
        """The rest of it is not read; an answer that is under way is cut off."""
        if self._answering is None or self._answering.response_complete:
            self.send_400_response(f"The headers are over {MAX_HEAD:,} bytes.")
        else:
            self.transport.close()

    def _expect_head(self) -> None:
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = asyncio.get_running_loop().call_later(self._head_s, self._head_is_late)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        """Who sends one byte now and then would hold its socket for ever. An answer that is under way is waited for."""
        self._head_timer = None
        if self._answering is not None and not self._answering.response_complete:
            self._expect_head()
        elif self._answering is None or self._is_head_open:
            self.transport.close()

    # The parser's callbacks

    def on_message_begin(self) -> None:
        self._is_between = self._is_in_head = False
        self._is_head_open = True
        self.url, self.headers = b"", []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._is_in_head = self._is_head_open = False
        headers = dict(self.headers)
        self._is_declined = b"upgrade" in headers and self.parser.should_upgrade() and not self._should_upgrade()
        if self._is_declined:
            return
        if self._is_direct(headers):
            target = self.url[len(_PREFIX) :].decode("ascii")
            self.cycle = self._answering = self._receiving = cast(Any, Exchange(self, target, headers))
        else:
            url, header_list = self.url, self.headers
            super().on_message_begin()
            cast(dict[str, Any], self.scope)[TRANSPORT] = self.transport
            self.url = url
            for name, value in header_list:
                super().on_header(name, value)
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._is_in_head = False
        if self._receiving is not None:
            self._receiving.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_head = False
        if self._is_declined:
            return None
        exchange, self._receiving = self._receiving, None
        if exchange is None:
            return super().on_message_complete()
        whole, self._whole, self._is_between = self._whole, None, True
        if whole is not None:
            self._heads.learn(whole, Head(exchange.target, exchange.headers, len(exchange.body)))
        self._direct.begin(exchange)

    def _is_idle(self) -> bool:
        """Not where the last request is not answered yet, or the client does not take the answers that it has."""
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused

    def _is_direct(self, headers: Headers) -> bool:
        if not self.url.startswith(_PREFIX) or self.parser.get_method() != b"POST" or not self._is_idle():
            return False
        length = headers.get(b"content-length", b"")
        return (
            length.isdigit()
            and int(length) <= MAX_DIRECT_BODY
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and _LONG_WAY.isdisjoint(headers)
            and _NOT_IN_A_TARGET.search(self.url) is None
            and self._direct.takes(headers)
        )

    def handle_websocket_upgrade(self) -> None:
        """From here on it is another protocol's, which writes for itself."""
        self.transport = self._paired.let_go()
        super().handle_websocket_upgrade()

    # Answers

    def answer(self, status: int, headers: HeaderList, body: bytes, keep_alive: bool) -> None:
        status_line = _STATUS_LINES.get(status, _STATUS_LINES[500])  # an executor may say anything
        lines = [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *headers)]
        end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        self._paired.write_through(b"".join((status_line, *lines, end, body)))
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    def hand_on(self, exchange: Exchange, application: Application, body: bytes | None = None) -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "http_version": "1.1",
            "path": f"{_PREFIX.decode()}{exchange.target}",
            "headers": list(exchange.headers.items()),
            TRANSPORT: self.transport,
        }
        cycle = RequestResponseCycle(
            scope=cast(Any, scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=exchange.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        if body is not None:
            cycle.body = bytearray(body)
            cycle.message_event.set()
        cycle.disconnected = exchange.disconnected
        if self.cycle is cast(Any, exchange):
            self.cycle = cycle
        self._start_asgi_task(cycle, cast(Any, application))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)


class PairedWrites:
    """A transport that holds a first write until the second comes, or until the loop's next turn."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: bytes | None = None
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        held = self._held
        if held is None:
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self._held = None
            self._transport.write(held + data)

    def write_through(self, data: bytes) -> None:
        """Hold nothing."""
        self._flush()
        self._transport.write(data)

    def let_go(self) -> asyncio.Transport:
        """The transport itself, with nothing held back from it."""
        self._flush()
        return self._transport

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
