"""What a running call may call other functions with: a token that says whose call it is, good until its deadline.

Any gateway of the home can check it, none keeps it. A gateway issues it when an executor asks for it, for calls only
that it has sent there, so that code which runs for one caller can't speak as another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time

import msgspec

from rayfaas.envelope import AccessBody
from rayfaas.errors import Unauthenticated
from rayfaas.gateway.wrong_tokens import WrongToken

PREFIX = b"rc_"
_MAC_BYTES = 16


class Claims(msgspec.Struct, array_like=True, frozen=True):
    """`call` is the parent of what is called with it, `deadline` is Unix time in seconds, `context` goes with it.

    `owner` is the team whose code has it: that team's functions are within its reach, not the caller's.
    """

    call: str
    root: str
    principal: str
    team: str
    deadline: float
    context: str | None = None
    owner: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Claims).decode


class CallAccess:
    """`url` is where executors reach this gateway by HTTP, `key` the one that all gateways of a home sign with."""

    def __init__(self, key: bytes, url: str) -> None:
        self._key, self._url = key, url

    def issue(self, claims: Claims) -> bytes:
        """The body of the ACCESS frame that answers a call in flight."""
        signed = _encode(claims)
        token = base64.urlsafe_b64encode(signed + self._mac(signed)).decode()
        return _encode(AccessBody(self._url, f"rc_{token}"))

    def check(self, token: bytes) -> Claims:
        """The claims of a token that begins with PREFIX. Raises `Unauthenticated`."""
        try:
            signed = base64.urlsafe_b64decode(token[len(PREFIX) :])
        except binascii.Error:
            signed = b""
        claims, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(claims)):
            raise WrongToken("This call's token was not issued here.")
        found = _decode(claims)
        if found.deadline < time.time():
            raise Unauthenticated("The call that this token was issued for is over.")
        return found

    def _mac(self, claims: bytes) -> bytes:
        return hmac.digest(self._key, claims, "sha256")[:_MAC_BYTES]
