"""The table of commands. A command's module is loaded when it is used, so that each pays for its own imports only."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from rayfaas.cli.exits import exit_code
from rayfaas.cli.output import show_error
from rayfaas.errors import RayfaasError

_COMMANDS = {
    "up": "rayfaas.cli.server",
    "down": "rayfaas.cli.server",
    "status": "rayfaas.cli.status",
    "cluster": "rayfaas.cli.clusters",
    "gateway": "rayfaas.cli.gateway",
    "nodes": "rayfaas.cli.nodes",
    "join": "rayfaas.cli.join",
    "deploy": "rayfaas.cli.deploy",
    "dev": "rayfaas.cli.dev",
    "call": "rayfaas.cli.call",
    "functions": "rayfaas.cli.functions",
    "versions": "rayfaas.cli.functions",
    "diff": "rayfaas.cli.code",
    "source": "rayfaas.cli.code",
    "pull": "rayfaas.cli.code",
    "alias": "rayfaas.cli.aliases",
    "aliases": "rayfaas.cli.aliases",
    "promote": "rayfaas.cli.promote",
    "rollback": "rayfaas.cli.aliases",
    "scale": "rayfaas.cli.scale",
    "delete": "rayfaas.cli.scale",
    "calls": "rayfaas.cli.calls",
    "replay": "rayfaas.cli.calls",
    "logs": "rayfaas.cli.registry",
    "sql": "rayfaas.cli.registry",
    "schema": "rayfaas.cli.registry",
    "export": "rayfaas.cli.export",
    "backup": "rayfaas.cli.backup",
    "restore": "rayfaas.cli.backup",
    "usage": "rayfaas.cli.usage",
    "why": "rayfaas.cli.why",
    "why-miss": "rayfaas.cli.misses",
    "lineage": "rayfaas.cli.lineage",
    "coverage": "rayfaas.cli.coverage",
    "ps": "rayfaas.cli.running",
    "secrets": "rayfaas.cli.secrets",
    "environments": "rayfaas.cli.environments",
    "access": "rayfaas.cli.access",
    "grant": "rayfaas.cli.access",
    "limit": "rayfaas.cli.limits",
    "limits": "rayfaas.cli.limits",
    "token": "rayfaas.cli.tokens",
    "team": "rayfaas.cli.teams",
    "protect": "rayfaas.cli.protect",
    "webhook": "rayfaas.cli.webhook",
    "cloud": "rayfaas.cli.cloud",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        # Before click sees it: what a function raised may also be of a type that means something to click.
        try:
            return super().invoke(ctx)
        except RayfaasError as error:
            show_error(error)
            sys.exit(exit_code(error))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("rayfaas"), prog_name="rayfaas")
def commands() -> None:
    """Deploy Python functions as shared, versioned, observable services on your own machines."""
