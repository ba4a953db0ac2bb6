"""The parent of the home server: a small process that starts the others and starts them again when they end.

    python -m rayfaas.server.parent --home DIR --options JSON

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
from pathlib import Path

import click

from rayfaas.config import Home
from rayfaas.errors import ProtocolError, Unauthenticated, Unavailable
from rayfaas.link import Service, dial_link
from rayfaas.names import DEFAULT_TEAM
from rayfaas.private import make_home
from rayfaas.server.child import Child
from rayfaas.server_options import ServerOptions
from rayfaas.whole_file import sweep, write_whole

_log = logging.getLogger("rayfaas.parent")

# For the allocator in DuckDB: what is freed goes back to the system, address space too. Queries are held to a limit of
# that, which else counts what any of them ever had. https://jemalloc.net/jemalloc.3.html#opt.retain
_GIVE_BACK = "DUCKDB_JE_MALLOC_CONF=retain:false"


class Parent:
    """Starts in the order controller, gateways, cluster; stops in the order gateways, cluster, controller."""

    def __init__(self, home: Home, options: ServerOptions) -> None:
        self._home, self._options = home, options
        self._stopping = False
        self._is_told = True  # the server file says what runs
        self._controller = self._child("controller", "rayfaas.server.controller")
        self._controller.command[:0] = ["env", _GIVE_BACK]
        self._gateways = [
            self._child(f"gateway-{slot}", "rayfaas.server.gateway", "--slot", str(slot))
            for slot in range(options.gateways)
        ]
        self._cluster = self._child("cluster", "rayfaas.cluster.local")

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
        command = [sys.executable, "-m", module, "--home", str(self._home.path), "--options", str(self._options)]
        command += arguments
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


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--options", required=True, help="A `ServerOptions` as JSON.")
def main(home: Path, options: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    parent = Parent(Home(home), ServerOptions.parse(options))
    signal.signal(signal.SIGTERM, lambda *_: parent.stop())
    signal.signal(signal.SIGINT, lambda *_: parent.stop())
    parent.run()


if __name__ == "__main__":
    main()
