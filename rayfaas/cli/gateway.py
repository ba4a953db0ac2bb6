"""`rayfaas gateway`: gateways on other machines than the server's."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from rayfaas.address import split_host_port
from rayfaas.cli.group import Group
from rayfaas.cli.output import json_option, show_json, show_rows
from rayfaas.client import Client
from rayfaas.config import DEFAULT_PORT, MAX_BODY_MB
from rayfaas.join_token import JoinToken

HOME = "~/.rayfaas-gateway"
_HEADINGS = {"gateway": "GATEWAY", "state": "STATE", "where": "WHERE"}

_home = click.option(
    "--home",
    default=HOME,
    show_default=True,
    type=click.Path(path_type=Path),
    help="Its keys, its certificate, and its journal until the controller has that.",
)


@click.group(cls=Group)
def gateway() -> None:
    """Answer calls on other machines, too: list gateways, let others join, run one."""


@gateway.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the gateways that are up, and those of other machines that are away."""
    with Client() as client:
        found = client.gateways()
    if as_json:
        show_json(found)
        return
    where = [{**each, "where": "another machine" if each["elsewhere"] else "the server"} for each in found]
    show_rows(where, _HEADINGS, as_json)


@gateway.command(name="join-token")
@click.option("--name", help="What it will be called; edge-1, edge-2 and so on if not said.")
@json_option
def join_token(name: str | None, as_json: bool) -> None:
    """Print the command with which a gateway joins. It works once, and for ten minutes."""
    with Client() as client:
        made = client.invite_gateway(name)
    if as_json:
        show_json(made)
        return
    click.echo(f"On the other machine, to have its gateway join as {made['gateway']}:", err=True)
    click.echo(f"rayfaas gateway join {made['token']}")


@gateway.command()
@click.argument("name")
def remove(name: str) -> None:
    """Let a gateway in no more. Calls of which it has not said how they ended count as interrupted."""
    with Client() as client:
        client.remove_gateway(name)
    click.echo(f"{name} is removed.")


@gateway.command()
@click.argument("token")
@_home
def join(token: str, home: Path) -> None:
    """Have the gateway of this machine belong to the server that gave TOKEN."""
    JoinToken.parse(token)
    environ = {**os.environ, "RAYFAAS_JOIN": token}
    sys.exit(subprocess.run(_command("join", home), env=environ, check=False).returncode)


@gateway.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is all of them.")
@click.option("--port", type=click.IntRange(1, 65_535), default=DEFAULT_PORT, show_default=True, help="Port for HTTP.")
@click.option("--cluster-address", required=True, help="HOST:PORT at which the clusters find this gateway.")
@click.option("--cluster-listen", default="", help="The address of this machine that it leads to, if not HOST itself.")
@click.option("--url", default="", help="Where functions find it that call others, if not at HOST and --port.")
@click.option("--max-body-mb", default=float(MAX_BODY_MB), show_default=True, help="Largest body of a call, in MB.")
@click.option("--webhook-network", multiple=True, help="Webhooks may go there too, as 10.1.0.0/16.")
@_home
def run(home: Path, webhook_network: tuple[str, ...], **options: Any) -> None:
    """Answer calls here, in the foreground, as systemd wants it, until SIGTERM."""
    try:
        split_host_port(options["cluster_address"])
    except ValueError as error:
        raise click.UsageError(f"--cluster-address: {error}") from None
    command = _command("run", home)
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    command += [text for network in webhook_network for text in ("--webhook-network", network)]
    os.execv(sys.executable, command)


def _command(what: str, home: Path) -> list[str]:
    if importlib.util.find_spec("uvicorn") is None:
        raise click.ClickException("A gateway needs uvicorn, which this Python lacks: pip install 'rayfaas[server]'")
    place = str(home.expanduser().absolute())
    return [sys.executable, "-m", "rayfaas.server.elsewhere", what, "--home", place]
