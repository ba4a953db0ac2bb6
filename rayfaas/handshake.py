"""The handshake with which every connection begins: an HMAC challenge in both directions; no key crosses the wire.

    server → client   HELLO {nonce, protocol}
    client → server   HELLO {identity, nonce, proof}      proof = HMAC(key, "client", both nonces, identity)
    server → client   HELLO {proof} or ERROR, then closes

Who may be what follows from which key proves it. `derive` makes a key that is good for one identity only, so that an
executor, which runs users' code, can pass for no other.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from rayfaas.errors import ProtocolError, Unauthenticated
from rayfaas.frames import PROTOCOL, Kind, Message, encode, encode_header, header_of

Identity = dict[str, Any]
Lookup = Callable[[Identity], bytes | None]

# The bytes that a peer may send before it has proved who it is.
MAX_HELLO = 16 << 10

_canonical = msgspec.msgpack.Encoder(order="deterministic").encode


def derive(key: bytes, *parts: object) -> bytes:
    """A key for one purpose, from which `key` can't be found."""
    return hmac.digest(key, _canonical([str(p) for p in parts]), "sha256")


class ServerSide:
    """The accepting end. `lookup` gives the key that an identity must prove, or None where there is none."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._nonce = secrets.token_bytes(16)
        self.identity: Identity | None = None

    def first(self) -> bytes:
        return _hello(nonce=self._nonce, protocol=PROTOCOL)

    def receive(self, message: Message) -> bytes:
        """The last word to send. Raises `Unauthenticated` or `ProtocolError`."""
        hello = _expect_hello(message)
        identity, nonce, proof = hello.get("identity"), hello.get("nonce"), hello.get("proof")
        if not isinstance(identity, dict) or not isinstance(nonce, bytes) or not isinstance(proof, bytes):
            raise ProtocolError("HELLO lacks identity, nonce or proof")
        if not all(isinstance(n, str) and isinstance(v, str | int | None) for n, v in identity.items()):
            raise ProtocolError("an identity has names that are text, and values that are text or numbers")
        # An unknown identity costs the same time as a wrong key.
        key = self._lookup(identity) or secrets.token_bytes(32)
        if not hmac.compare_digest(proof, _proof(key, "client", self._nonce, nonce, identity)):
            raise Unauthenticated("the key does not prove this identity")
        self.identity = identity
        return _hello(proof=_proof(key, "server", self._nonce, nonce, identity))


class ClientSide:
    """The dialling end."""

    def __init__(self, identity: Identity, key: bytes) -> None:
        self._identity, self._key = identity, key
        self._nonce = secrets.token_bytes(16)
        self._server_nonce: bytes | None = None
        self.done = False

    def receive(self, message: Message) -> bytes | None:
        """What to send next; None when the handshake is done. Raises where the server refuses or can't prove itself."""
        if message.kind == Kind.ERROR:
            raise Unauthenticated(str(header_of(message).get("detail", "the peer refused the connection")))
        hello = _expect_hello(message)
        if self._server_nonce is None:
            if hello.get("protocol") != PROTOCOL:
                raise ProtocolError(f"the peer speaks protocol {hello.get('protocol')}, this is {PROTOCOL}: update one")
            if not isinstance(hello.get("nonce"), bytes):
                raise ProtocolError("HELLO lacks its nonce")
            self._server_nonce = hello["nonce"]
            ours = _proof(self._key, "client", self._server_nonce, self._nonce, self._identity)
            return _hello(identity=self._identity, nonce=self._nonce, proof=ours)
        expected = _proof(self._key, "server", self._server_nonce, self._nonce, self._identity)
        proof = hello.get("proof")
        if not isinstance(proof, bytes) or not hmac.compare_digest(proof, expected):
            raise Unauthenticated("the server can't prove that it knows the key")
        self.done = True
        return None


def refusal(detail: str) -> bytes:
    return encode(Kind.ERROR, 0, encode_header({"detail": detail}))


def _hello(**header: object) -> bytes:
    return encode(Kind.HELLO, 0, encode_header(header))


def _expect_hello(message: Message) -> dict[str, Any]:
    if message.kind != Kind.HELLO:
        raise ProtocolError("the handshake was not finished")
    return header_of(message)


def _proof(key: bytes, side: str, server_nonce: bytes, client_nonce: bytes, identity: Identity) -> bytes:
    return hmac.digest(key, _canonical([side, server_nonce, client_nonce, identity]), "sha256")
