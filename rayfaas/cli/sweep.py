"""`rayfaas cloud sweep`: the machines that are paid for in this installation's name, and those that nobody knows of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from rayfaas.cli.exits import FAILED
from rayfaas.cli.output import json_option, show_rows
from rayfaas.cli.server import is_running, server_url
from rayfaas.cli.statements import statement
from rayfaas.client import Client
from rayfaas.cloud.adapter import Adapter
from rayfaas.cloud.clouds_file import providers_in, settings_of
from rayfaas.cloud.errors import CloudError
from rayfaas.cloud.machine import Instance
from rayfaas.cloud.providers import PROVIDERS, open_adapter
from rayfaas.config import Home
from rayfaas.errors import BadRequest, Unavailable

_UNKNOWN = "nobody knows of it"
_HEADINGS = {
    each: each.upper() for each in ("provider", "machine", "state", "cluster", "node", "known", "done")
}  # fmt: skip


@dataclass(frozen=True)
class Swept:
    """One machine, what the registry knows of the launch that it came of, and what was done about it."""

    provider: str
    machine: str
    state: str
    cluster: str = ""
    node: str = ""
    known: str = _UNKNOWN
    done: str = ""


@click.command()
@click.argument("providers", nargs=-1, type=click.Choice([each for each in PROVIDERS if each != "memory"]))
@click.option("--yes", is_flag=True, help="Terminate those that nobody knows of.")
@json_option
def sweep(providers: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """List the machines that are tagged as this installation's, at PROVIDERS or at all of clouds.toml.

    It tells what the registry knows of each; with --yes it terminates those that nobody knows of. Neither a server nor
    Ray has to run. Exits with 1 where a provider could not be asked, or a machine not be terminated.
    """
    home = Home.from_env(os.environ)
    broom = _Broom(home)
    # First what there is: whatever is launched meanwhile was in the registry before it was.
    found = [each for provider in providers or _providers(home) for each in broom.found(provider)]
    known = _known(home)
    swept = [broom.swept(*each, known, yes) for each in found]
    show_rows([asdict(each) for each in swept], _HEADINGS, as_json)
    if broom.failed:
        sys.exit(FAILED)


class _Broom:
    """`failed` says that a provider refused something."""

    def __init__(self, home: Home) -> None:
        self._home, self._owner = home, _owner(home)
        self._adapters: dict[str, Adapter] = {}
        self.failed = False

    def found(self, provider: str) -> Iterator[tuple[str, Instance]]:
        try:
            adapter = open_adapter(provider, self._owner, settings_of(self._home, provider))
            self._adapters[provider] = adapter
            instances = adapter.find() if adapter.capabilities.create else []
        except CloudError as error:
            self._tell(f"{provider} can't be asked: {error.detail}")
            return
        for each in instances:
            yield provider, each

    def swept(self, provider: str, instance: Instance, known: Mapping[str, str], yes: bool) -> Swept:
        claim = instance.claim
        row = Swept(provider, instance.id, instance.state)
        if claim is not None:
            told = known.get(claim.attempt, _UNKNOWN)
            row = replace(row, cluster=claim.cluster, node=claim.node, known=told)
        return self._terminated(row) if yes and row.known == _UNKNOWN else row

    def _terminated(self, row: Swept) -> Swept:
        try:
            state = self._adapters[row.provider].terminate(row.machine).state
        except CloudError as error:
            self._tell(f"{row.machine} can't be terminated: {error.detail}")
            return replace(row, done="failed")
        return replace(row, state=state, done="terminated")

    def _tell(self, problem: str) -> None:
        self.failed = True
        click.echo(problem, err=True)


def _owner(home: Home) -> str:
    try:
        return home.owner_file.read_text().strip()
    except FileNotFoundError:
        raise BadRequest(
            f"{home.path} is no home of a server, so no machine is its own. Set RAYFAAS_HOME to one."
        ) from None


def _providers(home: Home) -> list[str]:
    """Those that machines of this home may be at."""
    own = ["local"] if home.machines.is_dir() else []
    return list(dict.fromkeys([*own, *(each for each in providers_in(home.clouds_file) if each in PROVIDERS)]))


def _known(home: Home) -> dict[str, str]:
    """What is wanted of the machine of each launch, and why. Raises where that can't be known."""
    rows = _asked(home) if is_running(home) else _read(home)
    return {row["attempt"]: f"{row['want']}: {row['reason']}" for row in rows}


def _asked(home: Home) -> list[dict[str, Any]]:
    with Client(server_url(home), home.token_file.read_text().strip()) as client:
        table = client.sql(statement("sweep"))
    if table.truncated:
        raise Unavailable("The server tells of some machines only, so which are known of can't be said.")
    return table.dicts()


def _read(home: Home) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "rayfaas.server.known", "--home", str(home.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"The registry of {home.path} can't be read, so nothing was done: {done.stderr[-1000:]}")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows
