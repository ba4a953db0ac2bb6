"""Groups of commands, whose help tells of each in a whole sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

import click


class Group(click.Group):
    """Click cuts sentences off where a line ends."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Says which command may be meant, where there is none of that name."""
        known = self.list_commands(ctx)
        if args[0] not in known and (near := get_close_matches(args[0], known, 2)):
            ctx.fail(f"There is no command {args[0]!r}. Is {' or '.join(near)} meant?")
        return super().resolve_command(ctx, args)

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
