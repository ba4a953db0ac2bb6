"""Where a process listens: `unix:PATH` on the same machine, `tls:HOST:PORT:FINGERPRINT` for the others."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from rayfaas.errors import ProtocolError


class NetworkAddress(NamedTuple):
    """`fingerprint` is that of the one certificate that is taken there (`rayfaas.tls`), so no authority is asked.

    >>> str(NetworkAddress("10.0.0.1", 8701, "ab12"))
    'tls:10.0.0.1:8701:ab12'
    """

    host: str
    port: int
    fingerprint: str

    def __str__(self) -> str:
        return f"tls:{join_host_port(self.host, self.port)}:{self.fingerprint}"


def parse_address(text: str) -> str | NetworkAddress:
    """The path of a UNIX socket, or a network address. Raises `ProtocolError`."""
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest:
        return rest
    place, _, fingerprint = rest.rpartition(":")
    try:
        host, port = split_host_port(place)
    except ValueError:
        host, port = "", 0
    if scheme != "tls" or not host or not fingerprint:
        raise ProtocolError(f"{text!r} is neither unix:PATH nor tls:HOST:PORT:FINGERPRINT")
    return NetworkAddress(host, port, fingerprint)


def split_host_port(text: str) -> tuple[str, int]:
    """Raises ValueError.

    >>> split_host_port("[::1]:8701")
    ('::1', 8701)
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches it.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return bool(ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return host == "localhost"


def join_host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
