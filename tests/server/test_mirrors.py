"""The journal of a gateway elsewhere lands in the registry record for record, whatever is killed on the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import ProtocolError, Unavailable
from rayfaas.gateway.call_access import CallAccess
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.deaths import Deaths
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.segments import Segments
from rayfaas.records import CallStarted
from rayfaas.registry import Registry
from rayfaas.registry.journal import is_alive
from rayfaas.server import mirrors as server_mirrors
from rayfaas.server.mirrors import Mirrors, gateway_of
from tests.registry.builders import ended, started
from tests.server.parts import Peer


class Edge:
    """A gateway on another machine: its journal, and what it answers to the controller."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.controller = ControllerLink(Routes(CallAccess(b"key", "")), Deaths())
        self.journal = Journal(directory, "edge")
        self.segments = Segments(self.journal, self.controller)

    def call(self) -> CallStarted:
        begun = started(gateway=self.journal.instance)
        self.journal.started(begun)
        return begun

    def kill(self) -> None:
        """What is left is what it has written."""
        os.close(self.journal._fd)

    @property
    def peer(self) -> Peer:
        methods = self.controller.methods

        def answer(name: str) -> Any:
            return lambda **parameters: methods[name](None, **parameters)

        peer = Peer(**{name: answer(name) for name in ("journal_segments", "read_journal")})
        peer.notify = self._told  # type: ignore[method-assign]
        return peer

    def _told(self, method: str, **parameters: Any) -> None:
        assert method == "forget_journal"
        for name in parameters["segments"]:
            (self.directory / name).unlink(missing_ok=True)


class Home:
    """The controller's side: its journal and its registry; `restart` is after a kill -9."""

    def __init__(self, registry: Registry, directory: Path) -> None:
        self.registry, self.directory = registry, directory
        self.mirrors = self._fresh()

    def restart(self) -> None:
        for mirror in self.mirrors._mirrors.values():
            mirror.release()  # as the kernel does
        self.mirrors = self._fresh()
        self.mirrors.begin(["edge"])

    async def copy(self, edge: Edge) -> None:
        await self.mirrors.copy(edge.peer.link, "edge")

    def states(self) -> list[str]:
        self.registry.load_journal()
        rows = self.registry.query("SELECT state FROM calls ORDER BY state DESC", [], team=None).rows
        return [row[0] for row in rows]

    def _fresh(self) -> Mirrors:
        async def loaded(segment: str) -> int:
            return self.registry.loaded_bytes(segment)

        return Mirrors(self.directory, loaded)


@pytest.fixture
def here(registry: Registry, home: Any) -> Home:
    return Home(registry, home.journal)


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    return Edge(tmp_path / "edge")


async def test_a_call_that_runs_there_is_open_here_and_ends_once(here: Home, edge: Edge) -> None:
    call = edge.call()
    await here.copy(edge)
    assert here.states() == ["RUNNING"]
    edge.journal.ended(ended(call))
    for _ in range(3):
        await here.copy(edge)
        assert here.states() == ["SUCCEEDED"]


async def test_the_controller_may_be_killed_at_any_time(here: Home, edge: Edge) -> None:
    calls = [edge.call() for _ in range(3)]
    await here.copy(edge)
    here.restart()  # not loaded yet, and locked again before anything is
    assert here.states() == ["RUNNING"] * 3
    here.restart()
    for call in calls:
        edge.journal.ended(ended(call))
    await here.copy(edge)
    assert here.states() == ["SUCCEEDED"] * 3


async def test_what_a_life_that_was_killed_has_left_is_copied_by_the_next(
    here: Home, edge: Edge, tmp_path: Path
) -> None:
    answered, running = edge.call(), edge.call()
    await here.copy(edge)
    edge.journal.ended(ended(answered))
    edge.kill()
    assert here.states() == ["RUNNING"] * 2  # it may come back
    following = Edge(tmp_path / "edge")
    await here.copy(following)
    assert here.states() == ["SUCCEEDED", "INTERRUPTED"]
    assert [path.name for path in edge.directory.iterdir()] == [following.journal.segment]
    assert running.call != answered.call


async def test_half_a_record_of_a_life_that_was_killed_ends_with_it(here: Home, edge: Edge, tmp_path: Path) -> None:
    edge.journal.ended(ended(edge.call()))
    os.write(edge.journal._fd, b'{"k":"start","ca')
    edge.kill()
    for _ in range(3):
        await here.copy(Edge(tmp_path / "edge"))
        assert here.states() == ["SUCCEEDED"]


async def test_segments_that_are_full_are_copied_in_pieces_and_deleted_there(
    here: Home, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_mirrors, "PIECE", 100)
    monkeypatch.setattr("rayfaas.gateway.journal.SEGMENT_BYTES", 1_000)
    calls = [edge.call() for _ in range(10)]
    await here.copy(edge)
    assert here.states() == ["RUNNING"] * 10  # begun in segments that are gone, and none is interrupted
    for call in calls:
        edge.journal.ended(ended(call))
    await here.copy(edge)
    assert here.states() == ["SUCCEEDED"] * 10
    assert len(list(edge.directory.iterdir())) == 1
    assert len(list(here.directory.glob("*.ndjson"))) == 1


async def test_a_segment_whose_deletion_was_not_heard_of_is_not_loaded_again(
    here: Home, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge.journal.ended(ended(edge.call()))
    edge.journal.close()
    deaf = edge.peer
    deaf.notify = lambda method, **parameters: None  # type: ignore[method-assign]
    for _ in range(3):
        await here.mirrors.copy(deaf.link, "edge")
        assert here.states() == ["SUCCEEDED"]
        here.restart()
    assert list(here.directory.glob("*.ndjson")) == []
    await here.copy(edge)
    assert list(edge.directory.iterdir()) == []


async def test_a_copy_whose_deletion_there_was_not_heard_of_is_done_with(here: Home, edge: Edge) -> None:
    edge.journal.ended(ended(edge.call()))
    edge.journal.close()
    peer = edge.peer
    peer.answers["read_journal"] = Unavailable("the connection broke")
    with pytest.raises(Unavailable):
        await here.mirrors.copy(peer.link, "edge")
    here.mirrors._mirrors[next(iter(here.mirrors._mirrors))].append(next(edge.directory.iterdir()).read_bytes())
    for path in edge.directory.iterdir():
        path.unlink()
    await here.copy(edge)
    assert here.states() == ["SUCCEEDED"]
    assert list(here.directory.glob("*.ndjson")) == []


async def test_a_gateway_that_is_removed_has_its_calls_interrupted(here: Home, edge: Edge) -> None:
    edge.call()
    await here.copy(edge)
    await here.mirrors.forget("edge")
    assert here.states() == ["INTERRUPTED"]


async def test_a_life_counts_from_its_welcome_on(here: Home, edge: Edge) -> None:
    here.mirrors.welcome("edge", edge.journal.instance)
    assert is_alive(here.directory, edge.journal.instance)
    here.registry.load_journal()
    await here.copy(edge)
    here.mirrors.welcome("edge", edge.journal.instance)  # it dialled again
    assert is_alive(here.directory, edge.journal.instance)
    with pytest.raises(ProtocolError):
        here.mirrors.welcome("edge", "gateway-0-1700000000000000000")


@pytest.mark.parametrize("name", ["../edge-1.0.ndjson", "other-1.000000.ndjson", "edge-1.ndjson", "edge"])
async def test_no_gateway_writes_into_what_is_not_its_own(here: Home, name: str) -> None:
    peer = Peer(journal_segments=[(name, 5, False)], read_journal=b"12345")
    with pytest.raises(ProtocolError):
        await here.mirrors.copy(peer.link, "edge")
    assert list(here.directory.iterdir()) == []


def test_a_segment_says_whose_it_is() -> None:
    assert gateway_of("edge-2-1764271000000000000.000003.ndjson") == "edge-2"
    assert gateway_of("gateway-0-1764271000000000000.000003.ndjson") == "gateway-0"
    assert gateway_of("journal.staging") == ""
