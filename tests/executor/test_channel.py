"""The blocking end of a connection: whole messages in order, from any thread, to a peer that proved itself."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rayfaas.errors import ProtocolError, Unauthenticated
from rayfaas.executor.channel import Channel, dial
from rayfaas.frames import CHUNK, Decoder, Kind, Message, encode, encode_header
from rayfaas.handshake import ServerSide, refusal
from tests.ends import KEY, WHO


class Peer:
    """The other end; a socket that waits for nothing longer than 20 s."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self._decoder = sock, Decoder()
        sock.settimeout(20)

    def read(self, count: int) -> list[Message]:
        """So many messages, or those that there were when the stream ended."""
        messages: list[Message] = []
        while len(messages) < count and (data := self.sock.recv(1 << 20)):
            messages += self._decoder.feed(data)
        return messages

    def shake_hands(self, key: bytes = KEY) -> None:
        server = ServerSide(lambda identity: key)
        self.sock.sendall(server.first())
        try:
            self.sock.sendall(server.receive(self.read(1)[0]))
        except Unauthenticated as error:
            self.sock.sendall(refusal(error.detail))


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Peer]]:
    ours, theirs = socket.socketpair()
    channel, peer = Channel(ours), Peer(theirs)
    yield channel, peer
    channel.close()
    theirs.close()


@contextmanager
def listening(sock: socket.socket, key: bytes = KEY) -> Iterator[None]:
    """Somebody accepts one connection and shakes hands."""

    def accept() -> None:
        accepted, _ = sock.accept()
        with accepted:
            Peer(accepted).shake_hands(key)

    sock.listen()
    thread = threading.Thread(target=accept)
    thread.start()
    yield
    thread.join()


def test_messages_come_in_the_order_in_which_they_were_sent_however_large(ends: tuple[Channel, Peer]) -> None:
    channel, peer = ends
    sent = [Message(Kind.ITEM, 1, b"%d" % n, bytes([n]) * (n % 2 * (2 * CHUNK) + n)) for n in range(6)]

    def send() -> None:
        for message in sent:
            channel.send(*message)

    thread = threading.Thread(target=send)
    thread.start()
    assert peer.read(6) == sent
    thread.join()


def test_messages_of_many_threads_arrive_whole(ends: tuple[Channel, Peer]) -> None:
    channel, peer = ends

    def send(call: int) -> None:
        for n in range(3):
            channel.send(Kind.ITEM, call, b"%d" % n, bytes([call]) * (CHUNK + 1 if n == 1 else 10))

    threads = [threading.Thread(target=send, args=(call,)) for call in range(4)]
    for thread in threads:
        thread.start()
    received = peer.read(12)
    for thread in threads:
        thread.join()
    for call in range(4):
        mine = [m for m in received if m.call == call]
        assert [m.header for m in mine] == [b"0", b"1", b"2"]
        assert all(set(m.body) == {call} for m in mine)


def test_a_large_message_lets_others_pass_between_its_chunks(ends: tuple[Channel, Peer]) -> None:
    channel, peer = ends
    large = threading.Thread(target=channel.send, args=(Kind.RESULT, 1, b"", b"x" * (20 * CHUNK)))
    large.start()
    peer.sock.recv(1, socket.MSG_PEEK)  # it has begun, and can't end before somebody reads
    small = threading.Thread(target=channel.send, args=(Kind.RESULT, 2))
    small.start()
    assert [m.call for m in peer.read(2)] == [2, 1]
    large.join()
    small.join()


def test_messages_end_when_the_peer_closes_or_breaks(ends: tuple[Channel, Peer]) -> None:
    channel, peer = ends
    peer.sock.sendall(encode(Kind.CALL, 1, b"") + encode(Kind.CALL, 2, b"")[:9])
    peer.sock.shutdown(socket.SHUT_WR)
    assert [m.call for batch in channel.messages() for m in batch] == [1]


def test_messages_end_when_this_end_is_closed_by_another_thread(ends: tuple[Channel, Peer]) -> None:
    channel, peer = ends
    heard: list[Message] = []
    reader = threading.Thread(target=lambda: heard.extend(m for batch in channel.messages() for m in batch))
    reader.start()
    channel.close()
    reader.join(20)
    assert not reader.is_alive()
    assert peer.read(1) == heard == []


def test_sending_to_a_peer_that_is_gone_raises(ends: tuple[Channel, Peer]) -> None:
    channel, peer = ends
    peer.sock.close()
    with pytest.raises(OSError, match="Broken pipe"):
        channel.send(Kind.RESULT, 1)


def test_garbage_is_refused(ends: tuple[Channel, Peer]) -> None:
    channel, peer = ends
    peer.sock.sendall(b"\xff" * 30)
    with pytest.raises(ProtocolError):
        next(channel.messages())


def test_what_comes_with_the_last_word_of_the_handshake_is_not_lost(ends: tuple[Channel, Peer]) -> None:
    channel, peer = ends
    server = ServerSide(lambda identity: KEY)
    peer.sock.sendall(server.first())
    thread = threading.Thread(target=channel.shake_hands, args=(WHO, KEY))
    thread.start()
    last_word = server.receive(peer.read(1)[0])
    peer.sock.sendall(last_word)
    thread.join()
    peer.sock.sendall(encode(Kind.CALL, 5, b""))
    assert [m.call for m in next(channel.messages())] == [5]


@pytest.mark.parametrize("said", [b"", encode(Kind.HELLO, 0, b"")[:10]])
def test_a_peer_that_leaves_the_handshake_unfinished_is_an_error(ends: tuple[Channel, Peer], said: bytes) -> None:
    channel, peer = ends
    peer.sock.sendall(said)
    peer.sock.shutdown(socket.SHUT_WR)
    with pytest.raises(ProtocolError, match="during the handshake"):
        channel.shake_hands(WHO, KEY)


def test_no_other_message_is_taken_for_a_handshake(ends: tuple[Channel, Peer]) -> None:
    channel, peer = ends
    peer.sock.sendall(encode(Kind.CALL, 1, encode_header({})))
    with pytest.raises(ProtocolError, match="not finished"):
        channel.shake_hands(WHO, KEY)


def test_dialling_by_unix() -> None:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))  # short: it holds a socket
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(directory / "s"))
        with listening(unix):
            channel = dial(f"unix:{directory / 's'}", WHO, KEY)
            assert list(channel.messages()) == []
            channel.close()
        with listening(unix, b"another key"), pytest.raises(Unauthenticated, match="does not prove"):
            dial(f"unix:{directory / 's'}", WHO, KEY)
    shutil.rmtree(directory)
    with pytest.raises(OSError, match="No such file"):
        dial("unix:/nowhere/at/all", WHO, KEY)


@pytest.mark.parametrize("address", ["", "http://x", "/tmp/s", "udp:127.0.0.1:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ProtocolError, match="neither unix:PATH nor tls:HOST:PORT:FINGERPRINT"):
        dial(address, WHO, KEY)
