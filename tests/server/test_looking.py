"""A look that goes wrong is told, and the next one comes all the same."""

from __future__ import annotations

import asyncio

import pytest

from rayfaas.server.looking import look_every
from tests.waiting import eventually


async def test_a_look_that_raises_is_logged_and_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OSError("the disk is full")

    looking = asyncio.ensure_future(look_every(0.0, look, "nothing could be seen"))
    await eventually(lambda: looks > 2)
    looking.cancel()
    assert [(each.message, each.exc_text and "the disk is full" in each.exc_text) for each in caplog.records] == [
        ("nothing could be seen", True)
    ]
