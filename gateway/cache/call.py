"""A call whose result may be an earlier one's, or be kept for later ones."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from rayfaas.envelope import CallHeader
from rayfaas.gateway.cache.key import Key
from rayfaas.gateway.call_access import Claims
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.route import Route
from rayfaas.gateway.snapshot import CacheRoute
from rayfaas.touches import Touch

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CallHeader).decode


class Tracked(msgspec.Struct, frozen=True):
    """What a call touched; `unknown` says why that can't be told."""

    touches: list[Touch]
    unknown: str = ""


class CachedCall(PendingCall):
    """Its executor tells what it touches. With `bypasses` no earlier result will do. Others wait for its `flight`.
    `edition` says which values the secrets had when it came."""

    __slots__ = ("bypasses", "edition", "flight", "has_called", "is_kept", "key", "tracked")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.bypasses = self.has_called = self.is_kept = False
        self.key, self.edition = Key("", {}), ""
        self.flight: asyncio.Future[bool] | None = None
        self.tracked: asyncio.Future[Tracked] = asyncio.get_running_loop().create_future()

    @property
    def cache(self) -> CacheRoute:
        cache = self.route.version.cache
        assert cache is not None
        return cache

    def header(self) -> bytes:
        return _encode(msgspec.structs.replace(_decode(super().header()), tracks=True))

    def claims(self) -> Claims:
        """It asks so that it can call others."""
        self.has_called = True
        return super().claims()

    def tell(self, name: bytes, value: bytes) -> None:
        """One more header of its answer."""
        self.rate = [*(self.rate or ()), (name, value)]


def kind_of(route: Route) -> type[PendingCall]:
    """Of a call that holds its body, and whose result is one piece."""
    return PendingCall if route.version.cache is None else CachedCall
