"""Who hands over more than may wait, waits."""

from __future__ import annotations

import threading

from rayfaas.executor.backlog import Backlog


def test_what_was_put_first_comes_first() -> None:
    backlog = Backlog[str](most=10, patience_s=60)
    for item, size in (("a", 4), ("b", 0), ("c", 6)):
        backlog.put(item, size)
    assert backlog.take() == ["a", "b", "c"]


def test_where_too_much_waits_a_put_goes_on_when_some_was_taken() -> None:
    backlog = Backlog[str](most=10, patience_s=60)
    backlog.put("large", 11)
    taker = threading.Timer(0.01, backlog.take)
    taker.start()
    backlog.put("small", 1)
    taker.join()
    assert backlog.take() == ["small"]


def test_a_put_that_nobody_makes_room_for_goes_on_after_a_while() -> None:
    backlog = Backlog[str](most=10, patience_s=0.001)
    backlog.put("large", 11)
    backlog.put("small", 1)
    assert backlog.take() == ["large", "small"]
