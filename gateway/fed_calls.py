"""Calls that are fed while they run: what their client sends goes on to their executor as that grants credit for it."""

from __future__ import annotations

import asyncio
from typing import Any

from rayfaas.gateway.pending import PendingCall


class FedCall(PendingCall):
    """Its executor grants credit from when it begins it: before, nothing is sent."""

    __slots__ = ("_may_send", "_send_credit", "was_fed")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._send_credit = 0
        self._may_send = asyncio.Event()
        self.was_fed = False

    @property
    def can_move(self) -> bool:
        """What was sent of it went to one executor."""
        return not self.was_fed

    def granted(self, pieces: int) -> None:
        self._send_credit += pieces
        self._may_send.set()

    @property
    def has_credit(self) -> bool:
        return self._send_credit > 0

    async def may_send(self) -> None:
        """Returns when one more piece may be sent."""
        while self._send_credit <= 0:
            self._may_send.clear()
            await self._may_send.wait()
        self._send_credit -= 1

    def feed(self, header: bytes, body: bytes) -> None:
        """Nothing happens where it has ended."""
        if self.executor is not None and self.ended is None:
            self.was_fed = True
            self.executor.input(self, header, body)
