"""The parent of the home server: a small process that starts the others and starts them again when they end.

    python -m rayfaas.server.parent --home DIR --host HOST --port PORT …

Its children end with it, whatever ends it: they get SIGTERM from the kernel when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import getpass
import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from rayfaas.config import CACHE_MB, KEEP_RESULTS_S, MAX_BODY_MB, Home, Retention, local_url
from rayfaas.errors import ProtocolError, Unauthenticated, Unavailable
from rayfaas.link import Service, dial_link
from rayfaas.names import DEFAULT_TEAM
from rayfaas.private import make_home
from rayfaas.server.child import Child
from rayfaas.whole_file import sweep, write_whole

_log = logging.getLogger("rayfaas.parent")


@dataclass(frozen=True)
class ServerOptions:
    """What `rayfaas up` was asked for."""

    host: str
    port: int
    gateways: int
    ray_address: str = ""
    cpus: float | None = None
    gpus: float | None = None
    head_address: str = ""
    max_body_mb: float = MAX_BODY_MB
    webhook_networks: tuple[str, ...] = ()
    cluster_address: str = ""
    cluster_listen: str = ""
    public_url: str = ""
    keep_results_s: float = KEEP_RESULTS_S
    keep_calls_s: float = Retention.keep_calls_s
    keep_logs_s: float = Retention.keep_logs_s
    keep_arguments_s: float = Retention.keep_arguments_s
    delete_calls_s: float | None = None
    delete_logs_s: float | None = None
    archive: str = ""
    archive_cache_mb: float = Retention.archive_cache_mb
    pass_env: tuple[str, ...] = ()
    environments_gb: float = 50.0
    cache_mb: float = CACHE_MB
    head_keep_alive: str = "never"

    @property
    def url(self) -> str:
        return local_url(self.host, self.port)


class Parent:
    """Starts in the order controller, gateways, cluster; stops in the order gateways, cluster, controller."""

    def __init__(self, home: Home, options: ServerOptions) -> None:
        self._home, self._options = home, options
        self._stopping = False
        self._is_told = True  # the server file says what runs
        entrance = _entrance_options(options)
        kept = (*_retention_options(options), "--head-keep-alive", options.head_keep_alive)
        self._controller = self._child("controller", "rayfaas.server.controller", *entrance, *kept)
        self._gateways = [
            self._child(
                f"gateway-{slot}",
                "rayfaas.server.gateway",
                *("--slot", str(slot), "--host", options.host, "--port", str(options.port)),
                *("--max-body-mb", str(options.max_body_mb), "--cache-mb", str(options.cache_mb)),
                *entrance,
                *("--url", options.public_url),
                *(text for network in options.webhook_networks for text in ("--webhook-network", network)),
            )
            for slot in range(options.gateways)
        ]
        self._cluster = self._child("cluster", "rayfaas.cluster.local", *_cluster_options(options))

    def run(self) -> None:
        prepare(self._home)
        with self._lock():
            self._forget_server_file()  # of a parent before this one, which was killed
            for directory in (self._home.path, self._home.bundles):
                sweep(directory)
            if self._options.cluster_address:
                self._make_certificate()
            try:
                self._keep_until_stopped()
            finally:
                self._stop_children()
                self._forget_server_file()
                if self._home.run.parent != self._home.path:
                    shutil.rmtree(self._home.run, ignore_errors=True)  # in a directory that everybody's are in

    def stop(self) -> None:
        self._stopping = True

    def _keep_until_stopped(self) -> None:
        children = [self._controller, *self._gateways, self._cluster]
        self._controller.start()
        asyncio.run(self._make_admin_token())
        while not self._stopping:
            changed = [child.keep() for child in children]  # each of them, not only up to the first
            if any(changed) or not self._is_told:
                self._tell(children)
            time.sleep(0.05)

    def _stop_children(self) -> None:
        for gateway in self._gateways:
            if gateway.process is not None:
                gateway.process.terminate()
        for child in (*self._gateways, self._cluster, self._controller):
            child.stop()

    def _make_certificate(self) -> None:
        command = [sys.executable, "-m", "rayfaas.server.certificate", "--home", str(self._home.path)]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)

    async def _make_admin_token(self) -> None:
        """Once per home: the token with which CLI and SDK of this user find in."""
        if self._home.token_file.exists():
            return
        while not self._stopping:
            try:
                token = await self._admin_token()
            except (OSError, ProtocolError, Unauthenticated, Unavailable):  # it is not up yet, or went just now
                self._controller.keep()
                await asyncio.sleep(0.05)
                continue
            write_whole(self._home.token_file, token.encode())
            return

    async def _admin_token(self) -> str:
        key = self._home.key_file.read_bytes()
        link = await dial_link(self._home.controller_address, {"role": "home"}, key, Service({}))
        try:
            made = await link.request(
                "create_token",
                principal=getpass.getuser(),
                team=DEFAULT_TEAM,
                role="admin",
                expires_in_s=None,
                actor="rayfaas up",
            )
        finally:
            link.close()
        return str(made["token"])

    def _forget_server_file(self) -> None:
        self._home.server_file.unlink(missing_ok=True)

    def _tell(self, children: list[Child]) -> None:
        """Who runs goes on though it can't be written down: the disk is full, say."""
        try:
            self._write_server_file(children)
        except OSError as error:
            if self._is_told:
                _log.error("what runs can't be written down, and is tried again: %s", error)
            self._is_told = False
        else:
            self._is_told = True

    def _write_server_file(self, children: list[Child]) -> None:
        processes = [{"name": "parent", "pid": os.getpid()}]
        processes += [{"name": c.name, "pid": c.process.pid} for c in children if c.process is not None]
        text = json.dumps({"url": self._options.url, "pid": os.getpid(), "processes": processes})
        write_whole(self._home.server_file, text.encode(), 0o644)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with self._home.lock_file.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise click.ClickException(f"A server is running in {self._home.path} already.") from None
            yield

    def _child(self, name: str, module: str, *arguments: str) -> Child:
        command = [sys.executable, "-m", module, "--home", str(self._home.path), *arguments]
        return Child(name, command, self._home.logs / f"{name}.log")


def prepare(home: Home) -> None:
    """Make the home's directories, which only its owner may enter, and its key. Raises `Conflict`."""
    make_home(home)
    for directory in (
        home.bundles,
        home.journal,
        home.logs,
        home.cache,
        home.archive,
        home.outgoing,
    ):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not home.key_file.exists():
        write_whole(home.key_file, secrets.token_bytes(32))
    if not home.secrets_key_file.exists():
        write_whole(home.secrets_key_file, secrets.token_bytes(32))
    if not home.owner_file.exists():
        write_whole(home.owner_file, str(uuid.uuid4()).encode())
    if not home.ray_token_file.exists():
        write_whole(home.ray_token_file, secrets.token_hex(32).encode())


def _cluster_options(options: ServerOptions) -> list[str]:
    arguments = ["--ray-address", options.ray_address] if options.ray_address else []
    arguments += ["--head-address", options.head_address] if options.head_address else []
    arguments += _entrance_options(options)
    if options.cpus is not None:
        arguments += ["--cpus", str(options.cpus)]
    if options.gpus is not None:
        arguments += ["--gpus", str(options.gpus)]
    arguments += [text for name in options.pass_env for text in ("--pass-env", name)]
    return [*arguments, "--environments-gb", str(options.environments_gb)]


def _retention_options(options: ServerOptions) -> list[str]:
    names = (
        *("keep_results_s", "keep_calls_s", "keep_logs_s", "keep_arguments_s", "delete_calls_s", "delete_logs_s"),
        *("archive", "archive_cache_mb"),
    )
    given = {name: getattr(options, name) for name in names}
    found = {f"--{name.replace('_', '-')}": str(value) for name, value in given.items() if value is not None}
    return [text for option in found.items() for text in option]


def _entrance_options(options: ServerOptions) -> list[str]:
    if not options.cluster_address:
        return []
    return ["--cluster-address", options.cluster_address, "--cluster-listen", options.cluster_listen]


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1")
@click.option("--port", required=True, type=int)
@click.option("--gateways", default=1)
@click.option("--ray-address", default="")
@click.option("--cpus", type=float)
@click.option("--gpus", type=float)
@click.option("--head-address", default="")
@click.option("--max-body-mb", type=float, default=MAX_BODY_MB)
@click.option("--webhook-network", "webhook_networks", multiple=True)
@click.option("--cluster-address", default="")
@click.option("--cluster-listen", default="")
@click.option("--url", "public_url", default="")
@click.option("--keep-results-s", type=float, default=KEEP_RESULTS_S)
@click.option("--keep-calls-s", type=float, default=Retention.keep_calls_s)
@click.option("--keep-logs-s", type=float, default=Retention.keep_logs_s)
@click.option("--keep-arguments-s", type=float, default=Retention.keep_arguments_s)
@click.option("--delete-calls-s", type=float)
@click.option("--delete-logs-s", type=float)
@click.option("--archive", default="")
@click.option("--archive-cache-mb", type=float, default=Retention.archive_cache_mb)
@click.option("--pass-env", multiple=True)
@click.option("--environments-gb", type=float, default=50.0)
@click.option("--cache-mb", type=float, default=CACHE_MB)
@click.option("--head-keep-alive", default="never")
def main(home: Path, **options: object) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    parent = Parent(Home(home), ServerOptions(**options))  # type: ignore[arg-type]
    signal.signal(signal.SIGTERM, lambda *_: parent.stop())
    signal.signal(signal.SIGINT, lambda *_: parent.stop())
    parent.run()


if __name__ == "__main__":
    main()
