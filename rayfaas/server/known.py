"""What the registry of a home knows of machines, as JSON: for when no server runs there.

python -m rayfaas.server.known --home DIR
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rayfaas.config import Home
from rayfaas.registry import Registry


def known(home: Home) -> list[dict[str, Any]]:
    """Those that are not gone. Raises `Unavailable` where the registry can't be opened, as because a server runs."""
    if not home.database.exists():
        return []
    registry = Registry.open(home.database, home.journal)
    try:
        return [json.loads(each) for each in registry.machines.nodes()]
    finally:
        registry.close()


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
def main(home: Path) -> None:
    told = [{name: each[name] for name in ("attempt", "want", "reason")} for each in known(Home(home))]
    click.echo(json.dumps(told))


if __name__ == "__main__":
    main()
