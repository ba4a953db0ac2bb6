"""A shape goes to a cluster that can hold it: where it is already, where there is room, where it is near."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayfaas.errors import Unavailable
from rayfaas.server.capacity import Capacity
from rayfaas.server.fleet import Fleet
from rayfaas.spec import Shape
from tests.server.parts import Peer

NEED_GPU = Shape(gpus=1)


def node(state: str = "up", used: float = 0.0, **resources: float) -> dict[str, Any]:
    return {"state": state, "resources": resources, "free": {k: v - used for k, v in resources.items()}}


async def chosen(shape: Shape, present: str | None = None, far: tuple[str, ...] = (), **clusters: Any) -> str:
    fleet = Fleet()
    for name, nodes in clusters.items():
        agent = Peer(nodes=nodes)
        agent.is_remote = name in far
        await fleet.agent_up(name, agent.link)
    return await Capacity(fleet).cluster_for(shape, present, 0.05)


async def test_only_a_cluster_with_such_a_node_is_chosen() -> None:
    plain, gpu = [node(CPU=64)], [node(CPU=1), node(CPU=1, GPU=1)]
    assert await chosen(NEED_GPU, a=plain, b=gpu) == "b"
    assert await chosen(NEED_GPU, a=gpu, b=plain, present="b") == "a"


async def test_a_node_that_is_draining_or_down_and_an_agent_that_does_not_answer_count_for_nothing() -> None:
    for bad in ([node("draining", CPU=1, GPU=1)], [node("down", CPU=1, GPU=1)], Unavailable()):
        assert await chosen(NEED_GPU, a=bad, b=[node(CPU=1, GPU=1)], far=("b",)) == "b"


async def test_where_it_is_it_stays_though_another_has_more_room() -> None:
    full, empty = [node(CPU=2, used=2)], [node(CPU=2)]
    assert await chosen(Shape(), a=full, b=empty, present="a") == "a"
    assert await chosen(Shape(), a=full, b=empty) == "b"


async def test_the_near_one_is_chosen_of_two_that_are_alike() -> None:
    alike = [node(CPU=2)]
    assert await chosen(Shape(), a=alike, b=alike, far=("a",)) == "b"


async def test_a_cluster_that_is_named_is_waited_for() -> None:
    assert await chosen(Shape(cluster="b"), a=[node(CPU=9)], b=[]) == "b"
    with pytest.raises(asyncio.TimeoutError):
        await chosen(Shape(cluster="c"), a=[node(CPU=9)])


async def test_without_any_that_fits_one_is_chosen_all_the_same_for_nodes_may_come() -> None:
    assert await chosen(NEED_GPU, a=[], b=[node(CPU=1)], far=("b",)) == "a"
