"""What parked calls wait for, told to who listens: a node that starts, a replica, an environment, an executor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from rayfaas.gateway.formats import NdjsonFormat
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.pending import PendingCall
from rayfaas.wire import SSE

PROGRESS = b"rayfaas-progress"
# So often something is sent, so that neither side takes the connection for dead.
IDLE_S = 15.0


class Stage(NamedTuple):
    """`event` is node_starting, node_running, environment or executor; `awaits` says it in words."""

    event: str
    awaits: str


class Progress:
    """By version, what its calls wait for, as the controller told last."""

    def __init__(self) -> None:
        self._stages: dict[str, Stage] = {}
        self._change = asyncio.Event()

    def tell(self, key: str, event: str, awaits: str) -> None:
        """Without an event nothing is waited for any more."""
        if event:
            self._stages[key] = Stage(event, awaits)
        else:
            self._stages.pop(key, None)
        self._change.set()
        self._change = asyncio.Event()

    def clear(self) -> None:
        """Nobody tells any more."""
        self._stages.clear()

    def of(self, key: str) -> Stage | None:
        return self._stages.get(key)

    def awaited(self, key: str) -> str:
        """In words; "" where nobody told."""
        stage = self._stages.get(key)
        return "" if stage is None else f"{stage.event}: {stage.awaits}"

    async def follow(self, call: PendingCall, first: asyncio.Future[Any]) -> AsyncIterator[Stage | None]:
        """Each stage of a call's wait as it begins, and None where there was none for long. Ends with its wait, of
        which `first` is the end, too."""
        last: Stage | None = None
        while not first.done() and call.executor is None:
            stage = self._stages.get(call.route.key)
            if stage is not None and stage != last:
                yield (last := stage)
                continue
            change = asyncio.ensure_future(self._change.wait())
            done, _ = await asyncio.wait((change, first), timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
            if not done and last is not None:
                yield None


def is_wanted(format: NdjsonFormat, headers: Headers) -> bool:
    """Server-sent events that a client does not know it passes over; lines it has to ask for."""
    return format.content_type == SSE or (format.is_stream and PROGRESS in headers)


def entry(call: PendingCall, stage: Stage) -> dict[str, Any]:
    """What is sent of a stage: `since_s` counts from when the call was accepted."""
    since_s = round(time.time() - call.accepted_ns / 1e9, 3)
    return {"event": stage.event, "call": call.call_id, "since_s": since_s, "awaits": stage.awaits}
