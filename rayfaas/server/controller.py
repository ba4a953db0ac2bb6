"""The controller: exactly one, the only owner of the registry's file.

    python -m rayfaas.server.controller --home DIR

It serves gateways, agents and supervisors over links, publishes versions and moves aliases, keeps versions running
where they are called, and loads the gateways' journals.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from rayfaas.config import KEEP_RESULTS_S, Home, Retention
from rayfaas.entrance import Entrance, entrance_of
from rayfaas.errors import Conflict
from rayfaas.handshake import ServerSide
from rayfaas.link import Link
from rayfaas.registry import Registry
from rayfaas.server.keys import Keys
from rayfaas.server.parts import Parts
from rayfaas.server.peers import Guarded, Peers
from rayfaas.strangers import Strangers

_log = logging.getLogger("rayfaas.controller")


class Controller:
    """The parts behind their sockets: one on this machine, and one for others where there is an `entrance`."""

    def __init__(
        self,
        home: Home,
        registry: Registry,
        entrance: Entrance | None = None,
        keep_results_s: float = KEEP_RESULTS_S,
        retention: Retention | None = None,
        head_keep_alive: str = "never",
    ) -> None:
        self._home, self._entrance = home, entrance
        address = entrance.address if entrance else ""
        self.parts = Parts(home, registry, address, keep_results_s, retention or Retention(), head_keep_alive)
        self._keys = Keys(home.key_file.read_bytes(), self.parts)
        self.peers = Peers(self.parts)
        self._strangers = Strangers()

    async def serve(self, stop: asyncio.Event) -> None:
        await self.parts.read_registry()
        path = self._home.controller_socket
        path.unlink(missing_ok=True)
        server = await asyncio.get_running_loop().create_unix_server(self._accept, str(path))
        path.chmod(0o600)
        door = self._entrance.open(self._accept_network) if self._entrance else None
        loops = [asyncio.ensure_future(each) for each in self.parts.loops()]
        try:
            await stop.wait()
        finally:
            server.close()
            if door is not None:
                await door.close()
            for task in loops:
                task.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self.parts.close()

    def _accept(self) -> Link:
        return Link(ServerSide(self._keys.of), Guarded(self.peers), self._strangers)

    def _accept_network(self) -> Link:
        return Link(ServerSide(self._keys.over_network), Guarded(self.peers))


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--cluster-address", default="", help="HOST:PORT that clusters on other machines dial.")
@click.option("--cluster-listen", default="", help="The address of this machine that it leads to.")
@click.option("--keep-results-s", type=float, default=KEEP_RESULTS_S)
@click.option("--keep-calls-s", type=float, default=Retention.keep_calls_s)
@click.option("--keep-logs-s", type=float, default=Retention.keep_logs_s)
@click.option("--keep-arguments-s", type=float, default=Retention.keep_arguments_s)
@click.option("--delete-calls-s", type=float)
@click.option("--delete-logs-s", type=float)
@click.option("--archive", default="", help="The URL of an object store where the archive is kept.")
@click.option("--archive-cache-mb", type=float, default=Retention.archive_cache_mb)
@click.option("--head-keep-alive", default="never", help="How long the cluster of this machine is kept without a call.")
def main(
    home: Path, cluster_address: str, cluster_listen: str, keep_results_s: float, head_keep_alive: str, **retention: Any
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    entrance = entrance_of(Home(home), cluster_address, cluster_listen)
    asyncio.run(_main(Home(home), entrance, keep_results_s, Retention(**retention), head_keep_alive))


async def _main(
    home: Home, entrance: Entrance | None, keep_results_s: float, retention: Retention, head_keep_alive: str
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop.set)
    try:
        registry = Registry.open(
            home.database, home.journal, cache_mb=retention.archive_cache_mb, on_broken=_end_at_once
        )
    except Conflict as error:
        _log.critical("%s", error.detail)
        sys.exit(os.EX_CONFIG)  # which the parent takes for an answer: another try would end like this one
    await Controller(home, registry, entrance, keep_results_s, retention, head_keep_alive).serve(stop)


def _end_at_once() -> None:
    """As if it were killed: the parent starts another, which goes on with what is in the registry and the journals."""
    os._exit(os.EX_SOFTWARE)


if __name__ == "__main__":
    main()
