"""The agent: one per cluster, in the Serve application `rayfaas`. It dials the controller and does what it asks through
Ray Serve's API: create, update and delete the deployments of functions, keep demand alive at zero, report."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import msgspec
import ray
from ray import serve

from rayfaas.cluster.hosting import HostConfig
from rayfaas.cluster.nodes import away_from_gpus, describe_nodes, drain_node, ray_nodes
from rayfaas.cluster.replica import supervisors
from rayfaas.cluster.scaling import autoscaling
from rayfaas.cluster.surroundings import ray_variables
from rayfaas.cluster.view import cluster_view, drain
from rayfaas.link import Link, Service, keep_link

_log = logging.getLogger("rayfaas.agent")

# The application that the agent itself is in.
APPLICATION = "rayfaas"
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
                "drain_node": self._drain_node,
                "leave": self._leave,
                "view": self._view,
                "end_node": self._end_node,
                "head": self._head,
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

    async def _ensure(
        self, link: Link, application: str, shape: dict[str, Any], scaling: dict[str, Any], replicas: int = 1
    ) -> None:
        """Have an application with this shape and scaling; nothing happens where it is so already. A new one begins
        with so many replicas."""
        config = msgspec.structs.replace(self._config, application=application)
        options = actor_options(shape, await asyncio.to_thread(ray_nodes))
        async with self._serve_api:
            await asyncio.to_thread(_run, application, config, options, autoscaling(scaling, replicas))

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
        return await asyncio.to_thread(describe_nodes)

    async def _drain_node(self, link: Link, node: str, reason: str) -> None:
        await asyncio.to_thread(drain_node, node, reason)

    async def _view(self, link: Link) -> dict[str, Any]:
        return await asyncio.to_thread(cluster_view)

    async def _end_node(self, link: Link, attempt: str, force: bool, reason: str) -> bool:
        return await asyncio.to_thread(drain, attempt, force, reason)

    async def _head(self, link: Link) -> dict[str, str]:
        """The variables with which a machine joins this Ray cluster."""
        return ray_variables(os.environ, ray.get_runtime_context().gcs_address)

    async def _leave(self, link: Link) -> None:
        """Delete what is ours on this cluster, this application last."""
        for application in await asyncio.to_thread(our_applications):
            await self._delete(link, application)
        await asyncio.to_thread(serve.delete, APPLICATION, _blocking=False)

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


def actor_options(shape: dict[str, Any], nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Ray's options for a `rayfaas.spec.Shape`, where the cluster has these nodes (`ray_nodes`)."""
    memory = shape["memory_mb"] * 1024 * 1024
    options: dict[str, Any] = {"num_cpus": shape["cpus"], "num_gpus": shape["gpus"]}
    if memory:
        options["memory"] = memory
    if shape["accelerator"]:
        options["accelerator_type"] = shape["accelerator"]
    if shape["resources"]:
        options["resources"] = shape["resources"]
    says_where = shape["gpus"] or shape["accelerator"] or shape["resources"]
    if not says_where and (selector := away_from_gpus(nodes, shape["cpus"], memory)):
        options["label_selector"] = selector
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


def _run(name: str, config: HostConfig, options: dict[str, Any], scaling: Any) -> None:
    # Not beside another one: both tell Ray, for a moment, to pickle modules of Serve by value.
    target = supervisors(SUPERVISOR, config, ray_actor_options=options, autoscaling_config=scaling)
    serve.run_many(
        [serve.RunTarget(target, name=name, route_prefix=None)],
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )
