"""Only so many may wait to prove who they are; the one that has waited longest goes, and it is told once."""

from __future__ import annotations

import pytest

from rayfaas.strangers import Strangers
from tests.intruders import logged


class Caller:
    aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_the_oldest_go_and_those_that_left_count_no_more(caplog: pytest.LogCaptureFixture) -> None:
    strangers, callers = Strangers(most=2), [Caller() for _ in range(5)]
    strangers.came(callers[0])
    strangers.left(callers[0])
    for caller in callers[1:]:
        strangers.came(caller)
    assert [caller.aborted for caller in callers] == [False, True, True, False, False]
    assert len(logged(caplog)) == 1


def test_a_second_crowd_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    strangers = Strangers(most=2)
    for _ in range(2):
        crowd = [Caller() for _ in range(3)]
        for caller in crowd:
            strangers.came(caller)
        for caller in crowd:
            strangers.left(caller)
    assert len(logged(caplog)) == 2
