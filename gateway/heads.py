"""Heads of requests that came before, byte for byte: clients repeat theirs, and none need be parsed twice."""

from __future__ import annotations

from typing import NamedTuple

Headers = dict[bytes, bytes]

_END = b"\r\n\r\n"
# So many are known at once, of at most so many bytes. A client whose every head is another one is parsed as ever.
_MOST = 1024
_LONGEST = 2048


class Head(NamedTuple):
    """Of a call that is answered directly: target, headers, which are not to be changed, and length of the body."""

    target: str
    headers: Headers
    length: int


class Heads:
    """Those of all connections of this gateway."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def of(self, request: bytes) -> tuple[Head, bytes] | None:
        """Head and body, where `request` is one whole request with a head that is known."""
        end = request.find(_END) + len(_END)
        head = self._known.get(request[:end])
        if head is None or head.length != len(request) - end:
            return None
        return head, request[end:]

    def learn(self, request: bytes, head: Head) -> None:
        """`request` came in one piece and was parsed to `head`; a longer or shorter one is not remembered."""
        end = request.find(_END) + len(_END)
        if head.length != len(request) - end or end > _LONGEST:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[request[:end]] = head
