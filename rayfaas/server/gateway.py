"""The gateway process of one slot.

python -m rayfaas.server.gateway --home DIR --slot N --host HOST --port PORT
"""

from __future__ import annotations

import logging
from pathlib import Path

import click
import uvloop

from rayfaas.config import CACHE_MB, MAX_BODY_MB, Home, Limits
from rayfaas.entrance import entrance_of
from rayfaas.gateway.config import GatewayConfig
from rayfaas.gateway.keys import Keys
from rayfaas.gateway.server import Gateway


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--slot", required=True, type=int)
@click.option("--host", required=True)
@click.option("--port", required=True, type=int)
@click.option("--max-body-mb", type=float, default=MAX_BODY_MB)
@click.option("--cache-mb", type=float, default=CACHE_MB)
@click.option("--webhook-network", "webhook_networks", multiple=True)
@click.option("--cluster-address", default="")
@click.option("--cluster-listen", default="")
@click.option("--url", default="")
def main(
    home: Path,
    slot: int,
    host: str,
    port: int,
    max_body_mb: float,
    cache_mb: float,
    webhook_networks: tuple[str, ...],
    cluster_address: str,
    cluster_listen: str,
    url: str,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    place = Home(home)
    entrance = entrance_of(place, cluster_address, cluster_listen)
    config = GatewayConfig(
        name=f"gateway-{slot}",
        host=host,
        port=port,
        executor_socket=place.gateway_socket(slot),
        controller=place.controller_address,
        journal=place.journal,
        keys=Keys.of_home(place.key_file.read_bytes()),
        limits=Limits(max_body=int(max_body_mb * (1 << 20))),
        webhook_networks=webhook_networks,
        entrance=entrance.of_gateway(slot) if entrance else None,
        public_url=url,
        cache=place.cached,
        cache_bytes=int(cache_mb * (1 << 20)),
    )
    uvloop.run(_serve(config))


async def _serve(config: GatewayConfig) -> None:
    await Gateway(config).serve()


if __name__ == "__main__":
    main()
