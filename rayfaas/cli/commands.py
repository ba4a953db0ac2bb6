"""The table of commands. A command's module is loaded when it is used, so that each pays for its own imports only."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

import click

_COMMANDS = {
    "up": "rayfaas.cli.server",
    "down": "rayfaas.cli.server",
    "status": "rayfaas.cli.status",
    "deploy": "rayfaas.cli.deploy",
    "call": "rayfaas.cli.call",
    "functions": "rayfaas.cli.functions",
    "versions": "rayfaas.cli.functions",
    "alias": "rayfaas.cli.functions",
    "logs": "rayfaas.cli.registry",
    "sql": "rayfaas.cli.registry",
    "token": "rayfaas.cli.tokens",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("rayfaas"), prog_name="rayfaas")
def commands() -> None:
    """Deploy Python functions as shared, versioned, observable services on your own machines."""
