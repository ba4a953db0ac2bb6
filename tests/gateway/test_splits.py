"""Of several versions each gets its share; who sticks to one stays with it, on every gateway and at every step."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.gateway.splits import Split, WeighedRoute

weights = st.dictionaries(st.integers(1, 9), st.floats(0.5, 100), min_size=1, max_size=5)


def split(weights: dict[int, float], sticky: str | None = None, seed: int = 7, of: str = "nlp/embed") -> Split[int]:
    arms = [WeighedRoute(version, weight, version) for version, weight in weights.items()]
    return Split(arms, sticky, of, random.Random(seed).random)


def assert_shares(counted: Counter[int], weights: dict[int, float]) -> None:
    """Within five standard deviations of a binomial distribution."""
    calls, total = counted.total(), sum(weights.values())
    for version, weight in weights.items():
        share = weight / total
        assert abs(counted[version] - calls * share) <= 5 * math.sqrt(calls * share * (1 - share)) + 1


@settings(max_examples=20)
@given(weights, st.integers(0, 1000))
def test_each_version_gets_its_share_by_chance(weights: dict[int, float], seed: int) -> None:
    chosen = split(weights, seed=seed)
    assert_shares(Counter(chosen.choose("nlp/ann", {}) for _ in range(5_000)), weights)


@settings(max_examples=20)
@given(weights)
def test_each_version_gets_its_share_of_those_who_stick(weights: dict[int, float]) -> None:
    chosen = split(weights, "header:User-Id")
    assert_shares(Counter(chosen.choose("", {b"user-id": b"%d" % n}) for n in range(5_000)), weights)


def test_the_same_caller_gets_the_same_version_on_every_gateway() -> None:
    gateways = [split({7: 50, 8: 50}, "caller", seed) for seed in range(3)]
    for number in range(200):
        assert len({each.choose(f"nlp/caller{number}", {}) for each in gateways for _ in range(3)}) == 1


def test_a_version_that_gets_more_keeps_who_had_it() -> None:
    had: set[int] = set()
    for share in (1, 5, 25, 50, 75, 99):
        now = split({7: 100 - share, 8: share}, "header:User-Id")
        has = {n for n in range(2_000) if now.choose("", {b"user-id": b"%d" % n}) == 8}
        assert had <= has
        had = has


def test_who_is_not_to_be_known_again_gets_one_by_chance() -> None:
    for sticky, headers in ((None, {b"user-id": b"1"}), ("header:User-Id", {}), ("header:User-Id", {b"user-id": b""})):
        chosen = split({7: 50, 8: 50}, sticky)
        assert {chosen.choose("nlp/ann", headers) for _ in range(50)} == {7, 8}


def test_who_sticks_together_in_one_function_does_not_in_another() -> None:
    one, other = split({7: 50, 8: 50}, "caller"), split({7: 50, 8: 50}, "caller", of="nlp/rank")
    same = sum(one.choose(f"nlp/{n}", {}) == other.choose(f"nlp/{n}", {}) for n in range(1_000))
    assert 400 < same < 600


@pytest.mark.parametrize("part", [0.0, 0.5, 1 - 2**-53])
def test_any_number_chooses_a_version(part: float) -> None:
    arms = [WeighedRoute(version, 0.1, version) for version in range(1, 101)]
    assert Split(arms, None, "f", lambda: part).choose("", {}) in range(1, 101)
