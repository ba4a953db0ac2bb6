"""Which packages a deploy gets: those that the function has, unless it asks for others, or for the newest."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from rayfaas.environment import Locked, Wanted
from rayfaas.errors import DeployTimeout, EnvironmentFailed
from rayfaas.server.catalog import Function
from rayfaas.server.fleet import Fleet
from rayfaas.server.locks import Locks
from tests.server.parts import Peer, member, silent, version

WANTED = Wanted(("torch",))
OLD, NEW = (Locked(WANTED.digest, "3.12", (f"torch=={n}",)) for n in ("2.4", "2.5"))


@pytest.fixture
async def warm() -> Peer:
    return Peer(resolve=lambda wanted: msgspec.to_builtins(NEW))


async def lock(function: Function, warm: Peer | None, **options: Any) -> Locked:
    fleet = Fleet()
    if warm is not None:
        await fleet.join(member(warm))
    asked = {"wanted": WANTED, "upgrade": False, "deadline_s": 0.01, "progress": silent, **options}
    return await Locks(fleet).lock(function, **asked)


def function(*locks: Locked | None) -> Function:
    versions = {n: dataclasses.replace(version(number=n), environment=each) for n, each in enumerate(locks, 1)}
    return Function("red", "f", versions)


async def test_a_function_keeps_its_packages_until_it_is_to_be_upgraded(warm: Peer) -> None:
    assert await lock(function(OLD, None), warm) == OLD
    assert warm.asked == []
    assert await lock(function(OLD), warm, upgrade=True) == NEW


async def test_other_wishes_are_resolved(warm: Peer) -> None:
    told: list[tuple[str, str]] = []
    await lock(function(OLD), warm, wanted=Wanted(("torch", "six")), progress=lambda *each: told.append(each))
    assert warm.asked_for("resolve")[0]["wanted"]["packages"] == ("torch", "six")
    assert told == [("environment", "resolve goes on")]


async def test_what_the_resolver_says_is_raised(warm: Peer) -> None:
    warm.answers["resolve"] = EnvironmentFailed("no", output="no version of torch")
    with pytest.raises(EnvironmentFailed, match="no version of torch"):
        await lock(function(), warm)


async def test_without_a_node_there_is_no_lock() -> None:
    with pytest.raises(DeployTimeout, match="no node answered"):
        await lock(function(), None)
