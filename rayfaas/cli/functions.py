"""`rayfaas functions` and `versions`: what is deployed."""

from __future__ import annotations

from typing import Any

import click

from rayfaas.cli.output import json_option, show_json, show_rows, when
from rayfaas.client import Client


@click.command()
@json_option
def functions(as_json: bool) -> None:
    """List the deployed functions and what their aliases lead to."""
    with Client() as client:
        found = client.functions()
    if as_json:
        show_json(found)
        return
    rows = [
        {
            "function": f"{each['team']}/{each['name']}",
            "aliases": ", ".join(map(_alias, each["aliases"])),
            "scaling": f"{each['scaling']['min_replicas']} to {each['scaling']['max_replicas']}",
            "created": when(each["created_at"]),
            "by": each["created_by"],
            "deprecated": _deprecated(each),
        }
        for each in found
    ]
    headings = {"function": "FUNCTION", "aliases": "ALIASES", "scaling": "REPLICAS", "created": "CREATED", "by": "BY"}
    if any(row["deprecated"] for row in rows):
        headings["deprecated"] = "DEPRECATED"
    show_rows(rows, headings, False)


@click.command()
@click.argument("function")
@json_option
def versions(function: str, as_json: bool) -> None:
    """List the versions of FUNCTION, newest first: when, by whom, from which commit and Python, and their digests.

    A commit with + had files that differ from it.
    """
    with Client() as client:
        found = client.versions(function)
    if as_json:
        show_json(found)
        return
    headings = {
        "version": "VERSION",
        "state": "STATE",
        "published": "PUBLISHED",
        "by": "BY",
        "commit": "COMMIT",
        "python": "PYTHON",
        "digest": "DIGEST",
        "message": "MESSAGE",
        "failure": "FAILURE",
    }
    show_rows([_version(each) for each in found], headings, False)


def _alias(row: dict[str, Any]) -> str:
    """Where most of its calls go; a mark says that there is more to it, which `rayfaas aliases` shows."""
    return f"{row['alias']} → {row['version']}{'…' if row.get('split') else ''}"


def _deprecated(row: dict[str, Any]) -> str:
    """Since when, and what to call instead."""
    if not row.get("deprecated_at"):
        return ""
    until = f" until {row['sunset_at'][:10]}" if row["sunset_at"] else ""
    return f"{row['deprecated_at'][:10]}{until}" + (f", call {row['successor']}" if row["successor"] else "")


def _version(row: dict[str, Any]) -> dict[str, Any]:
    provenance = row["provenance"]
    commit = provenance.get("git_commit")
    return {
        "version": row["version"],
        "state": row["state"],
        "published": when(row["published_at"]),
        "by": row["published_by"],
        "commit": f"{commit[:10]}{'+' if provenance.get('git_dirty') else ''}" if commit else "",
        "python": provenance.get("python"),
        "digest": row["content_digest"][:12],
        "message": provenance.get("message"),
        "failure": (row["failure"] or "").partition("\n")[0],
    }
