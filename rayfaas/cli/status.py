"""`rayfaas status`: what runs."""

from __future__ import annotations

from typing import Any

import click

from rayfaas.cli.output import json_option, show_json, show_table
from rayfaas.client import Client

_MOST_HOSTS = 5


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show the server's processes, its clusters, and which replica hosts what."""
    with Client() as client:
        found = client.status()
        if as_json:
            show_json(found)
            return
        click.echo(f"Server at {client.config.url}, {len(found['gateways'])} gateway(s)\n")
    if (head := found.get("head", {})).get("state", "RUNNING") != "RUNNING":
        click.echo(f"Cluster {head['cluster']} is {head['state']}: {head['reason']}\n")
    show_table(["CLUSTER", "NODE", "STATE", "RESOURCES"], _nodes(found))
    click.echo()
    show_table(["APPLICATION", "REPLICA", "NODE", "HOSTS"], _replicas(found))
    if deployments := _deployments(found):
        click.echo()
        show_table(["DEPLOYMENT", "CLUSTER", "STATE", "REPLICAS", "MAY BE"], deployments)


def _nodes(found: dict[str, Any]) -> list[list[Any]]:
    return [row for cluster in found["clusters"] for row in _nodes_of(cluster)]


def _nodes_of(cluster: dict[str, Any]) -> list[list[Any]]:
    """There is one at least, wherever a cluster answers."""
    return [
        [cluster["cluster"], short(node["node"]), node["state"], resources_of(node["resources"])]
        for node in cluster["nodes"]
    ] or [[cluster["cluster"], "", "does not answer", ""]]


def _replicas(found: dict[str, Any]) -> list[list[Any]]:
    return [
        [each["application"], each["replica"], short(each["node"]), _hosts(sorted(each["hosted"]))]
        for each in found["replicas"]
    ]


def _hosts(versions: list[str]) -> str:
    """The first of them, and how many more: a warm replica may host hundreds.

    >>> _hosts(["a:1", "b:2"])
    'a:1, b:2'
    """
    more = len(versions) - _MOST_HOSTS
    return ", ".join(versions[:_MOST_HOSTS]) + (f" and {more} more (--json has all)" if more > 0 else "")


def _deployments(found: dict[str, Any]) -> list[list[Any]]:
    """Those that functions have of their own; one at zero has no replica to be listed above."""
    scalings = found.get("scalings", {})
    return [
        [name, cluster["cluster"], each["status"], each["replicas"], scalings.get(name, "")]
        for cluster in found["clusters"]
        for name, each in sorted(cluster["applications"].items())
    ]


def resources_of(resources: dict[str, float]) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in sorted(resources.items()) if name != "memory")


def short(identifier: str) -> str:
    return identifier[:12]
