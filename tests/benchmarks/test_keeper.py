"""The world in which the keeper is measured does what is said of it."""

from __future__ import annotations

from benchmarks.keeper import FUNCTIONS, NODES, World


def test_all_functions_at_once_bring_all_machines_and_are_answered() -> None:
    world = World()
    world.waiting = list(range(FUNCTIONS))
    assert world.minute(0) > 0
    assert (len(world.cloud.up()), len(world.waiting)) == (NODES, FUNCTIONS)
    world.minute(0)
    assert world.waiting == []
