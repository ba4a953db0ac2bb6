"""Makes a Ray cluster one of ours: joins the controller and runs the persistent Serve application `rayfaas`.

    RAYFAAS_JOIN=ID:SECRET python -m rayfaas.cluster.application --address HOST:PORT --controller unix:PATH --cache DIR

The join token works once. It ends when Ray Serve has taken the application; the cluster then keeps it running.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Collection, Iterator

import click
import ray
from ray import serve
from ray._private.services import find_gcs_addresses

from rayfaas.cluster.agent import APPLICATION, Agent
from rayfaas.cluster.hosting import HostConfig
from rayfaas.cluster.nodes import ON_HEAD, away_from_gpus, ray_nodes
from rayfaas.cluster.replica import CHECK_S, supervisors
from rayfaas.errors import RayfaasError
from rayfaas.link import Service, dial_link

WARM = "warm"
AGENT = "Agent"


async def knock(controller: str, join_id: str, secret: bytes) -> None:
    """See that the controller is there and would take the token, which is not spent."""
    (await dial_link(controller, {"role": "join", "join": join_id}, secret, Service({}))).close()


async def join(controller: str, join_id: str, secret: bytes) -> tuple[str, bytes]:
    """Trade a join token for the cluster's name and session key."""
    link = await dial_link(controller, {"role": "join", "join": join_id}, secret, Service({}))
    try:
        granted = await link.request("join", timeout_s=30.0)
    finally:
        link.close()
    return granted["cluster"], granted["session_key"]


def run_application(config: HostConfig) -> None:
    """Have Serve run the agent and a warm supervisor; both cost no CPU of Ray's count, so that functions get it all."""
    no_cpu = {"num_cpus": 0, "label_selector": away_from_gpus(ray_nodes(), 0, 0)}
    warm = supervisors("Warm", config, num_replicas=1, ray_actor_options=no_cpu)
    on_head = {"num_cpus": 0, "resources": ON_HEAD}
    agent = serve.deployment(Agent, name=AGENT).options(  # type: ignore[attr-defined]
        num_replicas=1, ray_actor_options=on_head, health_check_period_s=CHECK_S, max_ongoing_requests=1000
    )
    serve.start(proxy_location="Disabled")
    serve.run_many(
        [serve.RunTarget(agent.bind(config, warm), name=APPLICATION, route_prefix=None)],
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )


def check_is_one(addresses: Collection[str]) -> None:
    """Raises `ClickException` where several clusters run on this machine, and none was named: Ray would take the one
    that was started last, as the server's own, which is not to join once more."""
    if len(addresses) > 1:
        raise click.ClickException(
            f"Several Ray clusters run on this machine, at {', '.join(sorted(addresses))}. Say which is to join: "
            "rayfaas join TOKEN --address HOST:PORT"
        )


def check_name_is_free() -> None:
    """Raises `ClickException` where an application that is not ours has the name of ours."""
    found = serve.status().applications.get(APPLICATION)
    if found is not None and AGENT not in found.deployments:
        raise click.ClickException(
            f"This cluster runs a Serve application {APPLICATION!r} that is not rayfaas's. It is left alone: delete or "
            "rename it, then join."
        )


@click.command()
@click.option("--address", required=True, help="Address of the Ray cluster's head.")
@click.option("--controller", required=True, help="Where the controller listens (`rayfaas.address`).")
@click.option("--away-controller", default="", help="The same for nodes on other machines; else all use that.")
@click.option("--cache", required=True, help="Directory on each node for unpacked bundles and environments.")
@click.option("--pass-env", multiple=True, help="Variables of the nodes that functions may see, as NAME or AWS_*.")
@click.option("--environments-gb", type=float, default=50.0, help="Disk that environments may use on a node.")
@click.option("--join-from-input", is_flag=True, help="Read the join token from standard input, when the head is up.")
def main(
    address: str,
    controller: str,
    away_controller: str,
    cache: str,
    pass_env: tuple[str, ...],
    environments_gb: float,
    join_from_input: bool,
) -> None:
    logging.basicConfig(level=logging.INFO)
    token = sys.stdin.read() if join_from_input else os.environ.pop("RAYFAAS_JOIN", "")
    join_id, _, secret = token.partition(":")
    if not secret:
        raise click.UsageError("RAYFAAS_JOIN must hold the join token.")
    check_is_one(find_gcs_addresses() if address == "auto" else ())  # type: ignore[no-untyped-call]
    given = (controller, join_id, bytes.fromhex(secret))
    with _explained(controller):
        asyncio.run(knock(*given))
    try:
        ray.init(address=address, namespace="serve", log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise click.ClickException(f"No Ray cluster answers at {address}: {error}") from None
    check_name_is_free()
    with _explained(controller):
        cluster, session_key = asyncio.run(join(*given))
    config = HostConfig(controller, cluster, session_key, WARM, cache, pass_env, environments_gb, away_controller)
    run_application(config)
    click.echo(f"This Ray cluster has joined as {cluster}.")


@contextlib.contextmanager
def _explained(controller: str) -> Iterator[None]:
    try:
        yield
    except (OSError, asyncio.TimeoutError, RayfaasError) as error:
        reason = str(error) or "it did not answer in time"
        raise click.ClickException(f"The controller at {controller} did not let this cluster join: {reason}") from None


if __name__ == "__main__":
    main()
