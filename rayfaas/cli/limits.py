"""`rayfaas limit` and `limits`: what teams, principals and functions may use."""

from __future__ import annotations

import click

from rayfaas.cli.output import json_option, show_json, show_rows
from rayfaas.client import Client
from rayfaas.limit import KINDS

_HEADINGS = {
    "kind": "KIND",
    "name": "NAME",
    "calls_per_s": "CALLS/S",
    "concurrency": "AT ONCE",
    "gpu_s_per_day": "GPU S/DAY",
    "weight": "WEIGHT",
}


@click.command()
@json_option
def limits(as_json: bool) -> None:
    """List what teams, principals and functions may use."""
    with Client() as client:
        show_rows(client.limits(), _HEADINGS, as_json)


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option("--calls", type=float, help="Calls per second.")
@click.option("--concurrency", type=int, help="Calls at once, waiting ones included.")
@click.option("--gpu-seconds", type=float, help="GPU time of a day (UTC).")
@click.option("--weight", type=float, help="Of a team: turns where teams wait for the same function.")
@click.option("--none", "is_none", is_flag=True, help="Drop the limit.")
@click.option("-m", "--message", default="", help="Why; kept in the audit.")
@json_option
def limit(
    kind: str,
    name: str,
    calls: float | None,
    concurrency: int | None,
    gpu_seconds: float | None,
    weight: float | None,
    is_none: bool,
    message: str,
    as_json: bool,
) -> None:
    """Say what the team, principal or function NAME may use: `rayfaas limit team ads --calls 100`.

    What is not said is not limited; it takes the place of what was said before.
    """
    said = {"calls_per_s": calls, "concurrency": concurrency, "gpu_s_per_day": gpu_seconds, "weight": weight}
    if is_none == any(value is not None for value in said.values()):
        raise click.UsageError("Say what it may use, --calls, --concurrency, --gpu-seconds or --weight; or --none.")
    with Client() as client:
        if is_none:
            client.drop_limit(kind, name, message)
            click.echo(f"The {kind} {name} has no limit.")
            return
        made = client.set_limit(
            kind,
            name,
            calls_per_s=calls,
            concurrency=concurrency,
            gpu_s_per_day=gpu_seconds,
            weight=1.0 if weight is None else weight,
            message=message,
        )
    if as_json:
        show_json(made)
    else:
        show_rows([made], _HEADINGS, False)
