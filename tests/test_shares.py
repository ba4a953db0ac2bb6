"""Nobody has more than a share of the places, and nobody waits while a place of theirs is free."""

from __future__ import annotations

import asyncio

from rayfaas.shares import Shares


async def held(shares: Shares, key: str, taken: list[str], ends: asyncio.Event) -> None:
    async with shares.place(key):
        taken.append(key)
        await ends.wait()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_key_has_its_share_and_leaves_the_others_theirs() -> None:
    shares, taken, ends = Shares(4, 2), list[str](), asyncio.Event()
    tasks = [asyncio.ensure_future(held(shares, key, taken, ends)) for key in ["slow"] * 9 + ["a", "b", "c"]]
    await turns()
    assert taken == ["slow", "slow", "a", "b"]
    ends.set()
    await asyncio.gather(*tasks)
    assert sorted(taken) == ["a", "b", "c", *["slow"] * 9]


async def test_keys_that_nobody_uses_are_forgotten() -> None:
    shares, taken, ends = Shares(4, 2), list[str](), asyncio.Event()
    task = asyncio.ensure_future(held(shares, "a", taken, ends))
    await turns()
    assert len(shares) == 1
    task.cancel()
    await asyncio.wait({task})
    del task
    await turns()
    assert len(shares) == 0
