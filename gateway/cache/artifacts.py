"""Whether what a result depends on is still as it was.

What can be looked at from here is files of this machine: their content, the names in folders, that there is none. What
lies in a store, or on another machine, can't be: its result is kept where the function says for how long.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote

from rayfaas.fingerprints import ABSENT, TICK_NS, Fingerprints
from rayfaas.touches import Touch


class Changed(NamedTuple):
    """An artifact that is not what it was. `now` is empty where that can't be told."""

    uri: str
    was: str
    now: str


class Uncertain(Exception):
    """A result that may not be used again, and why."""


class Artifacts:
    """May be asked from several threads."""

    def __init__(self) -> None:
        self._fingerprints = Fingerprints()

    def changed(self, artifacts: Iterable[tuple[str, str]]) -> Changed | None:
        """The first that is not in its version any more."""
        for uri, was in artifacts:
            now = self._now(uri)
            if now != was:
                return Changed(uri, was, now)
        return None

    def checkable(
        self, touches: Iterable[Touch], began_ns: int, is_remote: bool, may_age: bool
    ) -> tuple[tuple[str, str], ...]:
        """Those of the touches that can be looked at again, of a call that began then, on another machine or this.

        Raises `Uncertain` where that does not do: with `may_age` only where a file changed meanwhile.
        """
        found: dict[str, str] = {}
        for touch in touches:
            if not touch.uri.startswith("file://") or is_remote or touch.version is None:
                if not touch.is_certain:
                    raise Uncertain(f"{touch.uri} changed while it was used")
                if not may_age:
                    raise Uncertain(f"{_reason(touch, is_remote)}; give the cache a time to live, cache='1h'")
            else:
                self._check(touch, began_ns)
                found[touch.uri] = touch.version
        return tuple(sorted(found.items()))

    def _check(self, touch: Touch, began_ns: int) -> None:
        if not touch.is_certain or self._now(touch.uri) != touch.version:
            raise Uncertain(f"{touch.uri} changed while it was used")
        if touch.mode == "read" and touch.version != ABSENT and _changed_ns(touch.uri) >= began_ns - TICK_NS:
            raise Uncertain(f"{touch.uri} was written just before, or while, it was read")

    def _now(self, uri: str) -> str:
        try:
            return self._fingerprints.now(_path(uri))
        except (OSError, ValueError):  # an executor may say any path
            return ""


def _reason(touch: Touch, is_remote: bool) -> str:
    verb = "read" if touch.mode == "read" else "wrote"
    if touch.uri.startswith("file://") and is_remote:
        return f"it {verb} {touch.uri} on another machine"
    return f"it {verb} {touch.uri}, and whether that is still so can't be looked up"


def _changed_ns(uri: str) -> int:
    return os.stat(_path(uri)).st_mtime_ns


def _path(uri: str) -> str:
    return unquote(uri.removeprefix("file://"))
