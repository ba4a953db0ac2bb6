"""`rayfaas nodes`: the machines of all clusters."""

from __future__ import annotations

import click

from rayfaas.cli.group import Group
from rayfaas.cli.output import json_option, show_json, show_table
from rayfaas.cli.status import resources_of, short
from rayfaas.client import Client


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def nodes(context: click.Context, as_json: bool) -> None:
    """List the nodes of all clusters, or drain one."""
    if context.invoked_subcommand is not None:
        return
    with Client() as client:
        found = client.nodes()
    if as_json:
        show_json(found)
        return
    rows = [
        [n["cluster"], short(n["node"]), n["address"], n["state"], resources_of(n["resources"]), n["replicas"]]
        for n in found
    ]
    show_table(["CLUSTER", "NODE", "ADDRESS", "STATE", "RESOURCES", "REPLICAS"], rows)


@nodes.command()
@click.argument("group")
@click.option("--cluster", default="local", show_default=True, help="Of which cluster.")
@click.option("--number", default=1, show_default=True, help="How many.")
@click.option("--for", "length", required=True, help="How long: 2h.")
def warm(group: str, cluster: str, number: int, length: str) -> None:
    """Have machines of a worker GROUP up for a time, whether anybody calls or not."""
    with Client() as client:
        client.warm(cluster, group, number, length)
    click.echo(f"{number} of {group} are up for {length}.")


@nodes.command()
@click.argument("machine")
@click.option("--cluster", default="local", show_default=True, help="Of which cluster.")
@click.option("--for", "length", required=True, help="How long: 2h.")
def hold(machine: str, cluster: str, length: str) -> None:
    """Do not stop MACHINE for a time, as for a notebook on it."""
    with Client() as client:
        client.hold(cluster, machine, length)
    click.echo(f"{machine} is not stopped for {length}.")


@nodes.command()
@click.argument("node")
def drain(node: str) -> None:
    """Have everything leave NODE, an id or its beginning: calls finish, functions go to other nodes, then it ends."""
    with Client() as client:
        drained = client.drain_node(node)
    click.echo(f"{short(drained['node'])} of {drained['cluster']} is draining; `rayfaas nodes` tells when it is down.")
