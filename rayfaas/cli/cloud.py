"""`rayfaas cloud`: what the providers of machines say of this installation."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import asdict
from typing import Any

import click

from rayfaas.cli.exits import FAILED
from rayfaas.cli.group import Group
from rayfaas.cli.output import json_option, show_json
from rayfaas.cli.simulate import simulate
from rayfaas.cli.sweep import sweep
from rayfaas.cli.values import parse_value
from rayfaas.cloud.adapter import Finding
from rayfaas.cloud.clouds_file import settings_in
from rayfaas.cloud.providers import PROVIDERS, open_adapter
from rayfaas.config import Home


@click.group(cls=Group)
def cloud() -> None:
    """Ask the providers of machines."""


cloud.add_command(sweep)


@cloud.command()
@click.argument("provider", type=click.Choice([each for each in PROVIDERS if each != "memory"]))
@click.option("-s", "--set", "options", multiple=True, metavar="NAME=VALUE", help="A setting; JSON, else text.")
@click.option("--owner", help="The id with which machines are tagged; a new one if not said.")
@json_option
def check(provider: str, options: tuple[str, ...], owner: str | None, as_json: bool) -> None:
    """Check credentials, rights, quota and images of PROVIDER, and tell what to do about what is missing.

    Its settings are the table [PROVIDER] of clouds.toml in the home directory, and those given here:

        rayfaas cloud check aws --set 'regions=["us-east-1"]'

    Nothing is started. Exits with 1 where something failed.
    """
    settings = {**settings_in(Home.from_env(os.environ).clouds_file, provider), **dict(map(_setting, options))}
    findings = open_adapter(provider, owner or str(uuid.uuid4()), settings).check()
    if as_json:
        show_json([asdict(each) for each in findings])
    else:
        for each in findings:
            click.echo(_text(each))
    if any(each.result == "failed" for each in findings):
        sys.exit(FAILED)


cloud.add_command(simulate)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is no setting: write NAME=VALUE.")
    return name, parse_value(value)


def _text(finding: Finding) -> str:
    """A line, and another with what to do.

    >>> print(_text(Finding("reach rack1", "failed", "Connection refused", "Switch it on.")))
    failed    reach rack1: Connection refused
              Switch it on.
    """
    told = f"{finding.result:9} {finding.what}{': ' if finding.detail else ''}{finding.detail}"
    return f"{told}\n{'':10}{finding.advice}" if finding.advice else told
