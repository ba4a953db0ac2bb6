"""`rayfaas deploy`: publish the functions and classes in a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rayfaas.cli.output import json_option, show_json
from rayfaas.cli.plan import show_plan
from rayfaas.cli.terminal import STDERR
from rayfaas.client import Client
from rayfaas.deploy import Deployed, told
from rayfaas.errors import RayfaasError

if TYPE_CHECKING:
    from rich.status import Status


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
@click.option("--alias", default="live", show_default=True, help="The alias to move to the new version.")
@click.option("--team", help="The team that owns the functions, if their decorators do not say; else the token's.")
@click.option("-m", "--message", help="Why; kept with the version.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what would change and who calls it, and change nothing.")
@click.option("--force", is_flag=True, help="Also over what somebody else deployed since you did.")
@click.option("--breaking", is_flag=True, help="Also where it breaks who called it in the last 30 days.")
@click.option("--timeout", "deadline_s", type=float, default=300.0, show_default=True, help="Seconds it may take.")
@click.option("--upgrade", is_flag=True, help="Resolve the packages anew, instead of those of the version before.")
@json_option
def deploy(
    file: Path,
    names: tuple[str, ...],
    alias: str,
    team: str | None,
    message: str | None,
    only_plan: bool,
    force: bool,
    breaking: bool,
    deadline_s: float,
    upgrade: bool,
    as_json: bool,
) -> None:
    """Publish the functions in FILE that are decorated with @rayfaas.function, and the classes with @rayfaas.cls.

    Or only NAMES of them.

    Returns when new calls are answered by the new code. Where it does not import, nothing changes. Each is deployed by
    itself: where one fails, the others are live.
    """
    if only_plan:
        _plan(file, names, alias, team, as_json)
        return
    ended: list[dict[str, Any]] = []
    with Client() as client, STDERR.status(f"Deploying {file.name} …") as status, _each_told(ended):
        deployed = client.deploy_file(
            file,
            names,
            alias=alias,
            team=team,
            message=message,
            force=force,
            breaking=breaking,
            deadline_s=deadline_s,
            upgrade=upgrade,
            on_event=lambda event: _note(status, ended, event),
        )
    if as_json:
        show_json([_as_json(each) for each in deployed])
        return
    for each in deployed:
        click.echo(told(each))


def _plan(file: Path, names: tuple[str, ...], alias: str, team: str | None, as_json: bool) -> None:
    with Client() as client:
        plans = client.plan_file(file, names, alias=alias, team=team)
    if as_json:
        show_json(plans)
        return
    for each in plans:
        show_plan(each)


def _note(status: Status, ended: list[dict[str, Any]], event: dict[str, Any]) -> None:
    if event.get("event") == "progress":
        status.update(f"{event.get('phase', '')} {event.get('detail', '')} …")
    elif event.get("event") in ("live", "failed"):
        ended.append(event)


@contextmanager
def _each_told(ended: list[dict[str, Any]]) -> Iterator[None]:
    """Where one of several fails, say of each what became of it: the others are live all the same."""
    try:
        yield
    except RayfaasError:
        for event in ended if len(ended) > 1 else ():
            click.echo(_line(event), err=True)
        raise


def _line(event: dict[str, Any]) -> str:
    if event["event"] == "failed":
        return f"{event['function']} was not deployed: {event['detail']}"
    return f"{event['function']}:{event['version']} is {event['alias']}"


def _as_json(deployed: Deployed) -> dict[str, Any]:
    return {
        "function": deployed.function,
        "version": deployed.version,
        "alias": deployed.alias,
        "created": deployed.created,
        "took_ms": deployed.took_ms,
        "phases": deployed.phases,
        "revision": deployed.revision,
        "replaced": deployed.replaced,
        "environment": deployed.environment,
    }
