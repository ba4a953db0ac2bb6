"""Following logs: the lines that are recorded, then those of calls in flight at any gateway, each once.

Lines are read from the registry, where they land within a moment, in batches, and the next batch when the client has
taken the last: however slow it is, nothing is dropped and nothing is held for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import StreamingResponse

from rayfaas.errors import BadRequest, RayfaasError, Unavailable, to_problem
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.formats import NdjsonFormat
from rayfaas.gateway.requests import whole_number
from rayfaas.names import check_call
from rayfaas.wire import SSE
from rayfaas.within import within

LOOK_S = 0.2
# So often something is sent, so that neither side takes the connection for dead.
IDLE_S = 15.0
# Lines of one batch.
BATCH = 1_000
_LAST_LINE = 10**18 - 1


class Following:
    """Answers who follows. `ending` is set when this gateway is told to end."""

    def __init__(self, controller: ControllerLink, ending: asyncio.Event) -> None:
        self._controller, self._ending = controller, ending

    async def response(
        self,
        format: NdjsonFormat,
        function: str | None,
        call: str | None,
        after: int | None,
        lines: int,
        asker: Callable[[], dict[str, str]],
    ) -> StreamingResponse:
        """`asker` is who asks, as the controller takes it, asked anew each time: it raises when they may not any more,
        for a token can be revoked, and who is no more of a team, while it follows.

        `after` is the number of the last line that the client has; without it, it gets the last `lines`, or all
        those of `call`. Ends with the call. Raises what there is against the question."""
        call = check_call(call) if call is not None else None
        question = {"function": function, "call": call}
        if after is None and call is not None:
            after = -1
        first = await self._ask(question, asker, after, min(lines, BATCH) if after is None else BATCH)
        return StreamingResponse(
            self._events(format, question, first, asker),
            media_type=format.content_type,
            headers={"Cache-Control": "no-store"},
        )

    async def _ask(
        self, question: dict[str, Any], asker: Callable[[], dict[str, str]], after: int | None, limit: int
    ) -> dict[str, Any]:
        asked = {**question, "actor": asker(), "after": after, "limit": limit}
        found: dict[str, Any] = await self._controller.request("log_lines", **asked)
        return found

    async def _events(
        self,
        format: NdjsonFormat,
        question: dict[str, Any],
        first: dict[str, Any],
        asker: Callable[[], dict[str, str]],
    ) -> AsyncIterator[bytes]:
        batch, said_at = first, time.monotonic()
        while True:
            if batch["lines"]:
                yield b"".join(_line(format, number, line) for number, line in batch["lines"])
                said_at = time.monotonic()
            if batch["end"] is not None:
                yield format.done(batch["end"])
                return
            if not batch["more"] and await self._is_ending():
                yield format.error(to_problem(Unavailable("The gateway ends. Ask again, after the last line.")))
                return
            if time.monotonic() - said_at > IDLE_S:
                yield format.idle()
                said_at = time.monotonic()
            try:
                batch = await self._ask(question, asker, batch["after"], BATCH)
            except Unavailable:
                batch = {**batch, "lines": [], "more": False}  # the controller is back in a moment
            except RayfaasError as error:
                yield format.error(to_problem(error))
                return

    async def _is_ending(self) -> bool:
        """Wait for the next look; whether the gateway ends."""
        try:
            await within(LOOK_S, self._ending.wait())
        except asyncio.TimeoutError:
            return False
        return True


def last_seen(header: str | None) -> int | None:
    """Of `Last-Event-ID`, which browsers send when they ask again."""
    if header is None:
        return None
    number = whole_number(header, _LAST_LINE)
    if number is None:
        raise BadRequest(f"Last-Event-ID is the number of a line, not {header!r}.")
    return number


def _line(format: NdjsonFormat, number: int, line: dict[str, Any]) -> bytes:
    text = format.log(line)
    return b"id: %d\n%b" % (number, text) if format.content_type == SSE else text
