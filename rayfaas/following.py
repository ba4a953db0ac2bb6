"""Lines of logs as they come, from an endpoint that goes on telling them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from rayfaas.call import check_end
from rayfaas.transport import Transport

# The server says something at least four times as often.
_IDLE_S = 60.0


async def followed(
    transport: Transport, path: str, query: Mapping[str, Any] | None = None
) -> AsyncGenerator[list[dict[str, Any]], None]:
    """The lines, as the items of a `Stream`, in batches of those that came together."""
    last: list[dict[str, Any]] = []
    async with transport.events(path, method="GET", query=query, timeout_s=_IDLE_S) as batches:
        async for batch in batches:
            yield [{"item": event["log"]} for event in batch if "log" in event]
            last = batch or last
    check_end(last)
