"""Groups of commands, whose help tells of each in a whole sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click


class Group(click.Group):
    """Click cuts sentences off where a line ends."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.write_section(ctx, formatter, "Commands", self.list_commands(ctx))

    def write_section(
        self, ctx: click.Context, formatter: click.HelpFormatter, title: str, names: Iterable[str]
    ) -> None:
        with formatter.section(title):
            formatter.write_dl([(name, first_sentence(self.get_command(ctx, name))) for name in names])


def first_sentence(command: click.Command | None) -> str:
    """Of a command's help."""
    text = " ".join((command.help or "").split()) if command is not None else ""
    return re.split(r"(?<=[.])\s+(?=[A-Z`])", text, maxsplit=1)[0]
