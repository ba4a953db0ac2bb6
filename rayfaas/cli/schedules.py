"""`rayfaas schedule` and `schedules`: when functions call themselves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from rayfaas.cli.output import json_option, show_json, show_rows, when
from rayfaas.client import Client
from rayfaas.durations import DURATION, seconds_of
from rayfaas.later import Later
from rayfaas.names import LIVE, Target
from rayfaas.operations.schedules import DEFAULT

if TYPE_CHECKING:
    from rayfaas import schedule as models
    from rayfaas.schedule import Schedule
else:
    models = Later("rayfaas.schedule")

_HEADINGS = {
    "function": "FUNCTION",
    "schedule": "SCHEDULE",
    "when": "WHEN",
    "timezone": "ZONE",
    "alias": "ALIAS",
    "next": "NEXT",
    "last": "LAST",
    "came_to": "CAME TO",
    "principal": "AS",
}


@click.command()
@click.argument("target")
@click.argument("times", required=False, metavar="[TIMES]")
@click.option("--name", help=f"Of several schedules of one function; else `{DEFAULT}`.")
@click.option("--timezone", default="UTC", show_default=True, help="Whose clocks count: Europe/Berlin.")
@click.option("--arguments", default="{}", metavar="JSON", help="What it is called with; an object is by name.")
@click.option("--alias", default=LIVE, show_default=True, help="The alias to call through.")
@click.option("--overlap", type=click.Choice(("skip", "allow")), default="skip", show_default=True,
              help="What a time does whose forerunner has not ended.")  # fmt: skip
@click.option("--start-within", default="1h", show_default=True, help="How late a time may be made up for.")
@click.option("--suspend", "change", flag_value="suspend", help="Have its times pass without a call.")
@click.option("--resume", "change", flag_value="resume", help="Call again from its next time on, as you.")
@click.option("--remove", "change", flag_value="remove", help="Remove it.")
@click.option("-m", "--message", default="", help="Why; kept in the audit.")
@json_option
def schedule(
    target: str,
    times: str | None,
    name: str | None,
    change: str | None,
    message: str,
    as_json: bool,
    alias: str,
    **options: Any,
) -> None:
    """Have TARGET, a function or a method, call itself: `rayfaas schedule embed "0 8 * * 1-5"`, or each `6h`.

    TIMES are minute, hour, day of the month, month and day of the week, or a duration of a minute at least.
    """
    if (times is None) == (change is None):
        raise click.UsageError('Say when, "0 8 * * *" or 6h; or --suspend, --resume or --remove. '
                               "`rayfaas schedules` lists those that there are.")  # fmt: skip
    with Client() as client:
        if times is not None:
            plan = _plan(times, **options)
            made = client.schedule(target, plan, name=name or DEFAULT, alias=alias, message=message)
        else:
            made = _change(client, target, name, str(change), message)
    if as_json:
        show_json(made)
    else:
        click.echo(_sentence(made))


@click.command()
@click.argument("function", required=False)
@json_option
def schedules(function: str | None, as_json: bool) -> None:
    """List when functions call themselves, of your teams or of one FUNCTION, and what came of their last times."""
    with Client() as client:
        found = [each for each in client.schedules() if function in (None, each["name"], each["function"])]
    show_rows(found if as_json else [_row(each) for each in found], _HEADINGS, as_json)


def _plan(times: str, timezone: str, arguments: str, overlap: str, start_within: str) -> Schedule:
    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise click.UsageError(f"--arguments is no JSON: {error}") from None
    options = {"arguments": given, "overlap": overlap, "start_within_s": seconds_of(start_within)}
    length = times.removeprefix("every ").strip()
    if re.fullmatch(DURATION, length, re.ASCII):
        return models.parse_schedule("The schedule", every_s=seconds_of(length), timezone=timezone, **options)
    return models.parse_schedule("The schedule", cron=times, timezone=timezone, **options)


def _change(client: Client, target: str, name: str | None, change: str, message: str) -> dict[str, Any]:
    """Of the one that is meant: the only one of the function, where none is named."""
    parsed = Target.parse(target)
    function = f"{parsed.team}/{parsed.name}" if parsed.team else parsed.name
    if name is None:
        names = [each["schedule"] for each in client.schedules() if function in (each["name"], each["function"])]
        if len(names) > 1:
            raise click.UsageError(f"{function} has several: say --name {', or '.join(names)}.")
        name = names[0] if names else DEFAULT
    if change == "suspend":
        return client.suspend_schedule(function, name=name, message=message)
    if change == "resume":
        return client.resume_schedule(function, name=name, message=message)
    client.remove_schedule(function, name=name, message=message)
    return {"function": function, "schedule": name, "removed": True}


def _sentence(made: dict[str, Any]) -> str:
    what = f"{made['function']} ({made['schedule']})"
    if made.get("removed"):
        return f"{what} is removed."
    if made["next_at"] is None:
        return f"{what} is suspended."
    at = "at " if made["cron"] is not None else ""
    return f"{what} calls itself {at}{made['when']}, next at\n" + "\n".join(f"  {time}" for time in made["next"])


def _row(each: dict[str, Any]) -> dict[str, Any]:
    suspended = f"suspended by {each['suspended_by']}" + (f": {each['suspended_for']}" if each["suspended_for"] else "")
    came_to = each["last_outcome"]
    if came_to == "CALLED":
        came_to = each["last_state"] or came_to
    return {
        **each,
        "timezone": "" if each["cron"] is None else each["timezone"],
        "next": each["next_at"] or suspended,
        "last": when(each["last_due_at"]),
        "came_to": came_to,
    }
