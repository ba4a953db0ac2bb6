"""Webhooks: who spawned a call may name a URL that is told of its end.

An end is told at least once: until it was recorded that it was, another gateway, or the next life of this one, tells it
again when this one dies. `webhook-id` is the call's id, by which a receiver knows what it has heard before.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from rayfaas.errors import Forbidden
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.posts import Posts, moment
from rayfaas.gateway.problems import encode
from rayfaas.records import Settled, Spawned, Told
from rayfaas.shares import Shares
from rayfaas.wire import JSON

# Seconds before each further attempt; some seven hours together.
PAUSES_S = (1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21_600.0)
# A larger result is not told, only asked for.
MAX_RESULT = 3 << 10
_MOST_BASE64 = MAX_RESULT // 3 * 4
_MOST_DETAIL = 1_000
# Ends beyond so many are left to the controller, which brings them again.
_MOST_HELD = 10_000
_AT_ONCE = 32
# Of those, to one host: one that is slow to answer holds up itself alone.
_TO_ONE_HOST = 4


class Ending(msgspec.Struct):
    """A spawned call that has ended, and who is to hear of it. `body` is base64, `problem` a document as text."""

    call: str
    webhook: str
    target: str
    function: str
    version: int
    principal: str
    team: str
    accepted_us: int
    state: str
    ended_us: int
    attempts: int
    code: str | None = None
    content_type: str | None = None
    body: str | None = None
    problem: str | None = None


def ending_of(record: Spawned, settled: Settled) -> Ending | None:
    """None where nobody is to hear of it."""
    if record.webhook is None:
        return None
    is_small = settled.body is not None and len(settled.body) <= _MOST_BASE64
    return Ending(
        record.call,
        record.webhook,
        record.target,
        record.function,
        record.version,
        record.principal,
        record.team,
        record.accepted_us,
        settled.state,
        settled.ended_us,
        settled.attempts,
        settled.code,
        settled.content_type,
        settled.body if is_small else None,
        settled.problem,
    )


def document(ending: Ending) -> bytes:
    """What is sent."""
    data: dict[str, Any] = {
        "call": ending.call,
        "state": ending.state,
        "code": ending.code,
        "target": ending.target,
        "function": ending.function,
        "version": ending.version,
        "caller": ending.principal,
        "team": ending.team,
        "attempts": ending.attempts,
        "accepted_at": moment(ending.accepted_us),
        "ended_at": moment(ending.ended_us),
    }
    if ending.problem is not None:
        data["detail"] = str(msgspec.json.decode(ending.problem).get("detail", ""))[:_MOST_DETAIL]
    if ending.body is not None and ending.content_type == JSON:
        data["result"] = msgspec.Raw(base64.b64decode(ending.body))
    return encode({"type": "call.ended", "timestamp": data["ended_at"], "data": data})


class Webhooks:
    """Tells ends. `pauses_s` are those between attempts."""

    def __init__(
        self, posts: Posts, journal: Journal, controller: ControllerLink, pauses_s: Sequence[float] = PAUSES_S
    ) -> None:
        self._posts, self._journal, self._pauses_s = posts, journal, pauses_s
        self._held: dict[str, asyncio.Task[None]] = {}
        self._room = Shares(_AT_ONCE, _TO_ONE_HOST)
        controller.methods |= {"tell": self._tell, "telling": self._telling}

    def check(self, url: str) -> str:
        """The URL again. Raises `BadRequest` and `Forbidden` for one that may not be told anything."""
        return self._posts.rules.check(url)

    def tell(self, ending: Ending) -> None:
        if ending.call not in self._held and len(self._held) < _MOST_HELD:
            task = self._held[ending.call] = asyncio.ensure_future(self._deliver(ending))
            task.add_done_callback(lambda _: self._held.pop(ending.call, None))

    # From the controller

    async def _tell(self, link: object, ends: list[dict[str, Any]]) -> None:
        """Ends that another gateway, or an earlier life of this one, had to tell."""
        for end in ends:
            self.tell(msgspec.convert(end, Ending))

    async def _telling(self, link: object) -> list[str]:
        return list(self._held)

    # Telling

    async def _deliver(self, ending: Ending) -> None:
        body, host = document(ending), urlsplit(ending.webhook).hostname or ""
        problem: str | None = None
        attempts = 0
        for pause_s in (0.0, *self._pauses_s):
            await asyncio.sleep(pause_s)
            attempts += 1
            async with self._room.place(host):
                problem, is_over = await self._attempt(ending, body)
            if is_over:
                break
        state = "DELIVERED" if problem is None else "FAILED"
        self._journal.ended(Told(ending.call, state, time.time_ns() // 1000, attempts, problem))

    async def _attempt(self, ending: Ending, body: bytes) -> tuple[str | None, bool]:
        """What went wrong, and whether it is over: it was heard, or may not be told there."""
        try:
            problem = await self._posts.attempt(ending.webhook, ending.call, body)
        except Forbidden as error:
            return error.detail, True
        return problem, problem is None
