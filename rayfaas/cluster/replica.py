"""The supervisor as a Ray Serve replica: what Serve places, counts, checks and restarts."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from importlib import metadata
from typing import Any

import msgspec
import ray
from ray import serve

from rayfaas.cluster.hosting import Host, HostConfig
from rayfaas.cluster.scaling import CALLS
from rayfaas.cluster.supervisor import Site
from rayfaas.cluster.termination import Termination
from rayfaas.environment import digest_of

# How long calls may go on when their replica is to end.
DRAIN_S = 600.0
# After so long Serve kills it.
GRACE_S = DRAIN_S + 10
# How often Serve asks whether a replica lives: so long one that was killed may be missed.
CHECK_S = 1.0


class Replica:
    """One replica of `Warm` or of a function's deployment."""

    async def __init__(self, config: HostConfig) -> None:  # type: ignore[misc] # Serve awaits it
        logging.getLogger("rayfaas").setLevel(logging.INFO)
        context = ray.get_runtime_context()
        labels: Any = context.get_node_labels()
        self._host = Host(config.on(labels), here(config.cluster), context.gcs_address)
        await self._host.start()
        self._termination = Termination()
        self._termination.watch()
        self._ending = asyncio.ensure_future(self._end_when_told())

    def check_health(self) -> None:
        """Asked by Serve, which puts another in the place of one that says no, and lets it end in order."""
        if self._termination.told.is_set():
            raise RuntimeError("This replica was told to end, by SIGTERM: it finishes its calls and takes no others.")

    def record_autoscaling_stats(self) -> dict[str, float]:
        return {CALLS: self._host.calls}

    async def wake(self) -> bool:
        """Answered by the first replica that is up: who waits for it keeps demand alive while there is none."""
        return True

    async def __del__(self) -> None:
        """Serve calls and awaits this before it ends the replica."""
        await self._host.stop(DRAIN_S)

    async def _end_when_told(self) -> None:
        await self._termination.told.wait()
        await self._host.stop(DRAIN_S)
        self._termination.obey()


def here(cluster: str) -> Site:
    """Where this replica is."""
    context = ray.get_runtime_context()
    return Site(
        cluster=cluster,
        node=context.get_node_id(),
        replica=serve.get_replica_context().replica_id.unique_id,
        hardware=hardware(),
    )


def hardware() -> str:
    """What the machine is, in a line: architecture, cores, GPU of this replica."""
    gpus = ",".join(str(g) for g in ray.get_gpu_ids())
    accelerators = ray.get_runtime_context().get_accelerator_ids() if gpus else {}
    kinds = "+".join(kind for kind, ids in accelerators.items() if ids)
    return f"{platform.machine()}/{os.cpu_count()}cpu" + (f"/{kinds}" if kinds else "")


def supervisors(name: str, config: HostConfig, **options: Any) -> Any:
    """A Ray Serve deployment of replicas, bound to its config. Deployed again as it is, its replicas go on."""
    deployment = serve.deployment(Replica, name=name).options(  # type: ignore[attr-defined]
        # Without a version of its own Serve invents one at each deploy, and replaces every replica by its like.
        version=digest_of([metadata.version("rayfaas"), msgspec.to_builtins(config)]),
        _internal=True,
        # Calls go past Serve; only `wake` comes through its handles.
        max_ongoing_requests=1000,
        graceful_shutdown_timeout_s=GRACE_S,
        graceful_shutdown_wait_loop_s=0.1,
        health_check_period_s=CHECK_S,
        health_check_timeout_s=30,
        **options,
    )
    return deployment.bind(config)
