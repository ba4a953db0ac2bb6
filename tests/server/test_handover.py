"""What has outgrown Warm has more executors there in an instant, and leaves when its deployment is enough."""

from __future__ import annotations

import pytest

from rayfaas.server.handover import can_take_over, warm_executors
from rayfaas.spec import Scaling, Shape, Spec
from tests.server.parts import version

WAITING = Scaling(target_concurrency=4, max_replicas=10)


@pytest.mark.parametrize(
    ("cpus", "calls", "executors"),
    [(0.1, 12, 3), (0.1, 1000, 10), (0.1, 0, 1), (0.3, 1000, 3), (1, 1000, 1), (0, 9, 3)],
)
def test_warm_runs_as_many_as_the_calls_need_and_one_cpu_holds(cpus: float, calls: float, executors: int) -> None:
    assert warm_executors(version(spec=Spec(shape=Shape(cpus=cpus))), WAITING, calls) == executors


def test_warm_runs_no_more_than_there_may_be_replicas() -> None:
    assert warm_executors(version(spec=Spec(shape=Shape(cpus=0.1))), Scaling(max_replicas=2), 1000) == 2


@pytest.mark.parametrize(
    ("replicas", "calls", "can"),
    [(0, 0, False), (1, 0, True), (1, 5, False), (2, 5, True), (9, 99, False), (10, 99, True)],
)
def test_a_deployment_takes_over_when_it_is_enough_or_all_there_may_be(replicas: int, calls: float, can: bool) -> None:
    assert can_take_over(replicas, WAITING, calls) == can
