"""Answers that nobody reads: when a call's time is over, a client that takes nothing of what waits for it is let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

TRANSPORT = "rayfaas.transport"
"""Where a request's scope holds its connection's transport."""

# How long a client may take nothing.
UNREAD_S = 30.0


class Transport(Protocol):
    def get_write_buffer_size(self) -> int: ...

    def abort(self) -> None: ...


class Unread:
    """Watches from a call's deadline on, which is Unix time in seconds. `give_up` is called before the connection is
    broken off. Whoever reads, however slowly, has all the time that it takes."""

    def __init__(
        self, scope: Mapping[str, Any], deadline: float, give_up: Callable[[], object], look_s: float = UNREAD_S
    ) -> None:
        self._transport: Transport | None = scope.get(TRANSPORT)
        self._give_up, self._look_s, self._left = give_up, look_s, 0
        self._is_written = False
        self._timer: asyncio.TimerHandle | None = None
        if self._transport is not None:
            wait_s = max(0.0, deadline - time.time())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def written(self) -> None:
        """All of the answer waits for the client: watch until it has taken that."""
        self._is_written = True
        if self._transport is not None and not self._transport.get_write_buffer_size():
            self.stop()

    def _look(self) -> None:
        assert self._transport is not None
        left = self._transport.get_write_buffer_size()
        if self._is_written and not left:
            return None
        if left and left == self._left:
            self._give_up()
            return self._transport.abort()
        self._left = left
        self._timer = asyncio.get_running_loop().call_later(self._look_s, self._look)
