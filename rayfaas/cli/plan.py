"""What `rayfaas deploy --plan` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from rayfaas.cli.output import cell, when


def show_plan(plan: dict[str, Any]) -> None:
    """A plan as people read it."""
    click.secho(f"{plan['function']}@{plan['alias']}: {_headline(plan)}", bold=True)
    for what, text in _lines(plan):
        click.echo(f"  {what:<12} {text}")


def _headline(plan: dict[str, Any]) -> str:
    before = plan["before"]
    if before is not None and before["version"] == plan["version"] and not plan["starts"]:
        return f"nothing changes, it leads to version {plan['version']} already"
    after = "a new version" if plan["created"] else f"version {plan['version']}, which has this content"
    if before is None:
        return f"{after}, the first that it leads to"
    return f"version {before['version']}, by {before['by']} {when(before['at'])} → {after}"


def _lines(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if plan["before"] is not None:
        files = [f"{kind} {', '.join(names)}" for kind, names in plan["files"].items() if names]
        yield "files", "; ".join(files) or "the same"
        yield "settings", "; ".join(map(_setting, plan["settings"])) or "the same"
        shape = (
            "the same: executors fork in the replicas that run" if plan["shape_known"] else "new: new replicas start"
        )
        yield "shape", shape
    known = {"bundle": plan["bundle_known"], "environment": plan["environment_known"], "version": not plan["starts"]}
    yield "reused", ", ".join(what for what, is_known in known.items() if is_known) or "nothing"
    callers = plan["callers"]
    yield (
        "callers",
        f"{sum(caller['calls'] for caller in callers):,} calls in 30 days" if callers else "none in 30 days",
    )
    for caller in callers:
        method = f" of {caller['method']}" if caller["method"] else ""
        who = f"{caller['principal']} ({caller['team']})"
        yield "", f"{who}, {caller['calls']:,} calls{method}, last {when(caller['last'])}"
    if callers and plan["starts"]:
        yield "", "whether they can go on calling it is checked when it is imported, before it is live"
    yield "expected", _expected(plan["expected"])


def _setting(change: dict[str, Any]) -> str:
    return f"{change['field']} {cell(change['before']) or 'none'} → {cell(change['after']) or 'none'}"


def _expected(expected: dict[str, Any]) -> str:
    if expected["seconds"] is None:
        return "not known, there was no such deploy yet"
    of = "of this function" if expected["of"] == "function" else "of all functions"
    lately = "the last deploy" if expected["deploys"] == 1 else f"the last {expected['deploys']} deploys"
    return f"{expected['seconds']:.2g} s, the median of {lately} {of}"
