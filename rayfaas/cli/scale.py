"""`rayfaas scale` and `delete`: what is done to a function without a deploy."""

from __future__ import annotations

from typing import Any

import click

from rayfaas.cli.output import json_option, show_json
from rayfaas.client import Client
from rayfaas.durations import seconds_of


@click.command()
@click.argument("function")
@click.option("--min", "min_replicas", type=click.IntRange(0), help="Replicas that are there though nobody calls.")
@click.option("--max", "max_replicas", type=click.IntRange(1), help="At most so many.")
@click.option("--target", "target_concurrency", type=float, help="Calls in flight that one replica is to carry.")
@click.option("--down-after", help="How long one without calls is kept: 90s, 15m, 12h.")
@click.option("-m", "--message", default="", help="Why; kept in the audit.")
@json_option
def scale(function: str, down_after: str | None, message: str, as_json: bool, **asked: Any) -> None:
    """Change how FUNCTION scales, at once and without a deploy: `rayfaas scale embed --min 1 --max 8`."""
    after_s = seconds_of(down_after) if down_after is not None else None
    if after_s is None and all(value is None for value in asked.values()):
        raise click.UsageError("Say what is to change: --min, --max, --target or --down-after.")
    with Client() as client:
        scaled = client.scale(function, **asked, scale_down_after_s=after_s, message=message)
    if as_json:
        show_json(scaled)
        return
    where = f", in force on {', '.join(scaled['clusters'])}" if scaled["clusters"] else ""
    click.echo(f"{scaled['function']} has {scaling_of(scaled['scaling'])} now{where}.")


@click.command()
@click.argument("function")
@click.option("-m", "--message", default="", help="Why; callers are told.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(function: str, message: str, yes: bool, as_json: bool) -> None:
    """Delete FUNCTION, or with FUNCTION:3 one version that no alias leads to.

    Calls under way finish, new ones are answered 404 with the reason. Its history stays, and a deploy brings it back.
    """
    if not yes:
        click.confirm(f"Delete {function}?", abort=True, err=True)
    with Client() as client:
        deleted = client.delete(function, message=message)
    if as_json:
        show_json(deleted)
    else:
        click.echo(deleted["detail"])


def scaling_of(scaling: dict[str, Any]) -> str:
    """A scaling in words.

    >>> scaling_of({"min_replicas": 1, "max_replicas": 8, "target_concurrency": 2.0, "scale_down_after_s": 300.0})
    '1 to 8 replicas, one for 2 calls, kept 300 s'
    """
    return (
        f"{scaling['min_replicas']} to {scaling['max_replicas']} replicas, one for "
        f"{scaling['target_concurrency']:g} calls, kept {scaling['scale_down_after_s']:g} s"
    )
