"""Nobody moves a protected alias but who may, on no way there is; what is refused changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rayfaas.canary import CanaryPlan
from rayfaas.config import Home
from rayfaas.destination import Move
from rayfaas.errors import Forbidden, NotFound
from rayfaas.server.canaries import Canaries
from rayfaas.server.journals import Journals
from rayfaas.server.protections import Protections
from rayfaas.server.store import Store
from tests.server.parts import member
from tests.server.test_functions import Shop

PROD = ("red", "f", "prod")
WHO = ["ann", "red:admin"]


@pytest.fixture
async def server(home: Home, store: Store) -> Shop:
    """With two versions, of which the first is the protected `prod`."""
    server = Shop(home, store)
    await server.fleet.join(member(server.warm))
    await server.deploy("a", alias="prod")
    await server.deploy("b")
    for principal, role in (("ann", "deployer"), ("bob", "admin")):
        await store.write(store.registry.members.put, "red", principal, role, "root", "")
    await server.releases.protect(*PROD, WHO, "root", "audited")
    return server


async def leads_to(server: Shop) -> int:
    return server.catalog.function("red/f").aliases["prod"].version


async def test_a_deploy_to_it_is_refused_before_anything_starts(server: Shop) -> None:
    started = list(server.warm.spawned)
    with pytest.raises(Forbidden, match="ann and red:admin may move it, and eve is none of them"):
        await anext(server.deploys.publish("red", "f", server.request("c", alias="prod"), "eve"))
    assert (await leads_to(server), server.warm.spawned) == (1, started)
    await server.deploy("c")  # another alias is free
    await server.deploy("d", alias="prod")
    assert await leads_to(server) == 4


@pytest.mark.parametrize(
    ("actor", "rights", "may"),
    [("ann", {}, True), ("bob", {"red": "admin"}, True), ("bob", {"red": "deployer"}, False),
     ("bob", {"blue": "admin"}, False), ("bob", {}, False), ("red:admin", {}, False)],
)  # fmt: skip
async def test_who_may_is_a_name_or_a_role(server: Shop, actor: str, rights: Mapping[str, str], may: bool) -> None:
    move = server.releases.move(*PROD, Move(version=2), actor, rights)
    if may:
        await move
    else:
        with pytest.raises(Forbidden):
            await move
    assert await leads_to(server) == (2 if may else 1)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("anne", "nobody called 'anne'"),
        ("rde:admin", "Nobody is admin, or more, in team 'rde'"),
        ("blue:viewer", "Nobody is viewer, or more, in team 'blue'"),
    ],
)
async def test_who_is_nobody_is_told_and_nothing_is_changed(server: Shop, who: str, said: str) -> None:
    with pytest.raises(NotFound, match=said):
        await server.releases.protect(*PROD, ["bob", who], "root", "mistyped")
    (row,) = await server.releases.protections("red", "f")
    assert list(row["who"]) == WHO
    await server.releases.protect(*PROD, ["bob", "red:viewer"], "root", "")


async def test_rollbacks_canaries_and_deletions_obey_too(server: Shop) -> None:
    plan = CanaryPlan(version=2, steps=(5.0, 100.0))
    with pytest.raises(Forbidden):
        await server.releases.begin(*PROD, plan, "eve")
    with pytest.raises(Forbidden):
        await server.releases.rollback(*PROD, "", "eve")
    with pytest.raises(Forbidden):
        await server.functions.delete("red", "f", None, "eve", "")
    await server.releases.begin(*PROD, plan, "ann")
    canaries = Canaries(server.store, Journals(server.store), server.releases, lambda: pytest.fail("not asked"))
    with pytest.raises(Forbidden):
        await canaries.abort(*PROD, "", "eve")
    await server.functions.delete("red", "f", None, "ann", "")


async def test_it_is_free_again_when_that_is_said_and_as_it_was_after_a_restart(server: Shop) -> None:
    again = Protections(server.store)
    await again.read()
    with pytest.raises(Forbidden):
        again.check(*PROD, "eve")
    (shown,) = await server.releases.protections("red", "f")
    assert (shown["alias"], list(shown["who"]), shown["set_by"]) == ("prod", WHO, "root")
    await server.releases.unprotect(*PROD, "root", "over")
    await server.releases.move(*PROD, Move(version=2), "eve")
    with pytest.raises(NotFound):
        await server.releases.protect("red", "none", "prod", WHO, "root", "")
