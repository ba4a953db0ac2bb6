"""What a call waits for, as a line in the terminal of who made it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rayfaas.errors import RayfaasError
from rayfaas.transport import Transport

# Most calls are answered before anybody wonders.
QUIET_S = 1.5
LOOK_S = 1.0
# Held by the call that has the terminal's last line: of many at once, the first.
_line = threading.Lock()


@asynccontextmanager
async def shown(transport: Transport, target: str) -> AsyncIterator[None]:
    """While its block lasts, if it lasts, and stderr is a terminal.

    async with shown(transport, "embed"):
        await call.answer(transport)
    """
    if not sys.stderr.isatty():
        yield
        return
    showing = asyncio.ensure_future(_show(transport, target))
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


async def _show(transport: Transport, target: str) -> None:
    began = time.monotonic()
    await asyncio.sleep(QUIET_S)
    if _line.acquire(blocking=False):
        try:
            await _follow(transport, target, began)
        finally:
            _line.release()


async def _follow(transport: Transport, target: str, began: float) -> None:
    width = 0
    try:
        with contextlib.suppress(RayfaasError):
            while True:
                found = await transport.get("/v1/waiting", {"target": target})
                line = told(target, found.get("event"), found.get("awaits"), time.monotonic() - began)
                line = line[: shutil.get_terminal_size().columns - 1]
                _write(f"\r{line:<{width}}")
                width = len(line)
                await asyncio.sleep(LOOK_S)
    finally:
        if width:
            _write("\r" + " " * width + "\r")


def told(target: str, event: str | None, awaits: str | None, seconds: float) -> str:
    """A stage in one line.

    >>> told("embed", "node_starting", "gpu-1: 1 GPU waits for room", 12.3)
    'embed: node starting, gpu-1: 1 GPU waits for room (12 s)'
    >>> told("embed", None, None, 2.0)
    'embed (2 s)'
    """
    stage = f": {', '.join(filter(None, (event.replace('_', ' '), awaits)))}" if event else ""
    return f"{target}{stage} ({seconds:.0f} s)"


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
