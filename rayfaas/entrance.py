"""Where clusters on other machines come in: to the controller at one port, to the gateways at those after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rayfaas.address import NetworkAddress, is_loopback, join_host_port, split_host_port
from rayfaas.config import Home
from rayfaas.connection import Connection
from rayfaas.door import Door
from rayfaas.tls import fingerprint_of, server_context


@dataclass(frozen=True)
class Entrance:
    """`host`:`port` is what others dial, `listen` the address of this machine that it leads to."""

    host: str
    port: int
    listen: str
    certificate: Path

    @property
    def address(self) -> str:
        return str(NetworkAddress(self.host, self.port, fingerprint_of(self.certificate)))

    def http_url(self, host: str, port: int) -> str:
        """How executors on other machines reach a gateway that listens there for HTTP, as far as that can be guessed.

        >>> entrance = Entrance("192.0.2.7", 8702, "0.0.0.0", Path("certificate.pem"))
        >>> entrance.http_url("0.0.0.0", 8700), entrance.http_url("127.0.0.1", 8700)
        ('http://192.0.2.7:8700', '')
        """
        return "" if is_loopback(host) else f"http://{join_host_port(self.host, port)}"

    def of_gateway(self, slot: int) -> Entrance:
        return replace(self, port=self.port + 1 + slot)

    def open(self, protocol: Callable[[], Connection]) -> Door:
        """Raises OSError where the address can't be had."""
        door = Door(protocol, server_context(self.certificate))
        door.open(self.listen, self.port)
        return door


def entrance_of(home: Home, cluster_address: str, cluster_listen: str) -> Entrance | None:
    """That of the controller, as `rayfaas up` was asked for it; None where it was not."""
    if not cluster_address:
        return None
    host, port = split_host_port(cluster_address)
    return Entrance(host, port, cluster_listen or host, home.certificate_file)
