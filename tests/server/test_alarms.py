"""Each alarm is told once, tried again where nobody hears it, and goes on with the next controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from rayfaas.errors import Forbidden, Unavailable
from rayfaas.handshake import Identity
from rayfaas.link import Link
from rayfaas.server.alarms import PAUSES_S, Alarms
from rayfaas.server.store import Store
from tests.server.parts import Peer

URL = "https://example.com"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def opened(store: Store, clock: Clock, *gateways: Peer) -> Alarms:
    links: Mapping[Link, Identity] = {each.link: {} for each in gateways}
    alarms = Alarms(store, lambda: links, clock)
    await alarms.read()
    return alarms


async def raised(store: Store, number: int = 1) -> None:
    for at_us in range(number):
        await store.write(store.registry.machines.add_event, at_us, "local", "gpu", "gpu-1", "vanished", "why", True)


def told(gateway: Peer) -> list[dict[str, Any]]:
    return gateway.asked_for("tell_alarm")


async def test_an_alarm_is_told_once(store: Store, clock: Clock) -> None:
    gateway = Peer()
    alarms = await opened(store, clock, gateway)
    await alarms._set(gateway.link, URL, "ada")
    await raised(store, 3)
    for _ in range(3):
        await alarms.look()
    assert len(told(gateway)) == 3
    assert {each["url"] for each in told(gateway)} == {URL}
    assert (await alarms._webhook(gateway.link))["waiting"] == 0


async def test_what_is_not_heard_is_told_again_later_each_time_and_then_given_up(store: Store, clock: Clock) -> None:
    gateway = Peer(tell_alarm="It answered 500.")
    alarms = await opened(store, clock, gateway)
    await alarms._set(gateway.link, URL, "ada")
    await raised(store)
    for pause_s in (*PAUSES_S, 1e6, 1e6):
        await alarms.look()
        clock.now += pause_s / 2
        await alarms.look()  # too early
        clock.now += pause_s / 2
    assert len(told(gateway)) == len(PAUSES_S) + 1
    assert len({each["alarm"]["alarm"] for each in told(gateway)}) == 1
    rows = store.registry.query("SELECT webhook_state FROM node_events", [], None).rows
    assert rows == [["FAILED"]]


async def test_a_url_that_leads_where_none_may_is_not_tried_again(store: Store, clock: Clock) -> None:
    gateway = Peer(tell_alarm=Forbidden("10.0.0.1 is not a public address"))
    alarms = await opened(store, clock, gateway)
    await alarms._set(gateway.link, URL, "ada")
    await raised(store)
    await alarms.look()
    clock.now += PAUSES_S[0]
    await alarms.look()
    assert len(told(gateway)) == 1
    rows = store.registry.query("SELECT webhook_state FROM node_events", [], None).rows
    assert rows == [["FAILED"]]


async def test_a_gateway_that_dies_over_it_is_no_attempt(store: Store, clock: Clock) -> None:
    dying, other = Peer(tell_alarm=Unavailable("gone")), Peer()
    alarms = await opened(store, clock, dying)
    await alarms._set(dying.link, URL, "ada")
    await raised(store)
    await alarms.look()
    after_a_restart = await opened(store, clock, other)
    await after_a_restart.look()
    assert len(told(other)) == 1


async def test_without_a_webhook_or_a_gateway_nothing_is_asked_of_anybody(store: Store, clock: Clock) -> None:
    gateway = Peer()
    alarms = await opened(store, clock, gateway)
    await raised(store)
    await alarms.look()
    await alarms._set(gateway.link, URL, "ada")
    await raised(store)
    await (await opened(store, clock)).look()
    await alarms._drop(gateway.link, "ada")
    await alarms.look()
    assert told(gateway) == []
    assert await alarms._webhook(gateway.link) == {"url": None, "set_by": None, "waiting": 0, "problem": None}
