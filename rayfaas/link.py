"""A link: requests in both directions over one connection, for the control plane.

Either end calls the other: `request` for one answer, `stream` for many, `notify` for none. What a method does is the
`Service`'s business; what it raises arrives at the caller as the same error.

    CALL {method}, body = MessagePack of the parameters   →   ITEM* then RESULT or ERROR
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from rayfaas import frames
from rayfaas.connection import Connection, dial
from rayfaas.errors import NotFound, RayfaasError, Unavailable, from_problem, to_problem
from rayfaas.frames import Kind, Message, header_of
from rayfaas.handshake import ClientSide, Identity, ServerSide
from rayfaas.strangers import Strangers
from rayfaas.within import within

_log = logging.getLogger("rayfaas.link")

Method = Callable[..., Awaitable[Any] | AsyncIterator[Any]]
T = TypeVar("T")

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_decode = msgspec.msgpack.decode


class Service:
    """What one end offers: methods by name, each called as `method(link, **parameters)`.

    A coroutine answers once; an async generator answers with a stream.
    """

    def __init__(self, methods: dict[str, Method]) -> None:
        self.methods = methods

    def on_open(self, link: Link) -> None:
        """A link to a peer is up."""

    def on_close(self, link: Link) -> None:
        """It is down."""


class Link(Connection):
    """One end of a link."""

    def __init__(
        self, handshake: ServerSide | ClientSide, service: Service, strangers: Strangers | None = None
    ) -> None:
        super().__init__(handshake, strangers)
        self._service = service
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Message | None]] = {}
        self._serving: dict[int, asyncio.Task[None]] = {}

    # Calling the peer

    async def request(self, method: str, timeout_s: float | None = None, **parameters: Any) -> Any:
        """The peer's answer. Raises its error, `Unavailable` when the link breaks, `TimeoutError` after `timeout_s`."""

        async def last() -> Any:
            answer = None
            async for answer in self._call(method, parameters, items=False):  # noqa: B007
                pass
            return answer

        return await within(timeout_s, last())

    async def stream(self, method: str, **parameters: Any) -> AsyncIterator[Any]:
        """The items of the peer's answer as they come."""
        async for item in self._call(method, parameters, items=True):
            yield item

    def notify(self, method: str, **parameters: Any) -> None:
        """Tell, and expect no answer."""
        self.send(Kind.CALL, 0, frames.encode_header({"method": method}), _encode(parameters))

    async def _call(self, method: str, parameters: dict[str, Any], items: bool) -> AsyncIterator[Any]:
        if not self.is_open:
            raise Unavailable("the connection is down")
        number = next(self._numbers)
        queue = self._waiting[number] = asyncio.Queue()
        ended = False
        try:
            self.send(Kind.CALL, number, frames.encode_header({"method": method}), _encode(parameters))
            while True:
                message = await queue.get()
                if message is None:
                    ended = True
                    raise Unavailable(f"the connection broke during {method!r}")
                if message.kind == Kind.ITEM:
                    yield _decode(message.body)
                    continue
                ended = True
                if message.kind == Kind.ERROR:
                    raise from_problem(header_of(message))
                if not items:
                    yield _decode(message.body)
                return
        finally:
            self._waiting.pop(number, None)
            if not ended:
                self.send(Kind.CANCEL, number)

    # Serving the peer

    def opened(self) -> None:
        self._service.on_open(self)

    def on_closed(self) -> None:
        for queue in self._waiting.values():
            queue.put_nowait(None)
        for task in self._serving.values():
            task.cancel()
        self._service.on_close(self)

    def on_message(self, message: Message) -> None:
        if message.kind == Kind.CALL:
            task = asyncio.get_running_loop().create_task(self._serve(message))
            key = message.call or -id(task)
            self._serving[key] = task
            task.add_done_callback(lambda _: self._serving.pop(key, None))
        elif message.kind == Kind.CANCEL:
            if running := self._serving.get(message.call):
                running.cancel()
        elif queue := self._waiting.get(message.call):
            queue.put_nowait(message)

    async def _serve(self, message: Message) -> None:
        name = "a request"
        try:
            name = str(header_of(message).get("method"))
            method = self._service.methods.get(name)
            if method is None:
                raise NotFound(f"the peer has no method {name!r}; do both run the same rayfaas?")
            answer = method(self, **_decode(message.body))
            if isinstance(answer, AsyncIterator):
                async for item in answer:
                    self._answer(message.call, Kind.ITEM, item)
                self._answer(message.call, Kind.RESULT, None)
            else:
                self._answer(message.call, Kind.RESULT, await answer)
        except RayfaasError as error:
            self._answer_error(message.call, name, error)
        except Exception as error:  # noqa: BLE001 the border of a process: whatever it was, the peer must hear of it
            _log.exception("%s failed", name)
            self._answer_error(message.call, name, RayfaasError(f"{name} failed: {type(error).__name__}: {error}"))

    def _answer(self, call: int, kind: Kind, value: Any) -> None:
        if call:
            self.send(kind, call, b"", _encode(value))

    def _answer_error(self, call: int, name: str, error: RayfaasError) -> None:
        if call:
            try:
                header = frames.encode_header(to_problem(error))
            except UnicodeEncodeError:  # half a surrogate in somebody's text
                header = frames.encode_header(to_problem(type(error)(ascii(error.detail))))
            self.send(Kind.ERROR, call, header)
        else:
            _log.warning("%s: %s", name, error.detail)


async def dial_link(address: str, identity: Identity, key: bytes, service: Service) -> Link:
    link: Link = await dial(address, lambda: Link(ClientSide(identity, key), service))
    return link


async def keep_link(
    address: str, identity: Identity, key: bytes, service: Service, retry_s: float = 0.2, most_s: float = 5.0
) -> None:
    """Hold a link for ever: dial again, with growing pauses, whenever it breaks."""
    pause_s = retry_s
    while True:
        try:
            link = await dial_link(address, identity, key, service)
        except (OSError, asyncio.TimeoutError, RayfaasError) as error:
            _log.info("%s can't be reached: %s", address, error or "no answer")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, most_s)
            continue
        pause_s = retry_s
        await link.closed
