"""The controller: exactly one, the only owner of the registry's file.

    python -m rayfaas.server.controller --home DIR --options JSON

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
from rayfaas.server_options import ServerOptions
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
@click.option("--options", required=True, help="A `ServerOptions` as JSON.")
def main(home: Path, options: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_main(Home(home), ServerOptions.parse(options)))


async def _main(home: Home, options: ServerOptions) -> None:
    entrance = entrance_of(home, options.cluster_address, options.cluster_listen)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop.set)
    try:
        registry = Registry.open(home.database, home.journal, cache_mb=options.archive_cache_mb, on_broken=_end_at_once)
    except Conflict as error:
        _log.critical("%s", error.detail)
        sys.exit(os.EX_CONFIG)  # which the parent takes for an answer: another try would end like this one
    controller = Controller(
        home, registry, entrance, options.keep_results_s, options.retention, options.head_keep_alive
    )
    await controller.serve(stop)


def _end_at_once() -> None:
    """As if it were killed: the parent starts another, which goes on with what is in the registry and the journals."""
    os._exit(os.EX_SOFTWARE)


if __name__ == "__main__":
    main()
