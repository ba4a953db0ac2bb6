"""What the command's options choose, and the order of turns."""

from __future__ import annotations

import click
import pytest

from benchmarks.__main__ import PARTS, chosen_parts, chosen_systems
from benchmarks.systems.all import SYSTEMS
from benchmarks.throughput import rotated


def test_all_parts_and_systems_where_nothing_is_said() -> None:
    assert chosen_parts("") == list(PARTS)
    assert chosen_systems("") == SYSTEMS


def test_parts_by_name_in_the_order_given() -> None:
    assert chosen_parts("registry, edit") == ["registry", "edit"]


def test_systems_by_a_word_of_their_names() -> None:
    assert [each.name for each in chosen_systems("RAYFAAS,haproxy")] == ["rayfaas", "Ray Serve, HAProxy"]


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    with pytest.raises(click.BadParameter, match="throughput"):
        chosen_parts("thruput")
    with pytest.raises(click.BadParameter, match="LitServe"):
        chosen_systems("flask")


def test_every_round_has_every_system_and_begins_with_another() -> None:
    rounds = [list(rotated(SYSTEMS, number)) for number in range(len(SYSTEMS) + 1)]
    assert all(set(each) == set(SYSTEMS) and len(each) == len(SYSTEMS) for each in rounds)
    assert [each[0] for each in rounds] == [*SYSTEMS, SYSTEMS[0]]
