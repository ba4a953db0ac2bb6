"""What no machine here could ever hold is said at once; where one may come, nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.cloud.demand import Resources
from rayfaas.errors import NoCapacity, Unavailable
from rayfaas.server.fitting import Fitting
from rayfaas.server.fleet import Fleet
from rayfaas.server.placement import Placement
from rayfaas.spec import Shape, Spec
from tests.server.parts import Peer, serve, silent, version
from tests.server.test_placement import Site
from tests.waiting import eventually

FOUR_GPUS = Shape(gpus=4)
FOUR = version(spec=Spec(shape=FOUR_GPUS))


def node(state: str = "up", **resources: float) -> dict[str, Any]:
    return {"state": state, "resources": {"memory": 8 * 1024.0**3, **resources}, "free": {}}


async def told(
    nodes: Any,
    groups: dict[str, Resources] | None = None,
    shape: Shape = FOUR_GPUS,
    joined: tuple[str, ...] = (),
    is_ours: bool = True,
) -> str:
    fleet = Fleet()
    await fleet.agent_up("local", Peer(nodes=nodes, applications={}).link)
    fleet.joined = {"local", *joined}
    fitting = Fitting(fleet, lambda cluster: groups or {}, lambda: is_ours)
    return await fitting.why_never(version(spec=Spec(shape=shape)))


async def test_what_nothing_can_have_is_told_with_what_there_is() -> None:
    why = await told([node(CPU=8), node("down", CPU=1, GPU=1)], {"gpu": {"CPU": 1.0, "GPU": 1.0}})
    assert "red/f needs 1 CPU, 4 GPU" in why
    assert "a node has 8 CPU, 0 GPU, 8192 MB; the worker group gpu has 1 CPU, 1 GPU" in why
    assert "rayfaas cluster add" in why


async def test_a_node_or_a_worker_group_that_is_large_enough_is_waited_for() -> None:
    assert await told([node(CPU=8, GPU=4)]) == ""
    assert await told([node(CPU=8)], {"gpu": {"CPU": 1.0, "GPU": 4.0}}) == ""
    assert await told([node("down", CPU=8, GPU=4)]) == ""  # it may come back
    assert await told([node(CPU=8, GPU=4)], shape=Shape(gpus=4, accelerator="A10G")) == ""


async def test_of_what_may_grow_by_itself_nothing_is_said() -> None:
    assert await told([node(CPU=8)], joined=("lab",)) == ""
    assert await told([node(CPU=8)], shape=Shape(gpus=4, cluster="lab")) == ""
    assert await told([node(CPU=8)], is_ours=False) == ""
    assert await told(Unavailable()) == ""
    assert await told([node(CPU=8)], joined=("lab",), shape=Shape(gpus=4, cluster="local")) != ""


async def test_calls_of_it_are_refused_at_once_and_a_deploy_too() -> None:
    site = Site()
    refused: list[tuple[str, Exception]] = []

    async def why(each: Any) -> str:
        return "nothing here can ever have that"

    site.placement = Placement(
        site.fleet, site.catalog, site.loads, lambda key, error: refused.append((key, error)), why_never=why
    )
    serve(site.catalog, FOUR)
    await site.agent_up()
    site.placement.demand(FOUR.key)
    await eventually(lambda: refused)
    assert (refused[0][0], type(refused[0][1])) == (FOUR.key, NoCapacity)
    with pytest.raises(NoCapacity, match="ever"):
        await site.placement.start(FOUR, 60, silent)
