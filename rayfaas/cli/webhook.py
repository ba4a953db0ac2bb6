"""`rayfaas webhook`: what receivers of webhooks need, and where alarms are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from rayfaas.cli.group import Group
from rayfaas.cli.output import json_option, show_json
from rayfaas.client import Client


@click.group(cls=Group)
def webhook() -> None:
    """What receivers of webhooks need, and where alarms are told."""


@webhook.command()
def secret() -> None:
    """Print the secret with which their signatures are checked, as libraries of Standard Webhooks take it."""
    with Client() as client:
        click.echo(client.webhook_secret())


@webhook.command()
@click.argument("url", required=False)
@click.option("--off", "is_off", is_flag=True, help="Tell nobody.")
@json_option
def alarms(url: str | None, is_off: bool, as_json: bool) -> None:
    """Have alarms of machines told to URL, which hears a trial at once; without URL, show where they go.

    What does not answer is told again for seven hours. For admins.
    """
    if url and is_off:
        raise click.UsageError("Say a URL, or --off.")
    with Client() as client:
        if is_off:
            client.drop_alarm_webhook()
            return click.echo("Alarms are told to nobody.")
        told = client.set_alarm_webhook(url) if url else client.alarm_webhook()
    if as_json:
        show_json(told)
    else:
        click.echo(_sentence(told))


def _sentence(told: Mapping[str, Any]) -> str:
    """What there is to know of it.

    >>> _sentence({"url": "https://example.com", "waiting": 2, "problem": "It answered 500."})
    'Alarms are told to https://example.com; 2 wait. The last was not heard: It answered 500.'
    """
    if not told["url"]:
        return "Alarms are told to nobody: rayfaas webhook alarms URL"
    waiting = f"; {told['waiting']} wait" if told.get("waiting") else ""
    problem = f" The last was not heard: {told['problem']}" if told["problem"] else ""
    return f"Alarms are told to {told['url']}{waiting}.{problem}"
