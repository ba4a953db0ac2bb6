"""Ray Serve as its guide to high throughput says: HAProxy, direct ingress, throughput optimizations.

https://docs.ray.io/en/master/kuberay/user-guides/serve-high-throughput.html
"""

from __future__ import annotations

from benchmarks.endpoint import Endpoint
from benchmarks.systems import serve_default
from benchmarks.systems.system import System
from benchmarks.turn import Turn

HIGH_THROUGHPUT = {
    **serve_default.QUIET,
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
}


def start(turn: Turn) -> Endpoint:
    return serve_default.start(turn, HIGH_THROUGHPUT)


SYSTEM = System(
    name="Ray Serve, HAProxy",
    distribution="ray",
    configuration="as the default, with HAProxy, direct ingress and RAY_SERVE_THROUGHPUT_OPTIMIZED",
    start=start,
)
