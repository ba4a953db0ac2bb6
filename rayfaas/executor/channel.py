"""A blocking connection of frames, for the executor: one thread reads, any thread sends."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from rayfaas import frames
from rayfaas.address import parse_address
from rayfaas.errors import ProtocolError
from rayfaas.executor.encrypted import EncryptedSocket
from rayfaas.frames import CHUNK, Body, Decoder, Message
from rayfaas.handshake import ClientSide, Identity

_RECEIVE = 256 << 10
DIAL_S = 5.0

AnySocket = socket.socket | EncryptedSocket


class Channel:
    """Sends messages whole and in the order given; the chunks of a large one let others pass between them."""

    def __init__(self, sock: AnySocket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._decoder = Decoder()
        self._received = memoryview(bytearray(_RECEIVE))  # `recv` would take and give back as much for each message

    def send(self, kind: int, call: int, header: bytes = b"", body: Body = b"") -> None:
        """Raises OSError when the connection is gone."""
        if len(body) <= CHUNK:
            frame = frames.encode(kind, call, header, body)
            with self._lock:
                self._sock.sendall(frame)
            return
        for frame in frames.split(kind, call, header, body):
            with self._lock:
                self._sock.sendall(frame)

    def messages(self) -> Iterator[list[Message]]:
        """The messages as they come, in batches, until the peer closes."""
        while True:
            try:
                data = self._take()
            except OSError:
                return
            if not data:
                return
            yield self._decoder.feed(data)

    def fileno(self) -> int:
        return self._sock.fileno()

    def receive(self) -> list[Message] | None:
        """The messages that have come, without waiting for more; None when the peer has closed."""
        try:
            size = self._sock.recv_into(self._received, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._decoder.feed(bytes(self._received[:size])) if size else None

    def _take(self) -> bytes:
        return bytes(self._received[: self._sock.recv_into(self._received)])

    def shake_hands(self, identity: Identity, key: bytes) -> None:
        handshake = ClientSide(identity, key)
        while not handshake.done:
            data = self._take()
            if not data:
                raise ProtocolError("the peer closed the connection during the handshake")
            for message in self._decoder.feed(data):
                answer = handshake.receive(message)
                if answer is not None:
                    self._sock.sendall(answer)

    def forked(self) -> None:
        """In a forked process: a thread that is not here may have been sending."""
        self._lock = threading.Lock()

    def hang_up(self) -> None:
        """Have both sides read the end."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was faster

    def close(self) -> None:
        self.hang_up()
        self._sock.close()


def dial(address: str, identity: Identity, key: bytes) -> Channel:
    """Connect to an address (`rayfaas.address`) and shake hands. Raises OSError or a `RayfaasError`."""
    place = parse_address(address)
    with contextlib.ExitStack() as undo:
        if isinstance(place, str):
            sock: AnySocket = undo.enter_context(_connect_unix(place))
        else:
            plain = undo.enter_context(socket.create_connection((place.host, place.port), DIAL_S))
            sock = encrypted = EncryptedSocket(plain)
            encrypted.shake_hands(place.fingerprint)
        channel = Channel(sock)
        channel.shake_hands(identity, key)
        sock.settimeout(None)
        undo.pop_all()
    return channel


def _connect_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(DIAL_S)
        sock.connect(path)
    except BaseException:  # an interrupt too
        sock.close()
        raise
    return sock
