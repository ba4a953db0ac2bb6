"""`rayfaas protect`: who may move an alias."""

from __future__ import annotations

import click

from rayfaas.cli.output import json_option, show_json, show_rows
from rayfaas.client import Client

_HEADINGS = {"alias": "ALIAS", "movers": "WHO MAY MOVE IT", "set_by": "SAID BY", "reason": "WHY"}


@click.command()
@click.argument("function")
@click.argument("alias", required=False)
@click.option("--who", help="Who may move it: ann,nlp:admin - names, and roles of teams.")
@click.option("--none", "is_none", is_flag=True, help="Let every deployer of the team move it.")
@click.option("-m", "--message", default="", help="Why; kept in the audit.")
@json_option
def protect(function: str, alias: str | None, who: str | None, is_none: bool, message: str, as_json: bool) -> None:
    """Say who may move an ALIAS of FUNCTION, or list which are protected: `rayfaas protect embed prod --who ann`.

    It holds for moves, rollbacks, canaries and deploys to it, and for deleting the function. Admins say who, and may
    move it only if they are among them.
    """
    if alias is not None and (who is None) != is_none:
        raise click.UsageError("Say who may move it, with --who, or --none.")
    if alias is None and (who is not None or is_none):
        raise click.UsageError("Say which alias.")
    with Client() as client:
        if alias is not None and who is not None:
            client.protect(function, alias, [each.strip() for each in who.split(",") if each.strip()], message)
        elif alias is not None:
            client.unprotect(function, alias, message)
        found = client.protections(function)
    if as_json:
        show_json(found)
    else:
        show_rows([{**each, "movers": ", ".join(each["who"])} for each in found], _HEADINGS, False)
