"""A deploy is refused where somebody else deployed meanwhile, and where it would break who called the function."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.destination import Move
from rayfaas.errors import BreakingChange, Conflict
from rayfaas.server.store import Store
from rayfaas.spec import Provenance
from tests.registry.builders import ended, segment, started
from tests.server.parts import made, member
from tests.server.test_deploys import Server


@pytest.fixture
async def server(home: Home, store: Store) -> Server:
    server = Server(home, store)
    await server.fleet.join(member(server.warm))
    return server


async def deploy(server: Server, content: str, actor: str = "ann", **changes: Any) -> dict[str, Any]:
    """Its last event."""
    request = server.request(content, **changes)
    return [event async for event in server.deploys.publish("red", "f", request, actor)][-1]


async def alias(server: Server) -> tuple[int, int]:
    """Version and revision of `live`, as a new gateway is told them."""
    live = (await server.routed())["f"]["live"]
    return live["version"], live["revision"]


async def deploys(server: Server, columns: str) -> list[list[Any]]:
    question = f"SELECT {columns} FROM deploys ORDER BY began_at"
    return (await server.store.query(server.store.registry.query, question, [], "red")).rows


# Two at once


async def test_who_deploys_after_somebody_else_without_knowing_is_told(server: Server) -> None:
    first = await deploy(server, "a", "ann")
    assert (first["revision"], first["replaced"]) == (1, None)
    theirs = await deploy(server, "b", "bob", expected=1, provenance=Provenance(git_commit="c0ffee", git_dirty=False))
    assert (theirs["revision"], theirs["replaced"]) == (2, 1)
    with pytest.raises(Conflict, match=r"bob moved red/f@live to version 2 at .* UTC") as refused:
        await deploy(server, "c", "ann", expected=1)
    extra = refused.value.extra
    assert (extra["version"], extra["revision"], extra["by"], extra["deployed"]) == (2, 2, "bob", True)
    assert (extra["git_commit"], extra["git_dirty"]) == ("c0ffee", False)
    assert await alias(server) == (2, 2)
    assert await server.states() == [(2, "ACTIVE"), (1, "ACTIVE")]


@pytest.mark.parametrize("expected", [None, 2])
async def test_who_says_nothing_or_knows_goes_on(server: Server, expected: int | None) -> None:
    await deploy(server, "a", "ann")
    await deploy(server, "b", "bob")
    assert (await deploy(server, "c", "ann", expected=expected))["revision"] == 3


async def test_nobody_is_in_his_own_way(server: Server) -> None:
    await deploy(server, "a", "ann")
    await deploy(server, "b", "ann")
    await server.releases.move("red", "f", "live", Move(version=1, message="b is slow"), "ann")
    assert (await deploy(server, "c", "ann", expected=1))["revision"] == 4


async def test_another_alias_and_the_same_code_are_no_conflict(server: Server) -> None:
    await deploy(server, "a", "ann")
    await deploy(server, "b", "bob", alias="staging")
    await deploy(server, "c", "bob")
    assert (await deploy(server, "c", "ann", expected=1))["version"] == 3


async def test_an_alias_that_somebody_moved_back_is_told_of_as_such(server: Server) -> None:
    for content in "ab":
        await deploy(server, content, "ann")
    await server.releases.move("red", "f", "live", Move(version=1, message="b is broken"), "bob")
    with pytest.raises(Conflict, match="bob moved red/f@live to version 1") as refused:
        await deploy(server, "c", "ann", expected=2)
    assert refused.value.extra["deployed"] is False


async def test_the_second_of_two_at_once_is_told(server: Server) -> None:
    await deploy(server, "a", "ann")
    events = server.deploys.publish("red", "f", server.request("b"), "bob")
    assert (await anext(events))["event"] == "published"
    second = server.deploys.publish("red", "f", server.request("c", expected=1), "ann")
    assert [event["event"] async for event in events] == ["live"]
    with pytest.raises(Conflict):
        await anext(second)


# Who would be broken


def described(arguments: dict[str, Any], result: Any = None, required: tuple[str, ...] = ()) -> dict[str, Any]:
    schema = {"type": "object", "properties": arguments, "additionalProperties": False, "required": list(required)}
    signature = f"({', '.join(arguments)})"
    return {"kind": "sync", "signature": signature, "arguments": schema, "result": result or {}, "doc": ""}


OF_TWO = described({"x": {"type": "integer"}, "y": {"type": "integer", "default": 1}}, required=("x",))
OF_ONE = described({"x": {"type": "integer"}}, required=("x",))
OF_THREE = described(
    {"x": {"type": "integer"}, "y": {"type": "integer", "default": 1}, "z": {"type": "string", "default": ""}},
    required=("x",),
)


def says(server: Server, interface: dict[str, Any]) -> None:
    """The next executor describes itself so."""
    server.warm.answers["spawn"] = lambda **_: {**made(), "interface": interface}


def called(home: Home, days_ago: float = 1.0, state: str = "SUCCEEDED", **changes: Any) -> None:
    accepted_us = int((time.time() - days_ago * 86_400) * 1e6)
    call = started(accepted_us=accepted_us, **{"principal": "eva", "alias": "live", "alias_revision": 1, **changes})
    segment(home.journal, call, ended(call, state=state))


async def test_who_would_be_broken_is_told_of_and_nothing_changes(server: Server, home: Home) -> None:
    says(server, OF_TWO)
    await deploy(server, "a")
    for principal in ("eva", "bob", "eva"):
        called(home, principal=principal, team="blue")
    says(server, OF_ONE)
    with pytest.raises(BreakingChange, match="y is gone") as refused:
        await deploy(server, "b")
    assert "eva (blue), bob (blue), with 3 calls" in refused.value.detail
    assert [each["what"] for each in refused.value.extra["breaks"]] == ["argument_removed"]
    assert [(each["principal"], each["calls"]) for each in refused.value.extra["callers"]] == [("eva", 2), ("bob", 1)]
    assert await alias(server) == (1, 1)
    assert await server.states() == [(2, "FAILED"), (1, "ACTIVE")]
    assert server.warm.drained == ["red/f:2"]
    assert await deploys(server, "version, outcome, code") == [[1, "SUCCEEDED", None], [2, "FAILED", "breaking_change"]]


async def test_it_is_deployed_if_that_is_meant(server: Server, home: Home) -> None:
    says(server, OF_TWO)
    await deploy(server, "a")
    called(home)
    says(server, OF_ONE)
    with pytest.raises(BreakingChange):
        await deploy(server, "b")
    live = await deploy(server, "b", breaking=True)
    assert (live["version"], live["created"]) == (2, False)


@pytest.mark.parametrize(
    "call",
    [
        {"days_ago": 31},
        {"state": "REJECTED"},
        {"alias": None, "alias_revision": None, "target": "f:1"},
        {"alias": "staging"},
        {"function": "red/g"},
    ],
    ids=str,
)
async def test_who_has_not_called_it_so_is_not_broken(server: Server, home: Home, call: dict[str, Any]) -> None:
    says(server, OF_TWO)
    await deploy(server, "a")
    called(home, **call)
    says(server, OF_ONE)
    assert (await deploy(server, "b"))["version"] == 2


async def test_what_breaks_nobody_is_deployed(server: Server, home: Home) -> None:
    says(server, OF_TWO)
    await deploy(server, "a")
    called(home)
    says(server, OF_THREE)
    assert (await deploy(server, "b"))["version"] == 2


async def test_going_back_to_older_code_is_checked_too(server: Server, home: Home) -> None:
    says(server, OF_TWO)
    await deploy(server, "a")
    says(server, OF_THREE)
    await deploy(server, "b")
    called(home)
    with pytest.raises(BreakingChange, match="z is gone"):
        await deploy(server, "a")
    assert await alias(server) == (2, 2)


async def test_of_an_alias_that_is_split_each_version_counts(server: Server, home: Home) -> None:
    says(server, OF_TWO)
    await deploy(server, "a")
    says(server, OF_THREE)
    await deploy(server, "b")
    await server.releases.move("red", "f", "live", Move(split={1: 1, 2: 99}), "ann")
    called(home)
    says(server, OF_ONE)
    with pytest.raises(BreakingChange, match="y is gone; z is gone"):
        await deploy(server, "c")
    assert server.catalog.function("red/f").aliases["live"].versions == {1, 2}


async def test_what_the_deployer_called_does_not_count(server: Server, home: Home) -> None:
    says(server, OF_TWO)
    await deploy(server, "a")
    called(home, principal="ann")
    says(server, OF_ONE)
    assert (await deploy(server, "b"))["version"] == 2


async def test_of_a_class_the_methods_count_that_were_called(server: Server, home: Home) -> None:
    says(server, {"kind": "class", "methods": {"score": OF_TWO, "words": OF_ONE}, "doc": ""})
    await deploy(server, "a")
    called(home, method="words")
    says(server, {"kind": "class", "methods": {"score": OF_ONE, "words": OF_ONE}, "doc": ""})
    assert (await deploy(server, "b"))["version"] == 2
    called(home, method="words", principal="eva")
    says(server, {"kind": "class", "methods": {"score": OF_ONE}, "doc": ""})
    with pytest.raises(BreakingChange, match="words: there is no method words any more"):
        await deploy(server, "c")
