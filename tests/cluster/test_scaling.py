"""As many replicas as the calls need, one while somebody waits for the first, and none when nobody calls."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Ray's own modules
    from ray.serve.config import AutoscalingContext

    from rayfaas.cluster.scaling import CALLS, CallsPolicy, autoscaling, desired_replicas

SCALING = {"min_replicas": 0, "max_replicas": 10, "target_concurrency": 2.0, "scale_down_after_s": 300.0}


def context(calls: dict[str, float] | None, queued: float = 0.0) -> AutoscalingContext:
    """What Ray Serve tells a policy."""
    fields: dict[str, Any] = dict.fromkeys(list(inspect.signature(AutoscalingContext).parameters))
    fields.update(total_queued_requests=queued, aggregated_metrics=None if calls is None else {CALLS: calls})
    return AutoscalingContext(**fields)


@pytest.mark.parametrize(
    ("calls", "target", "replicas"),
    [(0, 2, 0), (0.1, 2, 1), (2, 2, 1), (2.001, 2, 2), (5, 2, 3), (10, 0.5, 20), (0.3, 0.1, 3), (100, 1, 100)],
)
def test_each_replica_carries_its_target(calls: float, target: float, replicas: int) -> None:
    assert desired_replicas(calls, target, 0) == replicas


@settings(max_examples=40)
@given(st.floats(0, 1e6), st.floats(0.01, 1e4), st.integers(0, 5))
def test_no_replica_is_asked_for_more_than_its_target_and_none_is_idle(
    calls: float, target: float, at_least: int
) -> None:
    replicas = desired_replicas(calls, target, at_least)
    assert replicas >= at_least
    assert replicas * target >= calls - target * 1e-6
    assert replicas == at_least or (replicas - 1) * target <= calls


def test_calls_that_several_supervisors_counted_are_counted_once() -> None:
    policy = CallsPolicy(2.0)
    assert policy(context({"r-1": 6.0, "r-2": 6.0, "r-3": 5.0}))[0] == 3


def test_nobody_reports_and_nobody_waits_is_no_replica() -> None:
    policy = CallsPolicy(2.0)
    assert policy(context(None))[0] == 0
    assert policy(context({}))[0] == 0


def test_who_waits_for_the_first_replica_gets_one() -> None:
    policy = CallsPolicy(2.0)
    assert policy(context(None, queued=1.0))[0] == 1
    assert policy(context({"r-1": 0.0}, queued=3.0))[0] == 1
    assert policy(context({"r-1": 9.0}, queued=3.0))[0] == 5


def test_a_deployment_may_go_to_zero_after_the_time_that_was_asked_for() -> None:
    config = autoscaling(SCALING)
    assert (config.min_replicas, config.max_replicas) == (0, 10)
    assert config.downscale_to_zero_delay_s == 300.0
    assert config.downscale_delay_s < 300.0


def test_a_new_deployment_begins_with_what_it_must_have() -> None:
    assert autoscaling(SCALING).initial_replicas == 1
    assert autoscaling({**SCALING, "min_replicas": 3}).initial_replicas == 3


def test_replicas_report_more_often_than_the_autoscaler_looks_back() -> None:
    config = autoscaling(SCALING)
    assert config.metrics_interval_s < config.look_back_period_s


def test_limits_that_contradict_each_other_are_still_a_deployment() -> None:
    config = autoscaling({**SCALING, "min_replicas": 5, "max_replicas": 2, "scale_down_after_s": 0.0})
    assert (config.min_replicas, config.max_replicas) == (5, 5)
    assert config.downscale_delay_s == 0.0
