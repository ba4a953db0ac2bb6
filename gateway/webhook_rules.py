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

    def check(self, url: str) -> str:
        """The URL again. Raises `BadRequest` where it is none for webhooks, `Forbidden` for a forbidden address."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise BadRequest(f"Rayfaas-Webhook is no URL: {error}.") from None
        if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or len(url) > _LONGEST_URL:
            raise BadRequest(
                f"Rayfaas-Webhook is an http or https URL without a password, {_LONGEST_URL} characters at most."
            )
        if _is_address(parsed.host) and not self.allows(parsed.host):
            raise _forbidden(parsed.host)
        return url

    def allows(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        if any(found in network for network in self._networks):
            return True
        return all(each.is_global and not each.is_multicast for each in (found, *_carried(found)))

    async def resolve(self, host: str, port: int) -> str:
        """The address to dial. Raises `Forbidden` where a name leads to any that is not allowed, OSError if to none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(where[0]) for *_, where in found]
        for address in addresses:
            if not self.allows(address):
                raise _forbidden(address)
        return addresses[0]


def _carried(address: Address) -> list[Address]:
    """The IPv4 address that an IPv6 address leads to, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    teredo = address.teredo[1] if address.teredo else None
    return [each for each in (address.ipv4_mapped, address.sixtofour, teredo) if each is not None]


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
