"""What the cache did with calls is recorded: hits with the call that computed them, and why others were none."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from rayfaas.records import CallStarted, Kept, LookedUp
from rayfaas.registry.lineage import Question
from rayfaas.registry.registry import Registry
from tests.registry.builders import ended, living_segment, segment, started

_numbers = itertools.count()


def call(**changes: Any) -> CallStarted:
    """Ids in the order in which they are made."""
    return started(call=f"01900000-0000-7000-8000-{next(_numbers):012d}", **changes)


def test_a_hit_names_the_call_that_computed_it(registry: Registry, journal: Path) -> None:
    computed, hit, later = call(), call(), call()
    with living_segment(journal, computed, ended(computed), hit, later):
        registry.load_journal()  # their starts come before their ends
        ends = [ended(each, state="CACHED", cached_from=computed.call) for each in (hit, later)]
        segment(journal, *ends)
        registry.load_journal()
    rows = registry.query("SELECT state, cached_from::VARCHAR FROM calls ORDER BY call", [], team=None).rows
    assert rows == [["SUCCEEDED", None], ["CACHED", computed.call], ["CACHED", computed.call]]


def test_begun_and_ended_in_one_batch_too(registry: Registry, journal: Path) -> None:
    computed, hit = call(), call()
    segment(journal, computed, ended(computed), hit, ended(hit, state="CACHED", cached_from=computed.call))
    registry.load_journal()
    assert registry.query("SELECT count(*) FROM calls WHERE cached_from IS NOT NULL", [], team=None).rows == [[1]]


def test_looks_are_found_with_the_calls_before_them(registry: Registry, journal: Path) -> None:
    first, other, method, second = call(), call(function="red/g"), call(method="m"), call(team="blue")
    arguments = {"text": "1234", "*1": "5678"}
    segment(
        journal,
        *(each for one in (first, other, method, second) for each in (one, ended(one))),
        LookedUp(first.call, "miss", "", arguments),
        LookedUp(other.call, "miss", "", {}),
        LookedUp(method.call, "miss", "", {}),
        LookedUp(second.call, "changed", "application/json", {}, "file:///a", "sha256:1", ""),
        Kept(first.call),
        Kept(second.call, "it read s3://b/k"),
    )
    registry.load_journal()
    look = registry.misses.call(second.call, None)
    assert look is not None
    assert (look.verdict, look.uri, look.was, look.now) == ("changed", "file:///a", "sha256:1", "")
    assert (look.accept, look.why_not) == ("application/json", "it read s3://b/k")
    (before,) = registry.misses.earlier(look, None)
    assert (before.call, before.arguments, before.why_not) == (first.call, arguments, None)
    assert registry.misses.earlier(before, None) == []
    assert registry.misses.call(second.call, "green") is None
    assert registry.misses.earlier(look, "green") == []


def test_lineage_leads_from_a_hit_to_the_call_that_computed_it(registry: Registry, journal: Path) -> None:
    computed, hit = call(), call()
    segment(journal, computed, ended(computed), hit, ended(hit, state="CACHED", cached_from=computed.call))
    registry.load_journal()
    up = registry.lineage(Question(hit.call, "red"), None)
    down = registry.lineage(Question(computed.call, "red", "downstream"), None)
    for graph in (up, down):
        assert [(edge.source, edge.target, edge.kind) for edge in graph.edges] == [(computed.call, hit.call, "gave")]
