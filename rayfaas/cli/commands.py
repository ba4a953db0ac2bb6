"""The table of commands. A command's module is loaded when it is used, so that each pays for its own imports only."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from rayfaas.cli.exits import INTERRUPTED, exit_code
from rayfaas.cli.group import Group
from rayfaas.cli.output import show_error
from rayfaas.errors import RayfaasError

# By what they are for, as `rayfaas --help` lists them: the module of each.
_SECTIONS = {
    "The server and its machines": {
        "up": "rayfaas.cli.server",
        "down": "rayfaas.cli.server",
        "status": "rayfaas.cli.status",
        "cluster": "rayfaas.cli.clusters",
        "nodes": "rayfaas.cli.nodes",
        "join": "rayfaas.cli.join",
        "gateway": "rayfaas.cli.gateway",
        "cloud": "rayfaas.cli.cloud",
        "environments": "rayfaas.cli.environments",
        "backup": "rayfaas.cli.backup",
        "restore": "rayfaas.cli.backup",
        "webhook": "rayfaas.cli.webhook",
    },
    "Functions": {
        "deploy": "rayfaas.cli.deploy",
        "dev": "rayfaas.cli.dev",
        "call": "rayfaas.cli.call",
        "functions": "rayfaas.cli.functions",
        "versions": "rayfaas.cli.functions",
        "diff": "rayfaas.cli.code",
        "source": "rayfaas.cli.code",
        "pull": "rayfaas.cli.code",
        "scale": "rayfaas.cli.scale",
        "deprecate": "rayfaas.cli.deprecate",
        "delete": "rayfaas.cli.scale",
        "schedule": "rayfaas.cli.schedules",
        "schedules": "rayfaas.cli.schedules",
        "secrets": "rayfaas.cli.secrets",
    },
    "Releases": {
        "alias": "rayfaas.cli.aliases",
        "aliases": "rayfaas.cli.aliases",
        "promote": "rayfaas.cli.promote",
        "rollback": "rayfaas.cli.aliases",
        "protect": "rayfaas.cli.protect",
    },
    "What was called, and what came of it": {
        "ps": "rayfaas.cli.running",
        "calls": "rayfaas.cli.calls",
        "logs": "rayfaas.cli.registry",
        "replay": "rayfaas.cli.calls",
        "cancel": "rayfaas.cli.calls",
        "usage": "rayfaas.cli.usage",
        "sql": "rayfaas.cli.registry",
        "schema": "rayfaas.cli.registry",
        "export": "rayfaas.cli.export",
        "why": "rayfaas.cli.why",
        "why-miss": "rayfaas.cli.misses",
        "lineage": "rayfaas.cli.lineage",
        "artifact": "rayfaas.cli.artifact",
        "coverage": "rayfaas.cli.coverage",
    },
    "Who may": {
        "whoami": "rayfaas.cli.whoami",
        "token": "rayfaas.cli.tokens",
        "team": "rayfaas.cli.teams",
        "access": "rayfaas.cli.access",
        "grant": "rayfaas.cli.access",
        "limit": "rayfaas.cli.limits",
        "limits": "rayfaas.cli.limits",
    },
}
_COMMANDS = {name: module for section in _SECTIONS.values() for name, module in section.items()}


class _Commands(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in _SECTIONS.items():
            self.write_section(ctx, formatter, title, names)

    def invoke(self, ctx: click.Context) -> Any:
        # Before click sees it: what a function raised may also be of a type that means something to click.
        try:
            return super().invoke(ctx)
        except RayfaasError as error:
            show_error(error)
            sys.exit(exit_code(error))
        except BrokenPipeError:
            raise  # click ends quietly where nobody reads on
        except OSError as error:  # a home that is no folder, a disk that is full
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            click.echo(err=True)  # ends the line on which the terminal shows ^C
            sys.exit(INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("rayfaas"), prog_name="rayfaas")
def commands() -> None:
    """Deploy Python functions as shared, versioned, observable services on your own machines."""
