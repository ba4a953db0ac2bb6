"""The agent: one per cluster, in the Serve application `rayfaas`. It dials the controller and does what it asks through
Ray Serve's API: create, update and delete the deployments of functions, keep demand alive at zero, report."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import ray
from ray import serve

from rayfaas.cluster.hosting import HostConfig
from rayfaas.cluster.replica import supervisors
from rayfaas.cluster.scaling import autoscaling
from rayfaas.link import Link, Service, keep_link

_log = logging.getLogger("rayfaas.agent")

# The deployment's name in every application of ours. Applications without it are others' and never touched.
SUPERVISOR = "rayfaas-supervisor"
WAKE_AGAIN_S = 1.0


class Agent(Service):
    """A Ray Serve deployment with exactly one replica. It holds Warm's handle, which makes them one application."""

    async def __init__(self, config: HostConfig, warm: Any) -> None:  # type: ignore[misc] # Serve awaits it
        super().__init__(
            {
                "ensure": self._ensure,
                "wake": self._wake,
                "delete": self._delete,
                "applications": self._applications,
                "nodes": self._nodes,
            }
        )
        logging.getLogger("rayfaas").setLevel(logging.INFO)
        self._config, self._warm = config, warm
        self._serve_api = asyncio.Lock()  # one change at a time: each is a request to Serve's controller
        self._waking: dict[str, asyncio.Task[None]] = {}
        identity = {"role": "agent", "cluster": self._config.cluster}
        self._keeping = asyncio.ensure_future(
            keep_link(self._config.controller, identity, self._config.session_key, self)
        )

    def on_open(self, link: Link) -> None:
        link.notify("agent_up")

    # What the controller asks

    async def _ensure(self, link: Link, application: str, shape: dict[str, Any], scaling: dict[str, Any]) -> None:
        """Have an application with this shape and scaling; nothing happens where it is so already."""
        config = msgspec.structs.replace(self._config, application=application)
        target = supervisors(
            SUPERVISOR, config, ray_actor_options=actor_options(shape), autoscaling_config=autoscaling(scaling)
        )
        async with self._serve_api:
            await asyncio.to_thread(_run, target, application)

    async def _wake(self, link: Link, application: str) -> None:
        """Keep a request waiting on the application's handle until it has a replica."""
        if application not in self._waking:
            task = asyncio.ensure_future(self._keep_waking(application))
            self._waking[application] = task
            task.add_done_callback(lambda _: self._waking.pop(application, None))

    async def _delete(self, link: Link, application: str) -> None:
        async with self._serve_api:
            if application in await asyncio.to_thread(our_applications):
                await asyncio.to_thread(serve.delete, application, _blocking=False)

    async def _applications(self, link: Link) -> dict[str, Any]:
        return await asyncio.to_thread(our_applications)

    async def _nodes(self, link: Link) -> list[dict[str, Any]]:
        nodes = await asyncio.to_thread(ray.nodes)
        return [
            {
                "node": node["NodeID"],
                "address": node["NodeManagerAddress"],
                "alive": node["Alive"],
                "resources": {k: v for k, v in node["Resources"].items() if k in ("CPU", "GPU", "memory")},
            }
            for node in nodes
        ]

    async def _keep_waking(self, application: str) -> None:
        while True:
            try:
                await serve.get_app_handle(application).wake.remote()
                return
            except Exception as error:  # noqa: BLE001 its replica died, or the application is deleted, or not yet known
                _log.info("wake of %s failed: %s", application, error)
            await asyncio.sleep(WAKE_AGAIN_S)
            if application not in await asyncio.to_thread(our_applications):
                return


def actor_options(shape: dict[str, Any]) -> dict[str, Any]:
    """Ray's options for a `rayfaas.spec.Shape`."""
    options: dict[str, Any] = {"num_cpus": shape["cpus"], "num_gpus": shape["gpus"]}
    if shape["memory_mb"]:
        options["memory"] = shape["memory_mb"] * 1024 * 1024
    return options


def our_applications() -> dict[str, Any]:
    """The applications of functions on this cluster: status and replicas running, by name."""
    status = serve.status()
    return {
        name: {
            "status": str(application.status.value),
            "replicas": sum(application.deployments[SUPERVISOR].replica_states.values()),
            "message": application.message or application.deployments[SUPERVISOR].message,
        }
        for name, application in status.applications.items()
        if SUPERVISOR in application.deployments
    }


def _run(target: Any, name: str) -> None:
    serve.run_many(
        [serve.RunTarget(target, name=name, route_prefix=None)],
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )
