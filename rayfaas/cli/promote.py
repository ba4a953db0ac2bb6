"""`rayfaas promote`: a version becomes what an alias means, at once or step by step, watched by its recorded calls."""

from __future__ import annotations

import sys
from typing import Any

import click

from rayfaas.cli.output import json_option, show_json
from rayfaas.cli.terminal import STDERR
from rayfaas.cli.values import parse_duration, parse_share
from rayfaas.client import Client
from rayfaas.names import LIVE

_ENDS = {"PROMOTED": 0}
_NOT_PROMOTED = 1


@click.command()
@click.argument("function")
@click.argument("version", type=int, required=False)
@click.option("--alias", "name", default=LIVE, show_default=True, help="The alias that is to lead there.")
@click.option("--canary", "steps", help="Steps in percent of the calls: 5,25,100. Without it all go there at once.")
@click.option("--every", default="60s", show_default=True, help="How long a step lasts.")
@click.option("--max-error-rate", default="1%", show_default=True, help="More failed calls than that: it returns.")
@click.option("--max-p99-increase", help="A p99 so much above the other versions': it returns. 20%, say.")
@click.option("--min-calls", type=int, default=100, show_default=True, help="A step waits for so many calls.")
@click.option("--limit", default="1h", show_default=True, help="How long it waits for them; then it returns.")
@click.option("-m", "--message", default="", help="Why; kept with the moves.")
@click.option("--no-wait", is_flag=True, help="Return when the first step is in force; the server goes on.")
@click.option("--follow", is_flag=True, help="Watch the canary that runs.")
@click.option("--abort", is_flag=True, help="End the canary that runs, and return to where the alias led before.")
@json_option
def promote(
    function: str,
    version: int | None,
    name: str,
    steps: str | None,
    every: str,
    max_error_rate: str,
    max_p99_increase: str | None,
    min_calls: int,
    limit: str,
    message: str,
    no_wait: bool,
    follow: bool,
    abort: bool,
    as_json: bool,
) -> None:
    """Have an alias of FUNCTION lead to VERSION; with --canary by steps, as long as its calls are good.

    Exits with 1 where a canary returned. Ctrl-C leaves it going.
    """
    if (version is None) != (follow or abort):
        raise click.UsageError("Say a version to promote, or --follow or --abort without one.")
    with Client() as client:
        if abort:
            ended = client.abort_canary(function, alias=name, message=message)
            return _show_end(function, ended, as_json)
        if version is not None and steps is None:
            moved = client.promote(function, version, alias=name, message=message)
            return show_json(moved) if as_json else click.echo(f"{function}@{name} leads to {moved['leads_to']} now.")
        if version is not None and steps is not None:
            begun = client.start_canary(
                function,
                version,
                [parse_share(step.strip()) for step in steps.split(",")],
                alias=name,
                every_s=parse_duration(every),
                max_error_rate=parse_share(max_error_rate) / 100,
                max_p99_increase=parse_share(max_p99_increase) / 100 if max_p99_increase is not None else None,
                min_calls=min_calls,
                limit_s=parse_duration(limit),
                message=message,
            )
            if no_wait:
                return show_json(begun) if as_json else click.echo(_going_on(function, name))
        _follow(client, function, name, as_json)


def _follow(client: Client, function: str, name: str, as_json: bool) -> None:
    progress = Progress()
    try:
        with STDERR.status("…") as status:
            ended = client.follow_canary(
                function, alias=name, on_progress=lambda now: status.update(progress.tell(now))
            )
    except KeyboardInterrupt:
        STDERR.print(_going_on(function, name))
        sys.exit(130)
    _show_end(function, ended, as_json)
    sys.exit(_ENDS.get(ended["state"], _NOT_PROMOTED))


class Progress:
    """Prints each step when it is over."""

    def __init__(self) -> None:
        self._told = 0

    def tell(self, canary: dict[str, Any]) -> str:
        """What is going on right now."""
        for step in canary["steps"][self._told :]:
            STDERR.print(f"{step['share']:g} %: {step['outcome'].lower()}: {step['reason']}")
        self._told = len(canary["steps"])
        present = canary["present"]
        return f"{present['share']:g} %: {present['reason']}" if present is not None else "…"


def _show_end(function: str, canary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(canary)
    else:
        version, state = canary["plan"]["version"], canary["state"].lower()
        click.echo(f"{function}@{canary['alias']}: the canary of version {version} is {state}: {canary['reason']}")


def _going_on(function: str, name: str) -> str:
    alias = "" if name == LIVE else f" --alias {name}"
    return (
        f"The canary goes on. `rayfaas promote {function}{alias} --follow` watches it, "
        f"`rayfaas promote {function}{alias} --abort` ends it."
    )
