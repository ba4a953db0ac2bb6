"""`rayfaas cluster add`, `create`, `show`, `start`, `stop`, `delete`: the machines that a cluster may have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from rayfaas.cli.output import json_option, show_json, show_table
from rayfaas.client import Client
from rayfaas.cloud.providers import PROVIDERS
from rayfaas.errors import BadRequest, NotFound
from rayfaas.spec import parse
from rayfaas.worker_group import WorkerGroup

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HEADINGS = ["GROUP", "MACHINE", "STATE", "WHY"]
_CLUSTER = click.option("--cluster", default="local", show_default=True, help="Of which cluster.")
_PROVIDERS = [each for each in PROVIDERS if each != "memory"]
# The options that say where machines come from, by their names in `rayfaas.worker_group.Placement`.
_PLACEMENT = ("provider", "type", "place", "image", "spot", "disk_gb")


@click.command()
@click.argument("name")
@_CLUSTER
@click.option("--cpus", type=float, help="CPUs of each machine; 1 if not said.")
@click.option("--gpus", type=float, help="GPUs of each; of the provider `local` as many as you say.")
@click.option("--memory-mb", type=int, help="Memory of each that functions may ask for.")
@click.option("--accelerator", help="What Ray calls its GPUs, as A10G.")
@click.option("--min", type=int, help="So many are always up; 0 if not said.")
@click.option("--max", type=int, help="So many at most; 1 if not said.")
@click.option("--keep-alive", help="How long one without a call is kept: 90s, 10m, learned or never.")
@click.option("--when-idle", type=click.Choice(["stop", "terminate"]), help="What becomes of it then.")
@click.option("--lifetime", help="None is older than this, even with calls on it: 12h.")
@click.option("--up", multiple=True, help='Hours in which one is up, UTC: "mon-fri 08:00-18:00".')
@click.option("--provider", type=click.Choice(_PROVIDERS), help="Whose machines; processes of this one if not said.")
@click.option("--type", help="Which of its machines, as g5.2xlarge.")
@click.option("--place", "--region", "--zone", help="Where, in the provider's own words, as us-east-1.")
@click.option("--image", help="What is on its disk, in the provider's own words.")
@click.option("--spot", is_flag=True, default=None, help="Cheaper ones that the provider may take back.")
@click.option("--disk-gb", type=int, help="How large its disk is.")
def add(name: str, **options: Any) -> None:
    """Let a cluster have machines: NAME is the worker group's. They start when calls need them.

    The same again changes the group. For several places, the next where the first has none: `rayfaas cluster create`.
    """
    given = {option: value for option, value in options.items() if value not in (None, ())}
    placement = {option: given.pop(option) for option in _PLACEMENT if option in given}
    if placement:
        if "provider" not in placement:
            raise BadRequest(f"--{next(iter(placement)).replace('_', '-')} needs --provider: whose machine it is.")
        given["placements"] = [placement]
    group: WorkerGroup = parse(WorkerGroup, {"name": name, **given}, "The worker group")
    with Client() as client:
        client.set_group(group)
    click.echo(f"{group.cluster} has up to {group.max} of {name}; none is started before it is needed.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def create(file: Path) -> None:
    """Let a cluster have the worker groups that a TOML file says; one of its tables is [groups.NAME]."""
    groups = groups_in(file)
    with Client() as client:
        for group in groups:
            client.set_group(group)
    click.echo(f"{', '.join(f'{group.cluster}/{group.name}' for group in groups)}: set.")


@click.command()
@click.argument("cluster", default="local")
@json_option
def show(cluster: str, as_json: bool) -> None:
    """Show the worker groups of CLUSTER, their machines, and why each is as it is."""
    with Client() as client:
        found = client.groups(cluster)
        if as_json:
            show_json(found)
            return
        known = {each["cluster"]: each for each in client.clusters()}
    if not found and cluster not in known:
        raise NotFound(f"There is no cluster {cluster}. `rayfaas cluster list` shows them.")
    if told := known.get(cluster):
        click.echo(": ".join(filter(None, (f"{cluster} is {told['state']}", told.get("reason")))) + "\n")
    show_table(_HEADINGS, [row for group in found for row in _rows(group)])


@click.command()
@click.argument("group")
@_CLUSTER
@click.option("--number", default=1, show_default=True, help="How many.")
@click.option("--for", "length", default="1h", show_default=True, help="How long they stay, whether anybody calls.")
def start(group: str, cluster: str, number: int, length: str) -> None:
    """Start machines of GROUP before anybody calls, or all of a cluster, as `local`: its head."""
    with Client() as client:
        if group == cluster:
            client.start_cluster(cluster, length)
            click.echo(f"{cluster} is up for {length}; `rayfaas cluster show {cluster}` tells how far it is.")
            return
        client.warm(cluster, group, number, length)
    click.echo(f"{number} of {group} are up for {length}; `rayfaas cluster show {cluster}` tells how far they are.")


@click.command()
@click.argument("machine")
@_CLUSTER
@click.option("--now", is_flag=True, help="Its calls have ten minutes to end, and it takes no others.")
def stop(machine: str, cluster: str, now: bool) -> None:
    """Stop MACHINE when nothing is on it, or all of a cluster, as `local`: its head, too. A call starts it again."""
    with Client() as client:
        if machine == cluster:
            client.stop_cluster(cluster, now)
        else:
            client.stop(cluster, machine, now)
    click.echo(f"{machine} is to stop; `rayfaas cluster show {cluster}` tells when it has.")


@click.command()
@click.argument("group")
@_CLUSTER
def delete(group: str, cluster: str) -> None:
    """Have no machines of GROUP any more: each ends when nothing is on it."""
    with Client() as client:
        client.delete_group(cluster, group)
    click.echo(f"{group} is deleted; its machines end when nothing is on them.")


def groups_in(file: Path) -> list[WorkerGroup]:
    """Raises `BadRequest` that names what is wrong."""
    try:
        told = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadRequest(f"{file} can't be read: {error}") from None
    tables = told.get("groups")
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise BadRequest(f"{file}: write each worker group under [groups.NAME].")
    cluster = told.get("cluster", "local")
    return [
        parse(WorkerGroup, {"cluster": cluster, "name": name, **table}, f"{file}: groups.{name}")
        for name, table in tables.items()
    ]


def _rows(group: dict[str, Any]) -> list[list[Any]]:
    kept = group["keep_alive_s"]
    size = f"{group['gpus']:g} GPU, {group['cpus']:g} CPU; {group['kept']} to {group['max']}"
    rows = [[group["name"], "", size, f"kept {kept:.0f} s" if kept is not None else "never stopped"]]
    return rows + [["", node["name"], node["state"], _why(node)] for node in group["nodes"]]


def _why(node: dict[str, Any]) -> str:
    """Why it is as it is, and what keeps it from being otherwise."""
    return "; ".join(filter(None, (node["reason"], node.get("trouble"))))
