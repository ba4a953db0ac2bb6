"""Copies of the journals of gateways on other machines, in the home's own journal, where the registry loads them.

A copy is locked for as long as its gateway may have more to say, as gateways here lock what they write: the lock tells
the registry that the gateway lives, though its machine may be out of reach. A record lands once, however often anything
is killed: what is copied is asked for from where the copy ends, and how far that is loaded the registry knows.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import msgspec

from rayfaas.errors import ProtocolError
from rayfaas.link import Link

PIECE = 1 << 20
_SEGMENT = re.compile(r"(.+)-\d+\.\d+\.ndjson", re.ASCII)


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What a gateway says of one of its segments. It is `whole` when no more will be written to it."""

    name: str
    size: int
    whole: bool


class Mirror:
    """The copy of one segment, locked. `size` is up to where it has the segment, whether the beginning is in the file
    or was loaded and deleted before."""

    def __init__(self, path: Path, loaded: int = 0) -> None:
        self.path = path
        self._fd = _reopen(path) if path.exists() else _create(path, loaded)
        self.size = os.fstat(self._fd).st_size

    def append(self, piece: bytes) -> None:
        """Raises OSError on a full disk; what it took of the piece is kept."""
        self.size += os.pwrite(self._fd, piece, self.size)

    async def sync(self) -> None:
        await asyncio.to_thread(os.fdatasync, self._fd)

    def release(self) -> None:
        """No more will come."""
        os.close(self._fd)


class Mirrors:
    """`loaded` says how many bytes of a segment the registry has loaded."""

    def __init__(self, directory: Path, loaded: Callable[[str], Awaitable[int]]) -> None:
        self._directory, self._loaded = directory, loaded
        self._mirrors: dict[str, Mirror] = {}
        self._copying: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by gateway

    def begin(self, gateways: Iterable[str]) -> None:
        """Lock what there is of these gateways. To be done before anything is loaded: unlocked they count as dead."""
        names = set(gateways)
        for path in self._directory.glob("*.ndjson"):
            if path.name not in self._mirrors and gateway_of(path.name) in names:
                self._mirrors[path.name] = Mirror(path)

    def welcome(self, gateway: str, instance: str) -> None:
        """This life of a gateway is connected, and lives from now on. Raises `ProtocolError` where it is another's."""
        first = f"{instance}.000000.ndjson"
        if gateway_of(first) != gateway:
            raise ProtocolError(f"{instance!r} can't be a life of the gateway {gateway}")
        if not any(name.startswith(f"{instance}.") for name in self._mirrors):
            self._mirrors[first] = Mirror(self._directory / first)

    async def copy(self, link: Link, gateway: str) -> None:
        """Have all that this gateway has recorded until now. Raises OSError, and what the link raises."""
        async with self._copying[gateway]:
            await self._copy(link, gateway)

    async def forget(self, gateway: str) -> None:
        """It will not come back: what it left open is interrupted."""
        async with self._copying[gateway]:
            for name in self._of(gateway):
                self._mirrors.pop(name).release()

    async def _copy(self, link: Link, gateway: str) -> None:
        segments = msgspec.convert(await link.request("journal_segments"), list[Told])
        copied = [told for told in segments if await self._copy_segment(link, gateway, told)]
        # Only now, when the copy of what is written next is locked: the gateway must not count as dead in between.
        for told in copied:
            await self._finish(told.name)
        link.notify("forget_journal", segments=[told.name for told in copied])
        for name in self._of(gateway) - {told.name for told in segments}:
            await self._finish(name)  # the gateway has forgotten it, which it does when all of it is here

    async def _copy_segment(self, link: Link, gateway: str, told: Told) -> bool:
        """Whether all is here that will ever be in it."""
        if gateway_of(told.name) != gateway:
            raise ProtocolError(f"{gateway} tells of {told.name!r}, which can't be a segment of its journal")
        mirror = self._mirrors.get(told.name)
        if mirror is None:
            loaded = await self._loaded(told.name)
            if told.whole and loaded >= told.size and not (self._directory / told.name).exists():
                return True
            mirror = self._mirrors[told.name] = Mirror(self._directory / told.name, loaded)
        while mirror.size < told.size:
            piece = await link.request("read_journal", segment=told.name, offset=mirror.size, limit=PIECE)
            if not piece:
                return False
            mirror.append(piece)
        return told.whole

    async def _finish(self, name: str) -> None:
        if mirror := self._mirrors.get(name):
            await mirror.sync()  # the gateway is about to delete its own
            self._mirrors.pop(name).release()

    def _of(self, gateway: str) -> set[str]:
        return {name for name in self._mirrors if gateway_of(name) == gateway}


def gateway_of(segment: str) -> str:
    """The gateway whose segment has this name; "" where none can have.

    >>> gateway_of("edge-1764271000000000000.000003.ndjson")
    'edge'
    """
    found = _SEGMENT.fullmatch(segment)
    return found[1] if found else ""


def _reopen(path: Path) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_EX)  # the registry tries locks, for an instant
    return fd


def _create(path: Path, loaded: int) -> int:
    """It gets its name when it is locked; what was loaded of it before is a hole."""
    unnamed = path.with_suffix(".new")
    unnamed.unlink(missing_ok=True)
    fd = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.ftruncate(fd, loaded)
    os.rename(unnamed, path)
    return fd
