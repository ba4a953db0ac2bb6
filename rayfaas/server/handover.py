"""From Warm to a deployment of its own: what a function that is called more and more runs on meanwhile.

A replica takes seconds to come up, an executor beside another milliseconds. So Warm runs a few of a version while its
deployment comes up, and lets go of them when that can do without: a step of load waits for forks, not for replicas.
"""

from __future__ import annotations

import math

from rayfaas.server.catalog import Version
from rayfaas.spec import Scaling

# Warm runs as many executors of one version as have so many CPUs by what the version declares.
WARM_CPUS = 1.0
_LEAST_CPUS = 0.1


def warm_executors(version: Version, scaling: Scaling, calls: float) -> int:
    """How many Warm should have, where so many calls are in flight or wait.

    One, where each may use a whole CPU: Ray knows nothing of what runs on Warm.
    """
    room = int(WARM_CPUS / max(version.spec.shape.cpus, _LEAST_CPUS) + 1e-9)
    return max(1, min(room, scaling.max_replicas, replicas_for(calls, scaling)))


def can_take_over(replicas: int, scaling: Scaling, calls: float) -> bool:
    """Whether so many replicas of its own are enough, or all that there may be."""
    return replicas > 0 and replicas >= min(scaling.max_replicas, replicas_for(calls, scaling))


def replicas_for(calls: float, scaling: Scaling) -> int:
    """As Ray Serve's autoscaler is told to count (`rayfaas.cluster.scaling`)."""
    return math.ceil(calls / scaling.target_concurrency - 1e-9)
