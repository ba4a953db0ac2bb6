"""The loop of every part of the controller that looks after something from time to time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger("rayfaas.controller")


async def look_every(seconds: float, look: Callable[[], Awaitable[object]], failed: str) -> None:
    """Look again and again, for ever. A look that raises is logged as `failed`, with its traceback, and not the last.

    await look_every(1.0, self.look, "canaries could not be looked after")
    """
    while True:
        await asyncio.sleep(seconds)
        try:
            await look()
        except Exception:  # noqa: BLE001 a border: one bad look must not end all of them
            _log.exception(failed)
