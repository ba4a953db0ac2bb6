"""Where webhooks may go: to public addresses, and to those of the networks that the server's owner allows.

A gateway stands in its owner's network; a caller must not reach through it what stands there too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import httpx

from rayfaas.errors import BadRequest, Forbidden

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LONGEST_URL = 2048
# IPv6 addresses that carry one of IPv4 in their last bits (RFC 6052), which the network behind them translates.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# All that is public in IPv6. `is_global` admits what was never given to anybody, and ways into networks beside ours.
_UNICAST = ipaddress.IPv6Network("2000::/3")
# Where clouds answer their own machines, though these addresses look public: Oracle's, and Azure's.
_OF_CLOUDS = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("168.63.129.16/32"))


class WebhookRules:
    """`networks`, as `10.1.0.0/16`, are allowed though they are not public. Raises `BadRequest` for what is none.

    >>> WebhookRules().allows("127.0.0.1"), WebhookRules(["127.0.0.0/8"]).allows("127.0.0.1")
    (False, True)
    """

    def __init__(self, networks: Sequence[str] = ()) -> None:
        try:
            self._networks = [ipaddress.ip_network(network) for network in networks]
        except ValueError as error:
            raise BadRequest(f"Networks of webhooks are written as 10.1.0.0/16: {error}.") from None

    def check(self, url: str, what: str = "Rayfaas-Webhook") -> str:
        """The URL again; `what` is what errors call it.

        Raises `BadRequest` where it is none for webhooks, `Forbidden` for a forbidden address."""
        try:
            parsed = httpx.URL(url)
            host, port = parsed.host, parsed.port
        except (httpx.InvalidURL, UnicodeError) as error:
            raise BadRequest(f"{what} is no URL: {error}.") from None
        if port is not None and not 0 < port < 1 << 16:
            raise BadRequest(f"{what} has a port from 1 to 65535, not {port}.")
        if parsed.scheme not in ("http", "https") or not host or parsed.userinfo or len(url) > _LONGEST_URL:
            raise BadRequest(f"{what} is an http or https URL without a password, {_LONGEST_URL} characters at most.")
        if _is_address(host) and not self.allows(host):
            raise _forbidden(host)
        return url

    def allows(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        if any(found in network for network in self._networks):
            return True
        return all(map(_is_public, _led_to(found)))

    async def resolve(self, host: str, port: int) -> str:
        """The address to dial. Raises `Forbidden` where a name leads to any that is not allowed, OSError if to none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(where[0]) for *_, where in found]
        for address in addresses:
            if not self.allows(address):
                raise _forbidden(address)
        return addresses[0]


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        return address in _UNICAST and address.is_global
    return address.is_global and not address.is_multicast and not any(address in network for network in _OF_CLOUDS)


def _led_to(address: Address) -> list[Address]:
    """Where what is sent to it arrives: of an IPv6 address that carries one of IPv4, at that."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    teredo = address.teredo[1] if address.teredo else None
    return [address, *(each for each in (address.sixtofour, teredo) if each is not None)]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _forbidden(address: str) -> Forbidden:
    return Forbidden(
        f"{address} is not a public address, and webhooks go to public ones. The server's owner may allow others: "
        "rayfaas up --webhook-network 10.1.0.0/16"
    )
