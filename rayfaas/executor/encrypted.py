"""A blocking socket with TLS that one thread may read while others write, which `ssl.SSLSocket` does not promise."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import cast

from rayfaas.tls import check_certificate, client_context, keep_alive

# A record of TLS holds so much at most, with what belongs to it.
_RECORD = 17 << 10


class EncryptedSocket:
    """What `Channel` asks of a socket. One thread at a time may send, and one may receive."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = client_context().wrap_bio(self._incoming, self._outgoing)
        self._lock = threading.Lock()  # of the three above; nobody waits for the network with it

    def shake_hands(self, fingerprint: str) -> None:
        """Raises OSError, and `Unauthenticated` where the peer has another certificate."""
        keep_alive(self._sock)
        while not self._has_shaken_hands():
            self._sock.sendall(self._outgoing.read())
            data = self._sock.recv(_RECORD)
            if not data:
                raise ConnectionResetError("the peer closed the connection during the handshake of TLS")
            self._incoming.write(data)
        self._sock.sendall(self._outgoing.read())
        check_certificate(self._tls, fingerprint)

    def sendall(self, data: bytes) -> None:
        with self._lock:
            self._tls.write(data)
            encrypted = self._outgoing.read()
        self._sock.sendall(encrypted)

    def recv_into(self, buffer: memoryview, size: int = 0, flags: int = 0) -> int:
        """As that of a socket. All that has come is in the buffer afterwards, whole records at least."""
        while True:
            data = self._sock.recv(len(buffer) - _RECORD, flags)
            if not data:
                return 0
            with self._lock:
                self._incoming.write(data)
                count = self._decrypt(buffer)
            if count:
                return count

    def fileno(self) -> int:
        return self._sock.fileno()

    def settimeout(self, seconds: float | None) -> None:
        self._sock.settimeout(seconds)

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()

    def _has_shaken_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _decrypt(self, buffer: memoryview) -> int:
        count = 0
        try:
            while got := cast(int, self._tls.read(len(buffer) - count, buffer[count:])):
                count += got
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            if not count:  # else what came before it comes first; the next time meets the end again
                raise
        return count
