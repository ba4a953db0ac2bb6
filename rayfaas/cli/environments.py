"""`rayfaas environments`: what is built on each node, and what its zygotes have loaded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import click

from rayfaas.cli.output import json_option, show_json, show_table
from rayfaas.cli.status import short
from rayfaas.client import Client


@click.command()
@click.argument("digest", required=False)
@json_option
def environments(digest: str | None, as_json: bool) -> None:
    """List the environments of each node; with DIGEST show one: its packages, what is preloaded, what is refused."""
    with Client() as client:
        found = client.environments()
    if digest is not None:
        found = [each for each in found if _named(each).startswith(digest)]
        if not found:
            raise click.ClickException(f"No node has an environment {digest}.")
    if as_json:
        show_json(found)
    elif digest is None:
        headings = ["NODE", "REPLICA", "DIGEST", "PYTHON", "PACKAGES", "MB", "LAST USED", "PRELOADED", "REFUSED"]
        show_table(headings, [_row(each) for each in found])
    else:
        _show(found)


def _named(each: dict[str, Any]) -> str:
    return str(each["digest"]) or "server"


def _row(each: dict[str, Any]) -> list[Any]:
    zygote = each.get("zygote") or {"modules": [], "refused": {}}
    packages, size = len(each.get("packages", ())) or "", each.get("size_mb", "")
    shown = _tops(zygote["modules"]) if each.get("zygote") else "(no zygote)"
    where = [short(each["node"]), each["replica"], short(_named(each))]
    used_at = _moment(each.get("used_at"))
    return [*where, each.get("python", ""), packages, size, used_at, shown, _tops(zygote["refused"])]


def _tops(modules: Iterable[str]) -> str:
    """The packages that modules are of."""
    return ", ".join(sorted({module.partition(".")[0] for module in modules}))


def _show(found: list[dict[str, Any]]) -> None:
    for package in found[0].get("packages", ()):
        click.echo(package)
    for each in found:
        zygote = each.get("zygote")
        if zygote is None:
            continue
        click.echo(f"\nThe zygote of {each['replica']} has loaded {len(zygote['modules'])} modules.")
        for module, cost_ms in sorted(zygote["cost_ms"].items(), key=lambda item: -item[1]):
            click.echo(f"  {module}: {cost_ms:.0f} ms that executors need not spend")
        for module, reason in sorted(zygote["refused"].items()):
            click.echo(f"  {module} is refused: {reason}")


def _moment(used_at: float | None) -> str:
    return datetime.fromtimestamp(used_at, timezone.utc).strftime("%Y-%m-%d %H:%M") if used_at else ""
