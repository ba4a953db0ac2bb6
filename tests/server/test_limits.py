"""Limits are in force at the gateways when they are set, and GPU time is counted over all of them."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.errors import BadRequest, NotFound
from rayfaas.server.journals import Journals
from rayfaas.server.limits import Limits
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store
from tests.registry.builders import ended, segment, started
from tests.server.parts import Peer

MIDNIGHT_US = 20_000 * 86_400_000_000
NOON_US = MIDNIGHT_US + 43_200_000_000
BLUE = {"kind": "team", "name": "blue", "actor": "root", "reason": "budget"}


@pytest.fixture
def table() -> RouteTable:
    return RouteTable()


@pytest.fixture
def limits(store: Store, table: RouteTable) -> Limits:
    return Limits(store, Journals(store), table, lambda: ["one", "two"], lambda: NOON_US / 1e6)


async def ask(limits: Limits, method: str, **of: Any) -> Any:
    answer: Any = limits.methods[method](Peer().link, **of)
    return await answer


async def told(table: RouteTable) -> Any:
    return (await table.poll(Peer().link, 0))["limits"]


async def test_the_gateways_are_told_what_is_set_and_how_many_share_it(limits: Limits, table: RouteTable) -> None:
    await ask(limits, "set_limit", **BLUE, limit={"calls_per_s": 10, "weight": 2})
    assert await told(table) == {
        "gateways": 2,
        "limits": [
            {"kind": "team", "name": "blue", "calls_per_s": 10.0, "concurrency": None, "gpu_s_per_day": None,
             "weight": 2.0, "spent_until": None}
        ],
    }  # fmt: skip


async def test_what_is_set_takes_the_place_of_what_was_and_outlives_a_restart(
    limits: Limits, store: Store, table: RouteTable
) -> None:
    await ask(limits, "set_limit", **BLUE, limit={"calls_per_s": 10})
    await ask(limits, "set_limit", **BLUE, limit={"concurrency": 3})
    again = Limits(store, Journals(store), table, lambda: [])
    await again.read()
    (row,) = await ask(again, "limits")
    assert (row["calls_per_s"], row["concurrency"]) == (None, 3)


async def test_a_limit_that_is_dropped_is_none(limits: Limits, table: RouteTable) -> None:
    await ask(limits, "set_limit", **BLUE, limit={"calls_per_s": 10})
    await ask(limits, "drop_limit", **BLUE)
    assert (await told(table))["limits"] == []
    with pytest.raises(NotFound, match="no limit of the team blue"):
        await ask(limits, "drop_limit", **BLUE)


async def test_every_change_is_in_the_audit_with_its_reason(limits: Limits, store: Store) -> None:
    await ask(limits, "set_limit", **BLUE, limit={"calls_per_s": 10})
    sql = "SELECT actor, action, subject, detail ->> 'reason', detail ->> 'calls_per_s' FROM audit"
    rows = (await store.query(store.registry.query, sql, [], None)).rows
    assert rows == [["root", "limit set", "team blue", "budget", "10.0"]]


async def test_what_is_no_limit_is_not_set(limits: Limits) -> None:
    with pytest.raises(BadRequest, match="weight"):
        await ask(limits, "set_limit", **BLUE, limit={"weight": 0})


async def test_gpu_time_of_the_day_is_counted_until_midnight(home: Home, limits: Limits, table: RouteTable) -> None:
    today = started(team="blue", accepted_us=NOON_US - 3_600_000_000)
    yesterday = started(team="green", accepted_us=NOON_US - 86_400_000_000)
    for call in (today, yesterday):
        segment(home.journal, call, ended(call, gpu_us=61_000_000))
    await ask(limits, "set_limit", **BLUE, limit={"gpu_s_per_day": 60})
    await ask(limits, "set_limit", **{**BLUE, "name": "green"}, limit={"gpu_s_per_day": 60})
    function = {**BLUE, "kind": "function", "name": "red/f"}
    await ask(limits, "set_limit", **function, limit={"gpu_s_per_day": 62})
    spent = {each["name"]: each["spent_until"] for each in (await told(table))["limits"]}
    assert spent == {"blue": NOON_US / 1e6 + 43_200, "green": None, "red/f": None}


async def test_a_call_over_midnight_counts_in_each_day_with_its_part(
    home: Home, limits: Limits, table: RouteTable
) -> None:
    call = started(team="blue", accepted_us=MIDNIGHT_US - 30_000_000)
    ran = {"started_us": MIDNIGHT_US - 30_000_000, "ended_us": MIDNIGHT_US + 90_000_000, "gpu_us": 120_000_000}
    segment(home.journal, call, ended(call, **ran))
    await ask(limits, "set_limit", **BLUE, limit={"gpu_s_per_day": 91})
    assert [each["spent_until"] for each in (await told(table))["limits"]] == [None]
    await ask(limits, "set_limit", **BLUE, limit={"gpu_s_per_day": 90})
    assert [each["spent_until"] for each in (await told(table))["limits"]] == [MIDNIGHT_US / 1e6 + 86_400]
