"""`rayfaas alias`, `aliases` and `rollback`: which version a name means, and meant."""

from __future__ import annotations

from typing import Any

import click

from rayfaas.cli.output import json_option, show_json, show_rows, when
from rayfaas.cli.values import parse_share, parse_weights
from rayfaas.client import Client
from rayfaas.names import LIVE
from rayfaas.operations.releases import UNCHANGED, Unchanged

_NONE = "none"
_HEADINGS = {
    "alias": "ALIAS",
    "revision": "REVISION",
    "leads_to": "LEADS TO",
    "moved": "MOVED",
    "moved_by": "BY",
    "reason": "WHY",
}


@click.command()
@click.argument("function")
@click.argument("name")
@click.argument("version", type=int, required=False)
@click.option("--split", help="Several versions with their weights: 7=95,8=5.")
@click.option("--sticky", help="caller, or header:NAME: calls with the same one go to the same version; or none.")
@click.option("--shadow", help="A version that gets copies of the calls, 8 or 8=10 for 10 % of them; or none.")
@click.option("-m", "--message", default="", help="Why; kept with the move.")
@json_option
def alias(
    function: str,
    name: str,
    version: int | None,
    split: str | None,
    sticky: str | None,
    shadow: str | None,
    message: str,
    as_json: bool,
) -> None:
    """Have the alias NAME of FUNCTION lead to VERSION, or split its calls: `rayfaas alias embed prod 7`.

    A copy of a call really runs: what the function writes or sends, it does twice.
    """
    if version is not None and split is not None:
        raise click.UsageError("Say one version, or --split, not both.")
    if version is None and split is None and sticky is None and shadow is None:
        raise click.UsageError("Say where it leads: a version, or --split 7=95,8=5.")
    with Client() as client:
        moved = client.move_alias(
            function,
            name,
            version,
            split=parse_weights(split) if split is not None else None,
            sticky=UNCHANGED if sticky is None else None if sticky == _NONE else sticky,
            shadow=_shadow(shadow),
            message=message,
        )
    _show_move(function, name, moved, as_json)


@click.command()
@click.argument("function")
@click.option(
    "--history", "alias_name", flag_value=LIVE, is_flag=False, help="All moves of an alias; `live` if not named."
)
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@json_option
def aliases(function: str, alias_name: str | None, limit: int, as_json: bool) -> None:
    """List where the aliases of FUNCTION lead, since when, by whom and why; or the moves of one of them."""
    with Client() as client:
        found = client.aliases(function) if alias_name is None else client.alias_history(function, alias_name, limit)
    if as_json:
        show_json(found)
        return
    show_rows([{**each, "moved": when(each["moved_at"])} for each in found], _HEADINGS, False)


@click.command()
@click.argument("function")
@click.option("--alias", "name", default=LIVE, show_default=True, help="The alias to move back.")
@click.option("-m", "--message", default="", help="Why; kept with the move.")
@json_option
def rollback(function: str, name: str, message: str, as_json: bool) -> None:
    """Have an alias of FUNCTION lead where it led before its last change; again for the change before that."""
    with Client() as client:
        moved = client.rollback(function, alias=name, message=message)
    _show_move(function, name, moved, as_json)


def _shadow(text: str | None) -> tuple[int, float] | Unchanged | None:
    if text is None:
        return UNCHANGED
    if text == _NONE:
        return None
    version, equals, share = text.partition("=")
    if not version.isascii() or not version.isdigit():
        raise click.BadParameter(f"{text!r} is no version: write --shadow 8, or 8=10 for 10 % of the calls.")
    return int(version), parse_share(share) if equals else 100.0


def _show_move(function: str, name: str, moved: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(moved)
    else:
        click.echo(f"{function}@{name} leads to {moved['leads_to']} now.")
