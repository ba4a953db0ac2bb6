"""A caller whose call went with its executor hears why, whichever is known first: that it died or how."""

from __future__ import annotations

import asyncio

from rayfaas.gateway.deaths import Death, Deaths

CRASH = Death("was killed by SIGSEGV", "the last line")


async def test_a_death_that_was_told_before_is_known() -> None:
    deaths = Deaths()
    deaths.tell("executor", CRASH)
    assert await deaths.of("executor") == CRASH


async def test_who_asks_too_early_waits_for_it() -> None:
    deaths = Deaths(wait_s=20)
    asked = [asyncio.ensure_future(deaths.of("executor")) for _ in range(3)]
    await asyncio.wait(asked, timeout=0)
    deaths.tell("another", Death("ended"))
    deaths.tell("executor", CRASH)
    assert await asyncio.gather(*asked) == [CRASH] * 3


async def test_nobody_waits_for_ever() -> None:
    deaths = Deaths(wait_s=0)
    assert await deaths.of("executor") is None
    deaths.tell("executor", CRASH)
    assert await deaths.of("executor") == CRASH


async def test_one_that_gives_up_does_not_take_the_news_from_another() -> None:
    deaths = Deaths(wait_s=20)
    impatient = asyncio.ensure_future(deaths.of("executor"))
    patient = asyncio.ensure_future(deaths.of("executor"))
    await asyncio.wait([impatient, patient], timeout=0)
    impatient.cancel()
    await asyncio.wait([impatient])
    deaths.tell("executor", CRASH)
    assert await patient == CRASH


async def test_only_the_last_ones_are_remembered() -> None:
    deaths = Deaths(wait_s=0)
    for number in range(1_001):
        deaths.tell(f"executor{number}", Death(str(number)))
    assert await deaths.of("executor0") is None
    assert await deaths.of("executor1") == Death("1")
