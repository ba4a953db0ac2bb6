"""What executors tell of the artifacts that calls touched, and of their arguments, into the journal, and to the cache.

An executor speaks for the version that it proved to be, whatever it says: which call it was is checked where the
journal is loaded, against what this gateway recorded of the call.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from rayfaas.envelope import ArgumentsHeader, ReadyHeader
from rayfaas.errors import ProtocolError
from rayfaas.frames import Message
from rayfaas.gateway.cache.call import Tracked
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.pending import Runner
from rayfaas.names import is_call
from rayfaas.records import Recorded, Touched
from rayfaas.touches import MOST_COLUMNS, MOST_URI, MOST_VERSION, Touch, TouchedHeader, TrackedHeader, decode_touches

_decode_header = msgspec.msgpack.Decoder(TouchedHeader).decode
_decode_tracked = msgspec.msgpack.Decoder(TrackedHeader).decode
_decode_arguments = msgspec.msgpack.Decoder(ArgumentsHeader).decode
_LONGEST = 1 << 63
# Bytes: an executor of ours cuts them, in characters, long before that.
MOST_ARGUMENTS = 128 << 10


class Touches:
    """Writes to the journal. `track` is told what a call touched whose result may be kept: its id, and all of that."""

    def __init__(self, journal: Journal, track: Callable[[Runner, str, Tracked], None]) -> None:
        self._journal, self._track = journal, track

    def hear_all(self, executor: Runner, message: Message) -> None:
        """All that a call touched. Raises as `hear` does."""
        header, touches = _decode_tracked(message.header), decode_touches(message.body)
        if not all(_is_fit(touch) for touch in touches):
            raise ProtocolError("an executor tells of an artifact that can't be")
        self._track(executor, header.call_id, Tracked(touches, header.unknown))

    def hear(self, executor: ReadyHeader, message: Message) -> None:
        """A message of an executor that is ready. Raises `ProtocolError` and msgspec's where it can't be read."""
        header, touches = _decode_header(message.header), decode_touches(message.body)
        if header.call_id is not None and not is_call(header.call_id):
            raise ProtocolError("an executor tells of a call that has no call's id")
        if not all(_is_fit(touch) for touch in touches) or not 0 <= header.at_us < _LONGEST:
            raise ProtocolError("an executor tells of an artifact that can't be recorded")
        function, _, version = executor.version_key.rpartition(":")
        records = [
            Touched(
                function=function, version=int(version), executor=executor.executor, at_us=_at_us(touch, header),
                mode=touch.mode, uri=touch.uri, how=touch.how, call=header.call_id,
                artifact_version=touch.version, bytes=touch.bytes, columns=touch.columns, is_certain=touch.is_certain,
            )
            for touch in touches
        ]  # fmt: skip
        if records:
            self._journal.touched(records)

    def hear_arguments(self, call_id: str, message: Message) -> None:
        """What a call was called with. Raises as `hear` does."""
        header = _decode_arguments(message.header)
        if len(message.body) > MOST_ARGUMENTS or not isinstance(msgspec.json.decode(message.body), dict):
            raise ProtocolError("an executor tells of arguments that can't be recorded")
        self._journal.recorded(
            Recorded(call_id, time.time_ns() // 1000, message.body.decode(), header.is_whole, header.is_cut)
        )


def _at_us(touch: Touch, header: TouchedHeader) -> int:
    return header.at_us if touch.at_us is None else min(touch.at_us, header.at_us)


def _is_fit(touch: Touch) -> bool:
    """Neither empty nor longer than an executor of ours writes it."""
    return (
        0 < len(touch.uri) <= MOST_URI
        and len(touch.version or "") <= MOST_VERSION
        and len(touch.how) <= MOST_VERSION
        and 0 <= (touch.bytes or 0) < _LONGEST
        and 0 <= (touch.at_us or 0) < _LONGEST
        and len(touch.columns) <= MOST_COLUMNS
    )
