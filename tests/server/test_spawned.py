"""Every spawned call that is not settled is with a gateway that lives, and what is asked of one is up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from rayfaas.config import Home
from rayfaas.errors import NotFound, Unavailable
from rayfaas.handshake import Identity
from rayfaas.link import Link
from rayfaas.names import new_id
from rayfaas.records import Spawned as Record
from rayfaas.server import spawned as server_spawned
from rayfaas.server.journals import Journals
from rayfaas.server.spawned import Spawned
from rayfaas.server.store import Store
from tests.registry.builders import GATEWAY, ended, locked, segment, settled, spawned, started
from tests.server.parts import Peer, never
from tests.waiting import eventually

NEXT = "gateway-0-1800000000000000000"
ADMIN = {"principal": "root", "team": "default", "role": "admin"}


class Keeper:
    """The controller's side, with gateways that come and go."""

    def __init__(self, home: Home, store: Store) -> None:
        self.home, self.store = home, store
        self.gateways: dict[Link, Identity] = {}
        self.spawned = Spawned(store, Journals(store), lambda: self.gateways, keep_s=3600)

    @contextmanager
    def gateway(self, instance: str = NEXT, **answers: Any) -> Iterator[Peer]:
        """A gateway that is connected, and alive."""
        peer = Peer(**{"held": [], "telling": [], **answers})
        with locked(self.home.journal / f"{instance}.000000.ndjson"):
            self.gateways[peer.link] = {"role": "gateway", "instance": instance}
            yield peer
            del self.gateways[peer.link]

    async def keep(self, *records: Any, number: int = 0) -> None:
        segment(self.home.journal, *records, number=number)
        await self.store.write(self.store.registry.load_journal)

    async def ask(self, method: str, **parameters: Any) -> Any:
        answer = self.spawned.methods[method](cast(Link, None), **parameters)
        assert not isinstance(answer, AsyncIterator)
        return await answer

    async def call(self, record: Record, actor: dict[str, str] = ADMIN) -> Any:
        return await self.ask("call", call_id=record.call, actor=actor)


@pytest.fixture
def keeper(home: Home, store: Store) -> Keeper:
    return Keeper(home, store)


@pytest.fixture
async def looking(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Keeper]:
    """A keeper that looks all the time, and compares at every look."""
    monkeypatch.setattr(server_spawned, "LOOK_S", 0.001)
    monkeypatch.setattr(server_spawned, "_COMPARE", 1)
    monkeypatch.setattr(server_spawned, "PURGE_S", 0.0)
    task = asyncio.ensure_future(keeper.spawned.keep_looking())
    yield keeper
    task.cancel()
    await asyncio.wait([task])


def resumed(peer: Peer) -> list[str]:
    return [job["call"] for parameters in peer.asked_for("resume") for job in parameters["jobs"]]


# Keeping


async def test_calls_of_a_dead_gateway_go_to_one_that_lives(looking: Keeper) -> None:
    kept, done = spawned(body="WzFd", idempotency_key="k"), spawned()
    await looking.keep(kept, done, settled(done))
    with looking.gateway(held=[kept.call]) as peer:
        await eventually(lambda: resumed(peer))
        (job,) = peer.asked_for("resume")[0]["jobs"]
    assert (job["call"], job["gateway"], job["k"], job["body"]) == (kept.call, NEXT, "spawned", "WzFd")
    assert resumed(peer) == [kept.call]


async def test_they_wait_until_a_gateway_comes(looking: Keeper) -> None:
    kept = spawned()
    await looking.keep(kept)
    with looking.gateway(held=[kept.call]) as peer:
        await eventually(lambda: resumed(peer))
    assert (await looking.call(kept))["state"] == "WAITING"


async def test_a_gateway_that_dies_with_them_hands_them_on(looking: Keeper) -> None:
    kept = spawned()
    await looking.keep(kept)
    with looking.gateway(resume=Unavailable()) as first:
        await eventually(lambda: resumed(first))
    with looking.gateway(f"{NEXT}9", held=[kept.call]) as second:
        await eventually(lambda: resumed(second))


async def test_a_gateway_that_does_not_know_of_a_call_is_given_it_again(looking: Keeper) -> None:
    kept = spawned()
    await looking.keep(kept)
    with looking.gateway(held=[]) as peer:
        await eventually(lambda: len(resumed(peer)) >= 2)
        peer.answers["held"] = [kept.call]
    assert set(resumed(peer)) == {kept.call}


async def test_a_gateway_that_does_not_say_what_it_holds_keeps_nobody_from_being_looked_after(looking: Keeper) -> None:
    kept = spawned(gateway=NEXT)
    await looking.keep(kept)
    with looking.gateway(f"{NEXT}0", held=Unavailable()), looking.gateway(NEXT, held=[]) as peer:
        await eventually(lambda: resumed(peer))


async def test_a_gateway_that_hangs_keeps_nobody_from_being_looked_after(
    looking: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_spawned, "ASK_S", 0.01)
    kept = spawned()
    await looking.keep(kept)
    with looking.gateway(resume=never) as hung:
        await eventually(lambda: len(resumed(hung)) > 1)
    with looking.gateway(f"{NEXT}0", held=[kept.call]) as peer:
        await eventually(lambda: resumed(peer))


async def test_a_registry_that_fails_for_a_moment_does_not_end_the_looking(
    looking: Keeper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("disk full")

    kept = spawned()
    await looking.keep(kept)
    with monkeypatch.context() as broken:
        broken.setattr(looking.store.registry.spawned, "abandoned", fail)
        with looking.gateway(held=[kept.call]) as peer:
            await eventually(lambda: "disk full" in caplog.text)
            broken.undo()
            await eventually(lambda: resumed(peer))


async def test_what_was_settled_long_ago_is_forgotten(looking: Keeper) -> None:
    kept = spawned()  # of 2023
    await looking.keep(kept, settled(kept))

    async def forgotten() -> None:
        while await looking.store.query(looking.store.registry.spawned.outcome, kept.call) is not None:
            pass

    await asyncio.wait_for(forgotten(), 20)


# For gateways


async def test_what_is_told_of_a_call_is_what_was_recorded_until_now(keeper: Keeper) -> None:
    kept = spawned()
    segment(keeper.home.journal, kept)
    assert (await keeper.call(kept))["state"] == "WAITING"
    assert await keeper.ask("outcome", call_id=kept.call) is None
    assert await keeper.ask("kept", call_id=kept.call) == {"content_type": kept.content_type, "body": kept.body}
    segment(keeper.home.journal, settled(kept, body="MQ==", content_type="application/json"), number=1)
    outcome = await keeper.ask("outcome", call_id=kept.call)
    assert outcome == {"content_type": "application/json", "body": b"1", "problem": None}
    assert (await keeper.call(kept))["state"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("team", "role", "sees"),
    [("red", "viewer", True), ("blue", "admin", True), ("blue", "deployer", False), ("blue", "viewer", False)],
)
async def test_a_call_is_told_to_its_teams_and_to_admins(keeper: Keeper, team: str, role: str, sees: bool) -> None:
    kept, call = spawned(), started()
    segment(keeper.home.journal, kept, call, ended(call))
    actor = {"principal": "eve", "team": team, "role": role}
    for call_id in (kept.call, call.call):
        assert (await keeper.ask("call", call_id=call_id, actor=actor) is not None) == sees


async def test_a_key_is_reserved_by_the_first_who_comes(keeper: Keeper) -> None:
    fields = {"team": "red", "function": "red/f", "key": "k", "gateway": GATEWAY}
    ids = [new_id() for _ in range(5)]
    with locked(keeper.home.journal / f"{GATEWAY}.000000.ndjson"):
        answers = await asyncio.gather(*(keeper.ask("reserve", **fields, call_id=call_id) for call_id in ids))
    assert len(set(answers)) == 1
    assert answers[0] in ids


async def test_those_who_come_while_keys_are_reserved_are_served_together(keeper: Keeper) -> None:
    fields = {"team": "red", "function": "red/f", "gateway": GATEWAY}
    ids = [new_id() for _ in range(40)]
    with locked(keeper.home.journal / f"{GATEWAY}.000000.ndjson"):
        asked = (keeper.ask("reserve", **fields, key=f"k{n}", call_id=call_id) for n, call_id in enumerate(ids))
        assert await asyncio.gather(*asked) == ids


async def test_a_key_whose_call_was_recorded_a_moment_ago_leads_to_it(keeper: Keeper) -> None:
    kept = spawned(idempotency_key="k")
    fields = {"team": "red", "function": "red/f", "key": "k"}
    assert await keeper.ask("reserve", **fields, call_id=kept.call, gateway=GATEWAY) == kept.call
    segment(keeper.home.journal, kept)
    assert await keeper.ask("reserve", **fields, call_id=new_id(), gateway=NEXT) == kept.call


async def test_a_replayed_call_goes_to_a_gateway_at_once(keeper: Keeper) -> None:
    kept = spawned(body="WzFd")
    await keeper.keep(kept, settled(kept))
    with keeper.gateway() as peer:
        actor = {"principal": "bob", "team": "blue", "role": "invoker"}
        made = await keeper.ask("replay", call_id=kept.call, actor=actor)
        ((job,),) = [parameters["jobs"] for parameters in peer.asked_for("resume")]
    assert made == {"call": job["call"]}
    assert (job["parent"], job["principal"], job["team"], job["body"]) == (kept.call, "bob", "blue", "WzFd")


async def test_a_call_whose_arguments_were_not_kept_is_not_replayed(keeper: Keeper) -> None:
    call = started()
    await keeper.keep(call, ended(call))
    with pytest.raises(NotFound):
        await keeper.ask("replay", call_id=call.call, actor=ADMIN)


async def test_every_gateway_is_told_to_cancel(keeper: Keeper) -> None:
    with keeper.gateway() as one, keeper.gateway(f"{NEXT}0") as two:
        await keeper.ask("cancel_call", call_id="some call")
    assert one.told == two.told == [("cancel", {"call_id": "some call"})]


# Webhooks


async def test_an_end_that_a_dead_gateway_had_to_tell_is_told_by_one_that_lives(keeper: Keeper) -> None:
    call = spawned(webhook="https://example.com/done")
    await keeper.keep(call, settled(call))
    with keeper.gateway() as peer:
        await keeper.spawned._hand_out_ends()
        (asked,) = peer.asked_for("tell")
        assert [end["call"] for end in asked["ends"]] == [call.call]
        await keeper.spawned._hand_out_ends()
        assert len(peer.asked_for("tell")) == 1


async def test_a_gateway_that_hangs_holds_up_no_other_ends(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_spawned, "ASK_S", 0.01)
    call = spawned(webhook="https://example.com/done")
    await keeper.keep(call, settled(call))
    with keeper.gateway(tell=never) as hung:
        await keeper.spawned._hand_out_ends()
        assert len(hung.asked_for("tell")) == 1


async def test_what_is_typed_reaches_every_gateway(keeper: Keeper) -> None:
    with keeper.gateway() as peer:
        await keeper.ask("type", call_id="c", line="next")
        assert peer.told_of("type") == [{"call_id": "c", "line": "next"}]


# Forgetting


async def test_ends_are_forgotten_after_the_time_that_the_home_says(looking: Keeper) -> None:
    now_us = time.time_ns() // 1000
    old, young = spawned(), spawned()
    old_end, young_end = (
        settled(old, ended_us=now_us - 3_700_000_000),
        settled(young, ended_us=now_us - 3_500_000_000),
    )
    await looking.keep(old, young, old_end, young_end)
    await eventually(lambda: looking.store.registry.spawned.call(old.call, None) is None)
    assert (await looking.call(young))["state"] == "SUCCEEDED"
