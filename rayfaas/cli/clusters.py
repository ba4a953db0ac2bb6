"""`rayfaas cluster`: which Ray clusters have joined, and how others do."""

from __future__ import annotations

import click

from rayfaas.cli.group import Group
from rayfaas.cli.output import json_option, show_json, show_rows
from rayfaas.cli.worker_groups import add, create, delete, show, start, stop
from rayfaas.client import Client

_HEADINGS = {"cluster": "CLUSTER", "state": "STATE", "replicas": "REPLICAS", "reason": "WHY"}


@click.group(cls=Group)
def cluster() -> None:
    """List Ray clusters, let others join, remove them."""


for each in (create, add, show, start, stop, delete):
    cluster.add_command(each)


@cluster.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the clusters that have joined."""
    with Client() as client:
        show_rows(client.clusters(), _HEADINGS, as_json)


@cluster.command(name="join-token")
@click.option("--cluster", "name", help="What it will be called; cluster-1, cluster-2 and so on if not said.")
@json_option
def join_token(name: str | None, as_json: bool) -> None:
    """Print the command with which a Ray cluster joins. It works once, and for ten minutes."""
    with Client() as client:
        made = client.invite(name)
    if as_json:
        show_json(made)
        return
    click.echo(f"On any node of the Ray cluster, to have it join as {made['cluster']}:", err=True)
    click.echo(f"rayfaas join {made['token']}")


@cluster.command()
@click.argument("name")
@click.option("--now", is_flag=True, help="Do not wait for calls that run there.")
def remove(name: str, now: bool) -> None:
    """Let the calls on a cluster finish, delete what is ours there, and know it no more."""
    with Client() as client:
        client.remove_cluster(name, now)
    click.echo(f"{name} is removed.")
