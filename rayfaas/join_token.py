"""A join token as people carry it: it lets one cluster join, once, and says where, and whom to trust there."""

from __future__ import annotations

import base64
import binascii

import msgspec

from rayfaas.errors import BadRequest

_PREFIX = "rfj_"


class JoinToken(msgspec.Struct, frozen=True):
    """`controller` is an address (`rayfaas.address`) with the fingerprint of the home's certificate.

    >>> JoinToken.parse(str(JoinToken("tls:10.0.0.1:8701:ab12", "a join", b"a secret"))).controller
    'tls:10.0.0.1:8701:ab12'
    """

    controller: str
    join: str
    secret: bytes

    def __str__(self) -> str:
        return _PREFIX + base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> JoinToken:
        """Raises `BadRequest` where it is none."""
        coded = text.strip().removeprefix(_PREFIX)
        try:
            raw = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
            return msgspec.msgpack.decode(raw, type=cls)
        except (ValueError, binascii.Error, msgspec.DecodeError):
            raise BadRequest(
                "This is no join token. `rayfaas cluster join-token` on the home server prints one, which is copied "
                "whole."
            ) from None
