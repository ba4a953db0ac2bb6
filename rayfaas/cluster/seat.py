"""A node's place in its cluster: what it keeps on its disk, so that it comes back by itself after each start."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from rayfaas.join_token import JoinToken
from rayfaas.link import Service, dial_link

ENTER_S = 30.0


class Seat(msgspec.Struct, frozen=True):
    """`key` proves to the controller which of the keeper's launches this machine is, and nothing else."""

    attempt: str
    controller: str
    key: bytes

    @classmethod
    async def take(cls, token: JoinToken) -> Seat:
        """Trade a join token, which is spent then. Raises `Unauthenticated` where it is refused, and OSError."""
        identity = {"role": "newcomer", "name": token.join}
        link = await dial_link(token.controller, identity, token.secret, Service({}))
        try:
            granted = await link.request("enter", timeout_s=ENTER_S)
        finally:
            link.close()
        return cls(token.join, token.controller, granted["key"])

    @classmethod
    def read(cls, directory: Path, attempt: str) -> Seat | None:
        """None where the machine was not let in yet, as this launch."""
        with contextlib.suppress(OSError, msgspec.DecodeError):
            seat = msgspec.msgpack.decode((directory / "seat").read_bytes(), type=cls)
            return seat if seat.attempt == attempt else None
        return None

    def write(self, directory: Path) -> None:
        """Whole or not at all, and for its owner only."""
        scratch = directory / "seat.new"
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.msgpack.encode(self))
        scratch.rename(directory / "seat")
