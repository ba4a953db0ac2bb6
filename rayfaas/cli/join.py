"""`rayfaas join`: make the Ray cluster that this node belongs to one of a home server's."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import click

from rayfaas.join_token import JoinToken

CACHE = "~/.cache/rayfaas/bundles"


@click.command()
@click.argument("token")
@click.option("--address", default="auto", help="Address of the cluster's head; the cluster of this node if not said.")
@click.option("--cache", default=CACHE, show_default=True, help="Directory on each node for the code of functions.")
def join(token: str, address: str, cache: str) -> None:
    """Have this node's Ray cluster run functions of the server that gave TOKEN, beside whatever it runs already."""
    given = JoinToken.parse(token)
    if importlib.util.find_spec("ray") is None:
        raise click.ClickException("This Python has no Ray: use the one that the cluster's nodes run with.")
    command = [sys.executable, "-m", "rayfaas.cluster.application", "--address", address]
    command += ["--controller", given.controller, "--cache", cache]
    environ = {**os.environ, "RAYFAAS_JOIN": f"{given.join}:{given.secret.hex()}"}
    sys.exit(subprocess.run(command, env=environ, check=False).returncode)
