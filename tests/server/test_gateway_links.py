"""Links of gateways: all are told, those that do not answer count for nothing, executors dial them where they can."""

from __future__ import annotations

from typing import Any

from rayfaas.errors import NotFound, Unavailable
from rayfaas.server.gateway_links import GatewayLinks
from tests.server.parts import Peer


def gateway(**answers: Any) -> Any:
    peer: Any = Peer(**answers)
    peer.peer = {"role": "gateway", "executor_address": "unix:/run/g", "network_address": "tls:192.0.2.1:8702:ab"}
    return peer


async def test_calls_that_wait_are_those_of_the_gateways_that_answer() -> None:
    links = GatewayLinks()
    for each in (gateway(waiting=2), gateway(waiting=Unavailable()), gateway(waiting=3)):
        links.add(each)
    assert await links.waiting({"red/f:1"}) == 5


def test_all_are_told_and_none_that_went() -> None:
    links, stays, goes = GatewayLinks(), gateway(), gateway()
    links.add(stays)
    links.add(goes)
    assert links.remove(goes)
    assert not links.remove(goes)
    links.refuse("red/f:1", NotFound("red/f:1 was deleted."))
    assert [each["key"] for each in stays.told_of("refuse")] == ["red/f:1"]
    assert goes.told == []


def test_executors_of_this_machine_dial_a_socket_and_others_the_network() -> None:
    links, near, far = GatewayLinks(), Peer(), Peer()
    links.add(gateway())
    far.is_remote = True
    assert (links.addresses(near.link), links.addresses(far.link)) == (["unix:/run/g"], ["tls:192.0.2.1:8702:ab"])
