"""What goes between machines is encrypted, with TLS 1.3 and a certificate that is known by its fingerprint.

No authority signs it: who dials was told the fingerprint, with the join token or by the controller, and takes no other
certificate. Who dials proves itself afterwards, in the handshake inside.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from pathlib import Path

from rayfaas.errors import Unauthenticated

# A peer whose machine or cable is gone, so that no end of the connection comes, is noticed within so many seconds.
SILENT_S = 15


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, as hex."""
    return hashlib.sha256(certificate).hexdigest()


def fingerprint_of(file: Path) -> str:
    """The fingerprint of the certificate in a file of PEM."""
    _, begin, rest = file.read_text().partition("-----BEGIN CERTIFICATE-----")
    return fingerprint(ssl.PEM_cert_to_DER_cert(begin + rest))


def server_context(file: Path) -> ssl.SSLContext:
    """`file` holds certificate and key, as PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # connections live long: none is resumed
    context.load_cert_chain(file)
    return context


def client_context() -> ssl.SSLContext:
    """Takes any certificate: `check_certificate` is what decides."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def check_certificate(peer: ssl.SSLObject, expected: str) -> None:
    """Raises `Unauthenticated` where the peer has another certificate than the one with this fingerprint."""
    certificate = peer.getpeercert(binary_form=True) or b""
    if not hmac.compare_digest(fingerprint(certificate), expected):
        raise Unauthenticated(
            "the server has another certificate than the one expected: it is not the one that was meant, or it has "
            "been given a new one"
        )


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel ask a peer that says nothing, and give it up after SILENT_S.

    The kernel of the peer answers, whatever its process does: code that holds Python's lock for minutes is not dead.
    """
    probe_s = max(1, SILENT_S // 3)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, probe_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, probe_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_S * 1000)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
