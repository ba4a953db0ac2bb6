"""Connections that have not proved yet who they are: only so many may wait, and none of them can hold much memory."""

from __future__ import annotations

import logging
from typing import Protocol

_log = logging.getLogger("rayfaas.connection")

# So many executors may dial at once; a handshake takes a few milliseconds.
MOST = 256


class Stranger(Protocol):
    """One of them."""

    def abort(self) -> None: ...


class Strangers:
    """Those of one listening socket. Where there are too many the one that has waited longest goes.

    Peers that can prove who they are wait for a moment only, and dial again where they were sent away.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: dict[Stranger, None] = {}
        self._told = False

    def came(self, stranger: Stranger) -> None:
        self._waiting[stranger] = None
        if len(self._waiting) > self._most:
            self._tell()
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.abort()

    def left(self, stranger: Stranger) -> None:
        """It proved who it is, or is gone. Nothing happens where it was sent away."""
        self._waiting.pop(stranger, None)
        self._told = self._told and len(self._waiting) > self._most // 2

    def _tell(self) -> None:
        """Once for each crowd."""
        if not self._told:
            _log.warning("over %d connections have not said who they are; the oldest of them are closed", self._most)
        self._told = True
