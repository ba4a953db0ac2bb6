"""The gateway process of one slot.

python -m rayfaas.server.gateway --home DIR --slot N --options JSON
"""

from __future__ import annotations

import logging
from pathlib import Path

import click
import uvloop

from rayfaas.config import Home
from rayfaas.entrance import entrance_of
from rayfaas.gateway.config import GatewayConfig
from rayfaas.gateway.keys import Keys
from rayfaas.gateway.server import Gateway
from rayfaas.server_options import ServerOptions


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--slot", required=True, type=int)
@click.option("--options", required=True, help="A `ServerOptions` as JSON.")
def main(home: Path, slot: int, options: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    uvloop.run(_serve(config_of(Home(home), slot, ServerOptions.parse(options))))


def config_of(home: Home, slot: int, options: ServerOptions) -> GatewayConfig:
    entrance = entrance_of(home, options.cluster_address, options.cluster_listen)
    return GatewayConfig(
        name=f"gateway-{slot}",
        host=options.host,
        port=options.port,
        executor_socket=home.gateway_socket(slot),
        controller=home.controller_address,
        journal=home.journal,
        keys=Keys.of_home(home.key_file.read_bytes()),
        limits=options.limits,
        webhook_networks=options.webhook_networks,
        entrance=entrance.of_gateway(slot) if entrance else None,
        public_url=options.public_url,
        cache=home.cached,
        cache_bytes=options.cache_bytes,
    )


async def _serve(config: GatewayConfig) -> None:
    await Gateway(config).serve()


if __name__ == "__main__":
    main()
