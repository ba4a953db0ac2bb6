"""How many replicas a function's deployment should have: the policy that Ray Serve's autoscaler asks.

Calls do not pass through Ray Serve, so its own counts know nothing of them: the supervisors report the calls in flight
and waiting (`record_autoscaling_stats`), which the gateways counted. At zero replicas nobody reports; the agent then
keeps a request on the deployment's handle waiting, which Serve counts itself.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

CALLS = "rayfaas_calls"


class CallsPolicy:
    """Enough replicas for `target_concurrency` calls each; the last one stays until nobody has called for a while."""

    def __init__(self, target_concurrency: float) -> None:
        self._target = target_concurrency

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        reported = (context.aggregated_metrics or {}).get(CALLS, {})
        calls = max(reported.values(), default=0.0)
        waiting_for_first = 1 if context.total_queued_requests else 0
        return desired_replicas(calls, self._target, waiting_for_first), {}


def desired_replicas(calls: float, target_concurrency: float, at_least: int) -> int:
    """`calls` is how many are in flight or waiting, everywhere.

    >>> desired_replicas(5, 2.0, 0)
    3
    """
    return max(at_least, math.ceil(calls / target_concurrency - 1e-9))


def autoscaling(scaling: dict[str, Any], replicas: int = 1) -> AutoscalingConfig:
    """Ray Serve's configuration for a `rayfaas.spec.Scaling`. A new deployment begins with so many replicas."""
    most = max(scaling["max_replicas"], scaling["min_replicas"], 1)
    policy = AutoscalingPolicy(  # type: ignore[no-untyped-call]
        policy_function=CallsPolicy, policy_kwargs={"target_concurrency": scaling["target_concurrency"]}
    )
    with warnings.catch_warnings():
        # Ray 2.60 calls `metrics_interval_s` deprecated, and still obeys nothing else: without it replicas report every
        # 10 s, and a load is answered by a second replica after 10 s more.
        warnings.simplefilter("ignore", DeprecationWarning)
        return AutoscalingConfig(
            min_replicas=scaling["min_replicas"],
            initial_replicas=min(most, max(replicas, scaling["min_replicas"])),
            max_replicas=most,
            policy=policy,
            # A short window: the supervisors report totals that are smoothed enough by their number.
            metrics_interval_s=0.5,
            look_back_period_s=2.0,
            upscale_delay_s=0.5,
            downscale_delay_s=min(30.0, scaling["scale_down_after_s"]),
            downscale_to_zero_delay_s=scaling["scale_down_after_s"],
        )
