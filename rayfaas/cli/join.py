"""`rayfaas join`: make the Ray cluster that this node belongs to one of a home server's."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import click

from rayfaas.join_token import JoinToken

CACHE = "~/.cache/rayfaas"


@click.command()
@click.argument("token")
@click.option(
    "--address",
    default="auto",
    envvar="RAY_ADDRESS",
    help="Address of the cluster's head; that of RAY_ADDRESS, or the one cluster of this node, if not said.",
)
@click.option("--cache", default=CACHE, show_default=True, help="Directory on each node for code and environments.")
@click.option("--pass-env", multiple=True, help="A variable of the nodes that functions may see: NAME, or AWS_*.")
@click.option("--environments-gb", default=50.0, show_default=True, help="Disk that environments may use on a node.")
def join(token: str, address: str, cache: str, pass_env: tuple[str, ...], environments_gb: float) -> None:
    """Have this node's Ray cluster run functions of the server that gave TOKEN, beside whatever it runs already."""
    given = JoinToken.parse(token)
    if importlib.util.find_spec("ray") is None:
        raise click.ClickException("This Python has no Ray: use the one that the cluster's nodes run with.")
    command = [sys.executable, "-m", "rayfaas.cluster.application", "--address", address]
    command += ["--controller", given.controller, "--cache", cache, "--environments-gb", f"{environments_gb:g}"]
    command += [text for name in pass_env for text in ("--pass-env", name)]
    environ = {**os.environ, "RAYFAAS_JOIN": f"{given.join}:{given.secret.hex()}"}
    sys.exit(subprocess.run(command, env=environ, check=False).returncode)
