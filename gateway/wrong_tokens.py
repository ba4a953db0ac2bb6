"""Wrong tokens, by the address that they come from: so many are told that they are wrong, the others to come later.

A right token is answered whatever else comes from its address: only what is no token here is counted.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import time
from collections.abc import Callable

from rayfaas.errors import RateLimited, RayfaasError, Unauthenticated

_log = logging.getLogger("rayfaas.gateway")

AT_ONCE = 20
PER_S = 1 / 3
# Addresses that are remembered; the one that was heard of longest ago is forgotten first.
MOST_ADDRESSES = 10_000
LOG_EVERY_S = 10.0


class WrongToken(Unauthenticated):
    """It is none of this server: it was guessed, mistyped or revoked."""


class WrongTokens:
    """`clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}  # how many were left, and when
        self._logged_at = -math.inf

    def judged(self, error: RayfaasError, client: object) -> RayfaasError:
        """What is told instead of an error to a client, which is (address, port): another where it is a wrong token
        and too many have come from there."""
        if not isinstance(error, WrongToken):
            return error
        address = _source(client)
        now = self._clock()
        left, at = self._left.pop(address, (float(AT_ONCE), now))
        left = min(AT_ONCE, left + (now - at) * PER_S)
        is_over = left < 1
        self._left[address] = (left if is_over else left - 1, now)
        if len(self._left) > MOST_ADDRESSES:
            del self._left[next(iter(self._left))]
        return self._too_many(address, (1 - left) / PER_S, now) if is_over else error

    def __len__(self) -> int:
        return len(self._left)

    def _too_many(self, address: str, wait_s: float, now: float) -> RateLimited:
        if now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            _log.warning("too many wrong tokens come from %s", address)
        seconds = max(1, math.ceil(wait_s))
        return RateLimited(
            f"Too many wrong tokens came from {address}. Try again in {seconds} s, with a right one at any time.",
            retry_after_s=seconds,
        )


def _source(client: object) -> str:
    """The address; of IPv6 the network of one customer, who has all of its addresses."""
    host = str(client[0]) if isinstance(client, tuple | list) and client else "an unknown address"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
