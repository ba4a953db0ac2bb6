"""Functions as a whole: scaling that a deploy leaves alone, and what is deleted and comes back."""

from __future__ import annotations

import pytest

from rayfaas.config import Home
from rayfaas.errors import BadRequest, Conflict, NotFound, RayfaasError
from rayfaas.scaling import Rescale
from rayfaas.server.functions import Functions
from rayfaas.server.store import Store
from rayfaas.server.swaps import Swaps
from rayfaas.spec import Scaling, Spec
from tests.server.parts import member, settle
from tests.server.test_deploys import Server
from tests.waiting import eventually

F = ("red", "f")


class Shop(Server):
    """A server, and what is done to its functions."""

    def __init__(self, home: Home, store: Store) -> None:
        super().__init__(home, store)
        self.refused: list[tuple[str, RayfaasError]] = []
        swaps = Swaps(self.placement, self.routing, self._waiting)
        self.functions = Functions(
            store,
            self.catalog,
            self.placement,
            swaps,
            self.deploys.locks,
            self.fleet,
            lambda key, error: self.refused.append((key, error)),
            self.protections,
            self.schedules,
        )

    async def delete(self, version: int | None = None, reason: str = "") -> None:
        await self.functions.delete(*F, version, "bob", reason)

    @property
    def scaling(self) -> Scaling:
        return self.catalog.function("red/f").scaling


@pytest.fixture
async def shop(home: Home, store: Store) -> Shop:
    """With versions 1 and 2, of which the last is live and runs."""
    shop = Shop(home, store)
    await shop.fleet.join(member(shop.warm))
    for content in "ab":
        await shop.deploy(content)
    return shop


def declared(**scaling: int) -> Spec:
    return Spec(scaling=Scaling(**scaling))


# Scaling


async def test_what_is_not_said_stays_and_all_of_it_is_kept(shop: Shop) -> None:
    answer = await shop.functions.scale(*F, Rescale(max_replicas=8, message="more"), "bob")
    assert (answer["scaling"]["max_replicas"], answer["scaling"]["min_replicas"], answer["clusters"]) == (8, 0, [])
    (row,) = await shop.store.query(shop.store.registry.catalog.functions)
    assert row.scaling == shop.scaling == Scaling(max_replicas=8)
    audit = await shop.store.query(shop.store.registry.query, "SELECT action, actor FROM audit", [], None)
    assert ["scaled", "bob"] in audit.rows


async def test_a_deploy_that_declares_what_it_did_before_changes_no_scaling(shop: Shop) -> None:
    await shop.functions.scale(*F, Rescale(max_replicas=8), "bob")
    await shop.deploy("c")
    assert shop.scaling == Scaling(max_replicas=8)


async def test_a_deploy_that_declares_another_scaling_has_its_way_in_that(shop: Shop) -> None:
    await shop.functions.scale(*F, Rescale(min_replicas=1, max_replicas=8), "bob")
    await shop.deploy("c", spec=declared(max_replicas=20))
    assert shop.scaling == Scaling(min_replicas=1, max_replicas=20)
    (route,) = await shop.store.query(shop.store.registry.catalog.routes)
    assert (route.scaling, route.declared) == (shop.scaling, Scaling(max_replicas=20))


async def test_scaling_that_makes_no_sense_is_refused(shop: Shop) -> None:
    for rescale in (
        Rescale(),
        Rescale(message="why"),
        Rescale(min_replicas=11),
        Rescale(min_replicas=3, max_replicas=2),
    ):
        with pytest.raises(BadRequest):
            await shop.functions.scale(*F, rescale, "bob")
    with pytest.raises(NotFound):
        await shop.functions.scale("red", "g", Rescale(min_replicas=1), "bob")


# The end of a function


async def test_a_deleted_function_is_routed_nowhere_and_its_executors_end(shop: Shop) -> None:
    await shop.delete(reason="replaced by g")
    assert shop.warm.drained == ["red/f:1", "red/f:2"]
    (route,) = (await shop.routing.poll(shop.warm.link, 0))["functions"]
    assert (route["versions"], route["aliases"]) == ([], {})
    assert "red/f was deleted on" in route["gone"]
    assert "by bob: replaced by g" in route["gone"]
    assert [key for key, _ in shop.refused] == ["red/f:1", "red/f:2"]
    assert await shop.store.query(shop.store.registry.catalog.functions) == []
    with pytest.raises(NotFound, match="replaced by g"):
        await shop.delete()


async def test_its_history_stays(shop: Shop) -> None:
    await shop.delete()
    assert await shop.states() == [(2, "DELETED"), (1, "DELETED")]
    asked = await shop.store.query(
        shop.store.registry.query, "SELECT deleted_by, deleted_at IS NULL FROM functions", [], "red"
    )
    assert asked.rows == [["bob", False]]
    moves = await shop.store.query(shop.store.registry.query, "SELECT count(*) FROM alias_moves", [], "red")
    assert moves.rows == [[2]]


async def test_a_deploy_brings_it_back_under_its_numbers(shop: Shop) -> None:
    await shop.delete()
    await shop.deploy("b")
    assert await shop.states() == [(2, "ACTIVE"), (1, "DELETED")]
    assert await shop.routed() == {"f": {"live": {"version": 2, "revision": 3}}}
    with pytest.raises(Conflict, match="before, it led nowhere"):
        await shop.releases.rollback(*F, "live", "", "bob")


async def test_it_is_gone_after_a_restart_too(shop: Shop, home: Home) -> None:
    await shop.delete(reason="why")
    again = Shop(home, shop.store)
    await again.functions.read_registry()
    with pytest.raises(NotFound, match=r"was deleted on .* by bob: why"):
        again.catalog.existing("red/f")


async def test_nodes_forget_its_code_when_its_executors_are_gone_and_nobody_else_has_it(shop: Shop) -> None:
    await shop.deploy("b", name="g")
    await shop.delete()
    await settle()
    assert shop.warm.told_of("forget_bundle") == []
    (member,) = shop.fleet.members()
    for executor, key in list(member.draining.items()):
        await shop.fleet.executor_ended(member.link, key, executor)
    await eventually(lambda: shop.warm.told_of("forget_bundle"))
    (told,) = shop.warm.told_of("forget_bundle")
    assert told == {"digest": shop.request("a").bundle}


# The end of a version


async def test_a_version_that_an_alias_leads_to_is_not_deleted(shop: Shop) -> None:
    with pytest.raises(Conflict, match="move the alias first"):
        await shop.delete(2)
    with pytest.raises(NotFound, match="It has: 1, 2"):
        await shop.delete(3)


async def test_a_deleted_version_is_not_found_and_the_others_stay(shop: Shop) -> None:
    await shop.delete(1, "leaks")
    (route,) = (await shop.routing.poll(shop.warm.link, 0))["functions"]
    assert [each["number"] for each in route["versions"]] == [2]
    assert "red/f:1 was deleted" in route["deleted"][1]
    assert "leaks" in route["deleted"][1]
    with pytest.raises(NotFound):
        await shop.move(1)
    assert await shop.states() == [(2, "ACTIVE"), (1, "DELETED")]
