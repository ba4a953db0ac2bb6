"""The cluster of this machine is up or not as the controller wishes; a stop that was wished is carried out."""

from __future__ import annotations

import asyncio

import pytest

from rayfaas.cluster.wish import Wish
from rayfaas.errors import Unavailable
from tests.server.parts import Peer


async def wished(wish: Wish, peer: Peer, want: str) -> None:
    await wish.methods["wish"](peer.link, want=want)  # type: ignore[misc] # it answers once


@pytest.fixture
async def peer() -> Peer:
    return Peer(join_token={"id": "j"})


async def test_nothing_is_up_before_the_controller_has_spoken(peer: Peer) -> None:
    wish = Wish(can_stop=True)
    waiting = asyncio.ensure_future(wish.wanted())
    await asyncio.sleep(0)
    assert not waiting.done()
    wish.on_open(peer.link)
    assert peer.told_of("head_is") == [{"state": "STOPPED", "detail": "it was not started yet", "can_stop": True}]
    await wished(wish, peer, "RUNNING")
    await waiting


async def test_a_stop_is_carried_out_though_it_is_wished_no_more(peer: Peer) -> None:
    wish = Wish(can_stop=True)
    wish.on_open(peer.link)
    await wished(wish, peer, "RUNNING")
    wish.tell("RUNNING", "")
    await wished(wish, peer, "STOPPED")
    await wished(wish, peer, "RUNNING")
    assert wish.stops
    wish.stopped()
    await wish.wanted()
    assert [told["state"] for told in peer.told_of("head_is")] == ["STOPPED", "RUNNING", "STOPPING", "STOPPED"]


async def test_a_controller_that_comes_again_hears_how_it_is(peer: Peer) -> None:
    wish = Wish(can_stop=True)
    wish.tell("BOOTING", "Ray starts")
    with pytest.raises(Unavailable):
        await wish.request("join_token")
    wish.on_open(peer.link)
    assert peer.told_of("head_is") == [{"state": "BOOTING", "detail": "Ray starts", "can_stop": True}]
    assert await wish.request("join_token") == {"id": "j"}
    wish.on_close(peer.link)
    with pytest.raises(Unavailable):
        await wish.request("join_token")


async def test_what_was_there_before_is_not_stopped(peer: Peer) -> None:
    wish = Wish(can_stop=False)
    await wished(wish, peer, "RUNNING")
    wish.tell("RUNNING", "")
    await wished(wish, peer, "STOPPED")
    assert not wish.stops
