from __future__ import annotations

import random

from rayfaas.cloud.keep_alive import learned_s
from rayfaas.cloud.node_journal import MemoryJournal
from rayfaas.cloud.pauses import Pauses

KEY = ("local", "gpu")


def test_it_is_the_time_that_costs_least() -> None:
    chance = random.Random(1)
    pauses = [chance.expovariate(1 / 100) for _ in range(150)] + [5000.0] * 50

    def cost(kept_s: float) -> float:
        return sum(min(each, kept_s) + 500.0 * (each > kept_s) for each in pauses)

    best = learned_s(pauses, wake_s=100.0)
    assert cost(best) == min(cost(each) for each in [0.0, *pauses])


def test_pauses_that_are_always_long_are_not_waited_for() -> None:
    assert learned_s([7200.0] * 20, wake_s=100.0) == 0.0


def test_pauses_are_noted_when_they_end_and_kept() -> None:
    journal = MemoryJournal()
    pauses = Pauses(journal, {})
    for at in (100.0, 101.0, 102.0, 402.0, 403.0):
        pauses.used(KEY, at)
    assert journal.pauses == {KEY: [300.0]}


def test_a_wake_that_was_measured_counts() -> None:
    pauses = Pauses(MemoryJournal(), {})
    assert pauses.learned_s(KEY) == 600.0
    pauses.woke(KEY, 20.0)
    assert pauses.learned_s(KEY) == 100.0
