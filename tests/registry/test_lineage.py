"""Lineage: from an artifact, a call or a version to all that led to it, or came of it, and to nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayfaas.errors import BadRequest, NotFound
from rayfaas.graph import Direction, Graph
from rayfaas.records import CallStarted, Touched
from rayfaas.registry.database import Database
from rayfaas.registry.lineage import Question
from rayfaas.registry.query import QueryLimits
from rayfaas.registry.registry import Registry
from rayfaas.spec import Provenance, Scaling
from tests.registry.builders import ACCEPTED_US, empty, ended, publish, segment, started


def call(number: int, function: str = "red/f", **changes: Any) -> CallStarted:
    """Calls get ids by which they can be told apart."""
    name = f"01900000-0000-7000-8000-{number:012d}"
    owner = function.partition("/")[0]
    return started(**{"call": name, "root": name, "function": function, "owner": owner, "team": owner, **changes})


def touched(by: CallStarted, mode: Any, uri: str, version: str | None, at: int = 0, **changes: Any) -> Touched:
    fields = {"executor": f"executor of {by.function}", "call": by.call}
    return Touched(
        function=by.function, version=by.version, at_us=ACCEPTED_US + at, mode=mode, uri=uri, how="open",
        artifact_version=version, **{**fields, **changes},
    )  # fmt: skip


def record(registry: Registry, journal: Path, calls: Iterable[CallStarted], touches: Iterable[Touched]) -> None:
    ends = [ended(each, executor=f"executor of {each.function}") for each in calls]
    segment(journal, *calls, *ends, *touches)
    registry.load_journal()


def ask(registry: Registry, of: str, direction: Direction = "upstream", team: str | None = None, **more: Any) -> Graph:
    return registry.lineage(Question(of, team or "red", direction, **more), team)


def names(graph: Graph) -> set[str]:
    """Calls by their number, artifacts by uri and version."""
    return {node.call[-2:].lstrip("0") if node.call else node.id for node in graph.nodes}


RAW, CLEAN, MODEL, VECTORS = "file:///raw", "file:///clean", "file:///model", "s3://bucket/vectors"


@pytest.fixture
def chain(registry: Registry, journal: Path) -> Registry:
    """raw → preprocess (1) → clean → train (2) → model → embed (3) → vectors; trained again (4) after that."""
    clean, train, embed = call(1, "red/clean"), call(2, "blue/train"), call(3, "red/embed")
    again, reader = call(4, "blue/train", version=2), call(5, "green/search")
    touches = [
        touched(clean, "read", RAW, "r1", 10),
        touched(clean, "write", CLEAN, "c1", 10),
        touched(train, "read", CLEAN, "c1", 20),
        touched(train, "write", MODEL, "m1", 20),
        touched(embed, "read", MODEL, "m1", 30),
        touched(embed, "write", VECTORS, "v1", 30, columns=("vector",)),
        touched(again, "read", CLEAN, "c1", 40),
        touched(again, "write", MODEL, "m2", 40),
        touched(reader, "read", VECTORS, "v1", 50, is_certain=False),
    ]
    record(registry, journal, [clean, train, embed, again, reader], touches)
    return registry


def test_all_that_led_to_an_artifact_is_upstream(chain: Registry) -> None:
    graph = ask(chain, VECTORS)
    assert names(graph) == {"1", "2", "3", f"{RAW}#r1", f"{CLEAN}#c1", f"{MODEL}#m1", f"{VECTORS}#v1"}
    (wrote,) = graph.next_to(graph.start)
    assert (wrote[0].kind, wrote[0].columns, wrote[1].function) == ("wrote", ["vector"], "red/embed")
    assert names(ask(chain, call(2).call)) == {"1", "2", f"{RAW}#r1", f"{CLEAN}#c1"}


def test_all_that_came_of_it_is_downstream(chain: Registry) -> None:
    graph = ask(chain, MODEL, "downstream", version="m1")
    assert names(graph) == {"3", "5", f"{MODEL}#m1", f"{VECTORS}#v1"}
    assert [edge.is_certain for edge in graph.edges if edge.source == f"{VECTORS}#v1"] == [False]
    assert {"2", "4", f"{MODEL}#m2"} <= names(ask(chain, RAW, "downstream"))


def test_it_can_be_asked_as_of_a_moment_and_to_a_depth(chain: Registry) -> None:
    assert names(ask(chain, MODEL)) >= {"4", f"{MODEL}#m2"}
    assert names(ask(chain, MODEL, as_of_us=ACCEPTED_US + 35)) >= {"2", f"{MODEL}#m1"}
    near = ask(chain, VECTORS, depth=1)
    assert (names(near), near.is_cut) == ({"3", f"{VECTORS}#v1", f"{MODEL}#m1"}, True)
    with pytest.raises(BadRequest, match="depth is from 1"):
        ask(chain, VECTORS, depth=0)


def test_a_version_stands_for_all_its_calls(chain: Registry) -> None:
    content = publish("a", provenance=Provenance(git_commit="c0ffee"))
    chain.catalog.publish("red", "embed", content, "ann", "env")
    chain.catalog.activate("red", "embed", 1, None, "prod", "ann", "deploy", {}, Scaling())
    graph = ask(chain, "embed@prod")
    start = graph.node(graph.start)
    assert (start.id, start.alias, start.commit) == ("red/embed:1", "prod", "c0ffee")
    assert names(graph) == {"red/embed:1", "1", "2", f"{MODEL}#m1", f"{CLEAN}#c1", f"{RAW}#r1"}
    assert names(ask(chain, "red/embed:1", "downstream")) == {"red/embed:1", f"{VECTORS}#v1", "5"}
    assert graph.node(call(2).call).commit is None


def test_a_read_is_of_the_last_write_of_the_same_content(registry: Registry, journal: Path) -> None:
    calls = [call(number) for number in range(1, 5)]
    touches = [
        touched(calls[0], "write", RAW, "same", 10),
        touched(calls[1], "write", RAW, "same", 20),
        touched(calls[2], "read", RAW, "same", 30),
        touched(calls[3], "write", RAW, "same", 40),
    ]
    record(registry, journal, calls, touches)
    assert names(ask(registry, calls[2].call)) == {"2", "3", f"{RAW}#same"}
    assert names(ask(registry, calls[0].call, "downstream")) == {"1", f"{RAW}#same"}
    assert names(ask(registry, calls[1].call, "downstream")) == {"2", "3", f"{RAW}#same"}


def certain(graph: Graph) -> dict[tuple[str, str], bool]:
    """Whether each edge between a call and an artifact is, by the number of the call and its kind."""
    calls = {node.id: node.call[-2:].lstrip("0") for node in graph.nodes if node.call}
    return {(calls.get(edge.source) or calls[edge.target], edge.kind): edge.is_certain for edge in graph.edges}


def test_a_version_that_is_not_known_may_be_that_of_the_last_write(registry: Registry, journal: Path) -> None:
    """As of a file that was opened to append to it: what was in it before is in it still."""
    before, last, appends, later = (call(number) for number in range(1, 5))
    touches = [
        touched(before, "write", RAW, "r1", 1),
        touched(last, "write", RAW, "r2", 2),
        touched(appends, "read", RAW, None, 5, is_certain=False),
        touched(appends, "write", RAW, "r3", 5),
        touched(later, "write", RAW, "r4", 6),
    ]
    record(registry, journal, [before, last, appends, later], touches)
    graph = ask(registry, RAW, version="r3")
    assert names(graph) == {"2", "3", f"{RAW}#", f"{RAW}#r3"}
    assert [edge.is_certain for edge in graph.edges if edge.target == f"{RAW}#"] == [False]
    assert names(ask(registry, last.call, "downstream")) == {"2", "3", f"{RAW}#r2", f"{RAW}#r3"}
    assert names(ask(registry, before.call, "downstream")) == {"1", f"{RAW}#r1"}


def test_a_write_of_a_version_that_is_not_known_may_be_what_was_read(registry: Registry, journal: Path) -> None:
    """As of an object whose store told of its version when it was read only."""
    one, other, reader = call(1), call(2), call(3)
    touches = [
        touched(one, "write", VECTORS, None, 1),
        touched(other, "write", VECTORS, None, 2),
        touched(reader, "read", VECTORS, "etag:1", 3),
    ]
    record(registry, journal, [one, other, reader], touches)
    graph = ask(registry, reader.call)
    assert certain(graph) == {("3", "read"): True, ("2", "wrote"): False}
    assert names(ask(registry, other.call, "downstream")) == {"2", "3", f"{VECTORS}#"}
    assert names(ask(registry, one.call, "downstream")) == {"1", f"{VECTORS}#"}


def test_what_two_calls_wrote_at_the_same_time_is_not_certain(registry: Registry, journal: Path) -> None:
    early, late, alone = call(1), call(2), call(3, accepted_us=ACCEPTED_US + 9_000)
    touches = [
        touched(early, "write", RAW, "r1", 20),
        touched(late, "write", RAW, "r2", 30),
        touched(early, "write", CLEAN, "c1", 20),
        touched(late, "write", CLEAN, "c2", -1),
        touched(alone, "write", RAW, "r3", 9_500),
    ]
    record(registry, journal, [early, late, alone], touches)
    for version, is_certain in (("r1", False), ("r2", False), ("r3", True)):
        (edge,) = ask(registry, RAW, version=version).edges
        assert edge.is_certain == is_certain
    downstream = ask(registry, early.call, "downstream")
    assert {edge.target: edge.is_certain for edge in downstream.edges} == {f"{RAW}#r1": False, f"{CLEAN}#c1": True}


def test_what_an_executor_read_as_it_began_is_read_by_its_calls(registry: Registry, journal: Path) -> None:
    train, embed = call(1, "red/train"), call(2, "red/embed")
    begun = touched(embed, "read", MODEL, "m1", 20, call=None)
    record(registry, journal, [train, embed], [touched(train, "write", MODEL, "m1", 10), begun])
    assert names(ask(registry, embed.call)) == {"1", "2", f"{MODEL}#m1"}
    assert names(ask(registry, MODEL, "downstream")) == {"1", "2", f"{MODEL}#m1"} - {"1"}
    assert names(ask(registry, train.call, "downstream")) == {"1", "2", f"{MODEL}#m1"}


def test_a_call_is_made_of_those_that_it_made(registry: Registry, journal: Path) -> None:
    outer, inner = call(1), call(2, parent=call(1).call)
    touches = [touched(inner, "read", RAW, "r1", 1), touched(outer, "write", CLEAN, "c1", 2)]
    record(registry, journal, [outer, inner], touches)
    assert names(ask(registry, CLEAN)) == {"1", "2", f"{RAW}#r1", f"{CLEAN}#c1"}
    assert names(ask(registry, RAW, "downstream")) == {"1", "2", f"{RAW}#r1", f"{CLEAN}#c1"}


def test_a_team_walks_through_what_it_may_see(chain: Registry) -> None:
    assert names(ask(chain, VECTORS, team="red")) == {"3", f"{VECTORS}#v1", f"{MODEL}#m1"}
    for of in (MODEL + "x", RAW, call(1).call):
        with pytest.raises(NotFound):
            ask(chain, of, team="blue")
    assert chain.query("SELECT count(*) FROM lineage", [], "green").rows == [[1]]
    assert {uri for uri, *_ in chain.query("SELECT uri FROM artifacts", [], "blue").rows} == {CLEAN, MODEL}


def test_content_is_found_under_another_name(registry: Registry, journal: Path) -> None:
    one = call(1)
    record(registry, journal, [one], [touched(one, "write", RAW, "sha256:abc")])
    assert ask(registry, "file:///copy", version="sha256:abc").start == f"{RAW}#sha256:abc"
    with pytest.raises(NotFound, match="has read or written"):
        ask(registry, "file:///copy", version="sha256:abd")


def test_an_executors_word_counts_for_calls_of_its_own_version_only(registry: Registry, journal: Path) -> None:
    one = call(1)
    forged = [touched(call(1, "blue/g"), "write", RAW, "r1"), touched(call(9), "write", RAW, "r1")]
    record(registry, journal, [one], [*forged, touched(one, "write", CLEAN, "c1")])
    assert registry.query("SELECT call, uri FROM lineage", [], None).rows == [[one.call, CLEAN]]


def test_each_is_loaded_once_whatever_is_read_again(chain: Registry) -> None:
    chain.load_journal()
    assert chain.query("SELECT count(*), count(DISTINCT uri) FROM lineage", [], None).rows == [[9, 4]]
    row = chain.query("SELECT writer, writes, reads FROM artifacts WHERE artifact_version = 'c1'", [], None).rows
    assert row == [["red/clean", 1, 2]]


# Against a walk in plain Python

Step = tuple[set[int], set[int]]  # the artifacts that a call reads and those that it writes
steps = st.lists(st.tuples(st.sets(st.integers(0, 5), max_size=3), st.sets(st.integers(0, 5), max_size=2)), max_size=12)


def walked(steps: list[Step], start: int) -> set[int]:
    """The calls upstream of a call; calls happen one after the other, and an artifact's version is its last writer."""
    found, waiting = {start}, [start]
    while waiting:
        now = waiting.pop()
        for artifact in steps[now][0]:
            writers = [number for number in range(now) if artifact in steps[number][1]]
            if writers and writers[-1] not in found:
                found.add(writers[-1])
                waiting.append(writers[-1])
    return found


def numbers(graph: Graph) -> set[int]:
    return {int(node.call[-3:]) - 1 for node in graph.nodes if node.call}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps.filter(bool), st.booleans())
def test_it_finds_what_a_plain_walk_finds(
    opened_database: Database, tmp_path: Path, steps: list[Step], same: bool
) -> None:
    empty(opened_database)
    registry = Registry(opened_database, tmp_path, QueryLimits())
    calls = [call(number + 1) for number in range(len(steps))]
    touches, versions = [], dict.fromkeys(range(6), "0")
    for number, (reads, writes) in enumerate(steps):
        touches += [touched(calls[number], "read", f"a:/{each}", versions[each], number) for each in reads]
        versions |= dict.fromkeys(writes, "same" if same else str(number + 1))
        touches += [touched(calls[number], "write", f"a:/{each}", versions[each], number) for each in writes]
    record(registry, tmp_path, calls, touches)
    upstream = {number: walked(steps, number) for number in range(len(steps))}
    for number, each in enumerate(calls):
        assert numbers(ask(registry, each.call, depth=50)) == upstream[number]
        downstream = {later for later, those in upstream.items() if number in those}
        assert numbers(ask(registry, each.call, "downstream", depth=50)) == downstream
