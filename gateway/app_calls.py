"""The call that a request or WebSocket of an ASGI application is, at the gateway."""

from __future__ import annotations

import asyncio
from typing import Any

from rayfaas.asgi_events import OUTPUT_CREDIT, SCOPE, Event, encode_event
from rayfaas.frames import Kind
from rayfaas.gateway.pending import PendingCall


class AppCall(PendingCall):
    """Its executor grants credit for what its client sends, from when it begins it: before, nothing is sent."""

    __slots__ = ("_may_send", "_send_credit")
    kind = Kind.OPEN

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.credit = OUTPUT_CREDIT
        self.content_type = SCOPE
        self._send_credit = 0
        self._may_send = asyncio.Event()

    def granted(self, events: int) -> None:
        self._send_credit += events
        self._may_send.set()

    @property
    def has_credit(self) -> bool:
        return self._send_credit > 0

    async def may_send(self) -> None:
        """Returns when one more event of the client may be sent."""
        while self._send_credit <= 0:
            self._may_send.clear()
            await self._may_send.wait()
        self._send_credit -= 1

    def send(self, event: Event) -> None:
        """To the application; nothing happens where it has ended."""
        if self.executor is not None and self.ended is None:
            self.executor.input(self, *encode_event(event))
