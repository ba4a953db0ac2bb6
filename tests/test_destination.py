"""A move says a whole destination, or changes who sticks and who gets copies; nonsense is refused with words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfaas.destination import Arm, Destination, Move
from rayfaas.errors import BadRequest
from rayfaas.spec import parse


def move(**body: Any) -> Move:
    found: Move = parse(Move, body, "The move")
    return found


def test_a_split_has_its_weights_and_a_version_all_the_calls() -> None:
    assert str(move(split={"7": 95, "8": 5}).destination(None)) == "7=95, 8=5"
    assert move(version=7).destination(None) == move(split={"7": 3}).destination(None) == Destination.of(7)


def test_without_a_version_it_leads_where_it_leads() -> None:
    now = move(split={"7": 95, "8": 5}, sticky="caller").destination(None)
    shadowed = move(shadow={"version": 9, "share": 10}).destination(now)
    assert str(shadowed) == "7=95, 8=5, sticky by caller, 10 % copied to 9"
    assert move(shadow=None).destination(shadowed) == now
    assert str(move(sticky="header:User-Id").destination(now)) == "7=95, 8=5, sticky by header User-Id"
    assert move(version=8).destination(shadowed) == Destination.of(8)


@pytest.mark.parametrize(
    "body",
    [
        {"version": 7, "split": {"8": 1}},
        {"message": "nothing said"},
        {"version": 7, "shadow": {"version": 7}},
        {"split": {"7": 1, "8": 1}, "shadow": {"version": 8}},
        {"split": {str(version): 1 for version in range(1, 102)}},
    ],
)
def test_a_move_that_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        move(**body).destination(None)


@pytest.mark.parametrize(
    "body",
    [
        {"version": "7"},
        {"version": 7.0},
        {"version": True},
        {"version": 0},
        {"version": 1 << 31},
        {"split": {}},
        {"split": {"7": 0}},
        {"split": {"7": -1}},
        {"split": {"7": "95"}},
        {"split": {"x": 1}},
        {"split": {"0": 1}},
        {"split": {"7": 1e7}},
        {"split": {"7": float("inf")}},
        {"version": 7, "sticky": "cookie"},
        {"version": 7, "sticky": "header:"},
        {"version": 7, "sticky": "header:a b"},
        {"version": 7, "shadow": {"version": 8, "share": 0}},
        {"version": 7, "shadow": {"version": 8, "share": 101}},
        {"version": 7, "shadow": 8},
        {"version": 7, "surprise": 1},
        {"version": 7, "message": 5},
    ],
)
def test_a_body_that_is_no_move_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        move(**body)


@given(st.dictionaries(st.integers(1, 9), st.floats(0.01, 1e4), min_size=1, max_size=6), st.floats(0.1, 99.9))
def test_a_share_leaves_the_others_in_their_proportion(weights: dict[int, float], percent: float) -> None:
    now = Destination(arms=tuple(Arm(version=version, weight=weight) for version, weight in weights.items()))
    then = now.with_share(10, percent)
    shares = {arm.version: arm.weight for arm in then.arms}
    assert shares.pop(10) == percent
    assert sum(shares.values()) == pytest.approx(100 - percent)
    total = sum(weights.values())
    assert shares == pytest.approx({v: w / total * (100 - percent) for v, w in weights.items()})
    assert now.with_share(10, 100) == Destination.of(10)
