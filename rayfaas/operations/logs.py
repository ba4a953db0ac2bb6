"""What calls print and log: operations on their lines, as a client has them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from rayfaas.following import followed
from rayfaas.names import check_call
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, given, list_of
from rayfaas.remote import LogListener
from rayfaas.spawned import SpawnedCall
from rayfaas.stream import Stream


class Logs(Asker):
    """Functions are named `team/name`, or `name` of the token's team.

    >>> client.logs("embed", limit=1)[0]["text"]  # doctest: +SKIP
    'loaded in 2 s'
    """

    @operation
    async def logs(self, function: str | None = None, call: str | None = None, limit: int = 1000) -> list[Json]:
        """The newest lines that calls printed or logged, the oldest of them first."""
        query = given(function=await self._full_name(function) if function else None, call=call, limit=limit)
        return list_of(await self._transport.get("/v1/logs", query), "logs")

    def follow(self, function: str | None = None, call: str | None = None, lines: int = 100) -> Stream[Json]:
        """The newest `lines` that calls printed or logged, and those to come, as they come, for ever; or all those of
        one call, until it ends.

        >>> for line in client.follow(call=spawned.id):  # doctest: +SKIP
        ...     print(line["text"], end="")
        """
        if call is not None:
            return SpawnedCall(self._sessions, check_call(call)).follow()
        if function is not None:
            return Stream(self._sessions, self._follow(function, lines), None)
        return Stream(self._sessions, followed(self._transport, "/v1/logs", {"limit": lines}), None)

    @operation
    async def listen(self, function: str, on_log: LogListener) -> None:
        """Tell `on_log`, on the client's own thread, of what calls of a function write from now on, for ever."""
        async with contextlib.aclosing(self._follow(function, 0)) as batches:
            async for batch in batches:
                for event in batch:
                    on_log(event["item"])

    async def _follow(self, function: str, lines: int) -> AsyncGenerator[list[Json], None]:
        query = {"function": await self._full_name(function), "limit": lines}
        async with contextlib.aclosing(followed(self._transport, "/v1/logs", query)) as batches:
            async for batch in batches:
                yield batch
