"""`rayfaas dev`: deploy at each save, to an alias of one's own, call what is edited, and show what it writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from rayfaas.bundled import Bundled, bundled_functions
from rayfaas.call_options import CallOptions
from rayfaas.cli.call import given_arguments, show_log
from rayfaas.cli.output import show_error, show_json
from rayfaas.client import Client
from rayfaas.deploy import DeployOptions, told
from rayfaas.errors import RayfaasError
from rayfaas.names import own_alias
from rayfaas.project import Project
from rayfaas.watching import Watched

LOOK_S = 0.1
# How long the logs are not followed after the server was away.
AGAIN_S = 1.0


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
@click.option(
    "--call", "data", help="Call it after each deploy with these arguments, as `rayfaas call --data` has them."
)
@click.option("--run", help="Which function to call, or Class.method, if not the first; without --call with nothing.")
@click.option("--alias", help="The alias to deploy to.  [default: dev-<you>]")
@click.option("--team", help="The team that owns the functions, if their decorators do not say; else the token's.")
@click.option("--timeout", "timeout_s", type=float, default=300.0, show_default=True, help="Seconds for each deploy.")
def dev(
    file: Path,
    names: tuple[str, ...],
    data: str | None,
    run: str | None,
    alias: str | None,
    team: str | None,
    timeout_s: float,
) -> None:
    """Deploy the functions in FILE, or NAMES of them, at each save of it or of a local module that it imports.

    They go to an alias of your own: nobody else is touched, and who calls them is not asked. Ends with Ctrl-C.

        rayfaas dev service.py --call '{"x": 1}'
    """
    arguments = given_arguments(data) if data is not None else ((), {}) if run else None
    with Client() as client:
        chosen = alias or own_alias(str(client.whoami()["principal"]))
        options = DeployOptions(chosen, team, "dev", force=True, breaking=True, deadline_s=timeout_s)
        try:
            Loop(client, file, names, options, run, arguments).run(_pause)
        except KeyboardInterrupt:
            click.echo(err=True)


class Loop:
    """`arguments` None calls nothing."""

    def __init__(
        self,
        client: Client,
        file: Path,
        names: tuple[str, ...],
        options: DeployOptions,
        run: str | None,
        arguments: tuple[tuple[Any, ...], dict[str, Any]] | None,
    ) -> None:
        self._client, self._file, self._names, self._options = client, file, names, options
        self._called, self._arguments = run, arguments
        self._watched = Watched()
        self._seen: dict[str, tuple[str, str]] = {}  # what was deployed last, by name
        self._logs = Logs(client)

    def run(self, wait: Callable[[], None]) -> None:
        """For ever: `wait` is called between looks."""
        self._watched.watch([self._file])
        self.step()
        while True:
            wait()
            if self._watched.look():
                self.step()

    def step(self) -> None:
        """Deploy what is different from what was deployed, then call. What goes wrong is shown."""
        try:
            bundled = bundled_functions(self._file, self._names)
        except RayfaasError as error:
            # Which file is at fault is not known here: any beside it may be.
            self._watched.watch([self._file, *self._file.absolute().parent.glob("*.py")])
            self._seen.clear()
            show_error(error)
            return
        root = Project.of_file(self._file).root
        self._watched.watch([self._file, *(root / name for each in bundled for name in each.bundle.files)])
        changed = [each for each in bundled if self._seen.get(each.declaration.name) != _state(each)]
        ended_well = [self._deploy(each) for each in changed]
        if ended_well and all(ended_well) and self._arguments is not None:
            try:
                self._call(bundled, *self._arguments)
            except RayfaasError as error:
                show_error(error)

    def _deploy(self, bundled: Bundled) -> bool:
        try:
            deployed = self._client.deploy_bundled(bundled, self._options)
        except RayfaasError as error:
            self._seen.pop(bundled.declaration.name, None)
            show_error(error)
            return False
        self._seen[bundled.declaration.name] = _state(bundled)
        click.secho(told(deployed), err=True, dim=True)
        self._logs.follow(deployed.function, deployed.version)
        return True

    def _call(self, bundled: list[Bundled], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        name, _, method = (self._called or bundled[0].declaration.target).partition(".")
        declared = next((each.declaration.target for each in bundled if each.declaration.name == name), name)
        team = f"{self._options.team}/" if self._options.team and "/" not in declared else ""
        target = f"{team}{declared}{'.' + method if method else ''}@{self._options.alias}"
        show_json(self._client.answer(target, args, kwargs, CallOptions(), self._logs.show_own))


class Logs:
    """What the versions write that were deployed here: for calls from elsewhere, besides those that are made here."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._versions: dict[str, set[int]] = {}
        self._own: set[tuple[int, str]] = set()

    def follow(self, function: str, version: int) -> None:
        is_new = function not in self._versions
        self._versions.setdefault(function, set()).add(version)
        if is_new:
            threading.Thread(target=self._follow, args=[function], name=f"logs of {function}", daemon=True).start()

    def show_own(self, line: dict[str, Any]) -> None:
        """As it comes, ahead of what is followed."""
        self._own.add((int(line.get("at_us", 0)), str(line.get("text"))))
        show_log(line)

    def is_own(self, line: dict[str, Any]) -> bool:
        """Whether a line that is followed was shown already; it comes once."""
        key = (_microseconds(line["at"]), line["text"])
        is_own = key in self._own
        self._own.discard(key)
        return is_own

    def _follow(self, function: str) -> None:
        while True:
            try:
                self._client.listen(function, lambda line: self._show(function, line))
            except RayfaasError:
                time.sleep(AGAIN_S)  # the server is away; deploys and calls tell of it
            except RuntimeError:
                return  # the client is closed

    def _show(self, function: str, line: dict[str, Any]) -> None:
        if not self.is_own(line) and line["version"] in self._versions[function]:
            show_log(line)


def _pause() -> None:
    time.sleep(LOOK_S)


def _state(bundled: Bundled) -> tuple[str, str]:
    return bundled.bundle.digest, bundled.declaration.spec.model_dump_json()


def _microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
