"""A gateway on another machine than its controller: how it joins, and its process.

    RAYFAAS_JOIN=TOKEN python -m rayfaas.server.elsewhere join --home DIR
    python -m rayfaas.server.elsewhere run --home DIR --host HOST --port PORT --cluster-address HOST:PORT

Its folder has its keys, its certificate and its journal, until the controller has copied that.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import uvloop

from rayfaas.address import split_host_port
from rayfaas.config import MAX_BODY_MB, Home, Limits
from rayfaas.entrance import Entrance
from rayfaas.errors import RayfaasError
from rayfaas.gateway.config import GatewayConfig
from rayfaas.gateway.keys import Keys
from rayfaas.gateway.server import Gateway
from rayfaas.join_token import JoinToken
from rayfaas.link import Service, dial_link
from rayfaas.private import make_home
from rayfaas.server.certificate import ensure_certificate
from rayfaas.whole_file import write_whole

JOIN_S = 30.0


class Membership(msgspec.Struct, frozen=True):
    """What a gateway is told when it joins. `controller` is an address (`rayfaas.address`)."""

    gateway: str
    controller: str
    link: bytes
    calls: bytes
    webhooks: bytes

    @property
    def keys(self) -> Keys:
        return Keys(self.link, self.calls, self.webhooks)


async def join(home: Home, token: JoinToken) -> Membership:
    """Trade a token for a membership, which the home keeps. Raises OSError and `RayfaasError`."""
    identity = {"role": "join_gateway", "join": token.join}
    link = await dial_link(token.controller, identity, token.secret, Service({}))
    try:
        told = await link.request("join_gateway", timeout_s=JOIN_S)
    finally:
        link.close()
    member = msgspec.convert({**told, "controller": token.controller}, Membership)
    make_home(home)
    home.journal.mkdir(mode=0o700, exist_ok=True)
    write_whole(home.gateway_file, msgspec.json.encode(member))
    return member


def membership(home: Home) -> Membership:
    """Raises `ClickException` where none has joined from this home."""
    try:
        return msgspec.json.decode(home.gateway_file.read_bytes(), type=Membership)
    except FileNotFoundError:
        raise click.ClickException(
            f"No gateway has joined from {home.path}. `rayfaas gateway join-token`, at its server, prints how one does."
        ) from None


@contextlib.contextmanager
def locked(home: Home) -> Iterator[None]:
    """One process for each home: two would tell the controller of each other's journal."""
    with home.lock_file.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException(f"A gateway, or a server, is running in {home.path} already.") from None
        yield


@click.group()
def main() -> None:
    """A gateway on another machine than its controller."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


@main.command(name="join")
@click.option("--home", required=True, type=click.Path(path_type=Path))
def join_command(home: Path) -> None:
    place = Home(home)
    token = JoinToken.parse(os.environ.pop("RAYFAAS_JOIN", ""))
    try:
        member = asyncio.run(join(place, token))
    except (OSError, asyncio.TimeoutError, RayfaasError) as error:
        reason = str(error) or "it did not answer in time"
        raise click.ClickException(f"The controller at {token.controller} let no gateway join: {reason}") from None
    click.echo(
        f"This gateway has joined as {member.gateway}. Start it: rayfaas gateway run --cluster-address HOST:PORT"
    )


@main.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1")
@click.option("--port", required=True, type=int)
@click.option("--cluster-address", required=True)
@click.option("--cluster-listen", default="")
@click.option("--url", default="")
@click.option("--max-body-mb", type=float, default=MAX_BODY_MB)
@click.option("--webhook-network", "webhook_networks", multiple=True)
def run(
    home: Path,
    host: str,
    port: int,
    cluster_address: str,
    cluster_listen: str,
    url: str,
    max_body_mb: float,
    webhook_networks: tuple[str, ...],
) -> None:
    place = Home(home)
    member = membership(place)
    cluster_host, cluster_port = split_host_port(cluster_address)
    with locked(place):
        ensure_certificate(place)
        entrance = Entrance(cluster_host, cluster_port, cluster_listen or cluster_host, place.certificate_file)
        config = GatewayConfig(
            name=member.gateway,
            host=host,
            port=port,
            executor_socket=place.gateway_socket(0),
            controller=member.controller,
            journal=place.journal,
            keys=member.keys,
            limits=Limits(max_body=int(max_body_mb * (1 << 20))),
            cache=place.cached,
            webhook_networks=webhook_networks,
            entrance=entrance,
            public_url=url,
        )
        try:
            uvloop.run(_serve(config))
        except OSError as error:  # a port that is in use, an address of another machine, a full disk
            raise click.ClickException(f"The gateway ended: {error}") from None


async def _serve(config: GatewayConfig) -> None:
    await Gateway(config).serve()


if __name__ == "__main__":
    main()
