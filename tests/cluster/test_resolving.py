"""A lock says exactly what is installed; where there is none, the resolver's own words say why."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rayfaas.cluster.environments import Environments
from rayfaas.cluster.interpreters import interpreter, minor, version_of
from rayfaas.cluster.resolving import name_of, own_requirements
from rayfaas.environment import Wanted
from rayfaas.errors import EnvironmentFailed

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path, os.environ)


async def test_a_lock_pins_all_and_is_that_of_the_same_wishes(environments: Environments) -> None:
    said: list[str] = []
    lock = await environments.resolve(Wanted(("iniconfig>=1,<2", "rayfaas")), said.append)
    again = await environments.resolve(Wanted(("rayfaas", "iniconfig>=1,<2")), said.append)
    assert lock.versions["iniconfig"].startswith("1.")
    assert all("==" in package for package in lock.packages)
    assert "rayfaas" not in lock.versions
    assert {"pydantic", "msgspec", "cloudpickle"} <= lock.versions.keys()
    assert lock.python == HERE
    assert lock == again
    assert said[0] == f"resolving 2 requirements for Python {HERE}"


async def test_packages_that_do_not_exist_are_said_in_the_resolvers_words(environments: Environments) -> None:
    with pytest.raises(EnvironmentFailed, match="there is no version of iniconfig==99"):
        await environments.resolve(Wanted(("iniconfig==99",)), lambda _: None)


async def test_pins_that_leave_no_room_for_rayfaas_are_told_apart(environments: Environments) -> None:
    with pytest.raises(EnvironmentFailed, match=r"not what rayfaas needs where functions run: .*pydantic") as failed:
        await environments.resolve(Wanted(("pydantic<2",)), lambda _: None)
    assert "unsatisfiable" in failed.value.extra["output"]


async def test_ray_is_the_clusters_own(environments: Environments) -> None:
    other = "3.12" if HERE != "3.12" else "3.11"
    if version_of(await interpreter("", os.environ, lambda _: None)) is None:
        pytest.fail("this interpreter runs")
    with pytest.raises(EnvironmentFailed, match=f"ray=True needs the cluster's Python, {HERE}|has no Python"):
        await environments.resolve(Wanted((), other, ray=True), lambda _: None)


async def test_an_interpreter_is_found_or_named() -> None:
    assert await interpreter("", os.environ, lambda _: None) == Path(sys.executable)
    assert await interpreter(sys.executable, os.environ, lambda _: None) == Path(sys.executable)
    found = await interpreter(HERE, os.environ, lambda _: None)
    assert minor(version_of(found) or "") == HERE


@pytest.mark.parametrize(
    ("python", "why"), [("3.9", "too old"), ("/no/such/python", "no Python interpreter"), ("/bin/true", "no Python")]
)
async def test_what_is_no_interpreter_for_rayfaas_is_said(python: str, why: str) -> None:
    with pytest.raises(EnvironmentFailed, match=why):
        await interpreter(python, os.environ, lambda _: None)


def test_what_rayfaas_needs_leaves_room() -> None:
    assert {name_of(each) for each in own_requirements()} >= {"pydantic", "msgspec", "cloudpickle", "httpx"}
    assert not [each for each in own_requirements() if "==" in each or "<" in each]
