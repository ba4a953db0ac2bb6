"""What has become of a call's sightings when it has ended: a thread looks at the files, and tells the gateway which the
call came from."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from rayfaas.executor.backlog import Backlog
from rayfaas.executor.channel import Channel
from rayfaas.executor.complaint import complain
from rayfaas.executor.inspector import Inspector, pack, unpack
from rayfaas.executor.sightings import Asked, Opened, Sightings, Unfollowed
from rayfaas.executor.touched_files import Period
from rayfaas.frames import Kind
from rayfaas.touches import (
    MOST_TRACKED,
    Touch,
    TouchedHeader,
    TrackedHeader,
    encode_parts,
    encode_touched,
    encode_touches,
)

T = TypeVar("T")

# What is noted of one call, at most: a call that opens millions of files must not fill the memory.
MOST_SIGHTINGS = 100_000
# And of all calls that are still to be looked at; then the next call waits, a little.
MOST_WAITING = 200_000
PATIENCE_S = 1.0
FLUSH_S = 5.0
# From so many on it is worth a process of its own.
MANY = 200
# User code that opens files waits each time that a thread beside it wakes up, so several calls are sent to that process
# together.
PAUSE_S = 0.1


class Ended(NamedTuple):
    """Sightings to be looked at; `call` is None for those of the executor itself. `strays` were seen while the call
    ran, and nobody knows whose they were; it is None where the gateway does not ask for all. `stays` says that some of
    it may be in memory from now on."""

    channel: Channel
    call: str | None
    sightings: list[Any]
    period: Period
    strays: int | None = None
    stays: bool = False


class Packed(NamedTuple):
    """Many sightings of a call, for an inspector."""

    channel: Channel
    call: str
    ended_ns: int
    packed: bytes


class Reporter:
    """`ignored` are prefixes of paths that count for nothing; `environ` is that of Python before it was user code's."""

    def __init__(self, ignored: Sequence[str], environ: Mapping[str, str]) -> None:
        self._sightings = Sightings(ignored)
        self._inspector: Inspector | None = Inspector(ignored, environ)
        self._standing: dict[str, Touch] = {}  # what every call depends on, by URI
        self._ended = Backlog[Ended | Packed | threading.Event](MOST_WAITING, PATIENCE_S)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._ident: int | None = None

    def put(self, ended: Ended) -> None:
        """Called by the thread that the call ran on."""
        self._ended.put(self._packed(ended) or ended, len(ended.sightings))
        if self._thread is None:
            self._start()

    def flush(self) -> None:
        """Returns when all is told that there is to tell, or after some seconds."""
        if self._thread is not None:
            told = threading.Event()
            self._ended.put(told)
            told.wait(FLUSH_S)

    def is_at_work(self) -> bool:
        """Whether it is its own thread that asks."""
        return threading.get_ident() == self._ident

    def _packed(self, ended: Ended) -> Packed | None:
        """Here, and not on the thread that looks: what one thread makes and another drops takes time of both."""
        if len(ended.sightings) < MANY or ended.call is None or ended.strays is not None or self._inspector is None:
            return None
        try:
            packed = pack(ended.sightings, ended.period)
        except ValueError:
            return None
        return Packed(ended.channel, ended.call, ended.period.ended_ns, packed)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="lineage", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        self._ident = threading.get_ident()
        while True:
            taken = self._ended.take()
            packed = [each for each in taken if isinstance(each, Packed)]
            for each in taken:
                if isinstance(each, Ended):
                    _try(self._tell, each)
            _try(self._tell_packed, packed)
            for each in taken:
                if isinstance(each, threading.Event):
                    each.set()
            if packed:
                time.sleep(PAUSE_S)

    def _tell(self, ended: Ended) -> None:
        sightings = [Opened._make(each) if type(each) is tuple else each for each in ended.sightings]
        touches = self._sightings.touches(sightings, ended.period)
        _send_touched(ended.channel, ended.call, ended.period.ended_ns, encode_parts(touches))
        if ended.call is None or ended.strays is not None:
            touches += self._sightings.beside_files(sightings, ended.period)
        if ended.call is not None and ended.strays is not None:
            _send_tracked(ended.channel, ended.call, [*self._standing.values(), *touches], _unknown(ended))
        if ended.call is None or ended.stays:
            self._standing |= {touch.uri: touch for touch in touches if touch.mode == "read"}

    def _tell_packed(self, calls: list[Packed]) -> None:
        for call, parts in zip(calls, self._inspected([each.packed for each in calls]), strict=True):
            _send_touched(call.channel, call.call, call.ended_ns, parts)

    def _inspected(self, calls: list[bytes]) -> list[list[bytes]]:
        if self._inspector is not None and calls:
            try:
                return self._inspector.inspect(calls)
            except (OSError, EOFError, ValueError, subprocess.SubprocessError) as error:
                complain(f"the process that looks at files is gone, so this one does: {error!r}")
                self._inspector = None
        return [encode_parts(self._sightings.touches(*unpack(each))) for each in calls]


def _try(tell: Callable[[T], None], what: T) -> None:
    try:
        tell(what)
    except Exception as error:  # noqa: BLE001 a border: what can't be looked at is lost, the calls go on
        os.write(2, "".join(traceback.format_exception(error)).encode("utf-8", "replace"))


def _send_touched(channel: Channel, call: str | None, ended_ns: int, parts: list[bytes]) -> None:
    header = encode_touched(TouchedHeader(call, ended_ns // 1000))
    with contextlib.suppress(OSError):  # the gateway is gone, and nobody else knows the call
        for part in parts:
            channel.send(Kind.TOUCHED, 0, header, part)


def _send_tracked(channel: Channel, call: str, touches: list[Touch], unknown: str) -> None:
    if not unknown and len(touches) > MOST_TRACKED:
        unknown = f"it touched more than {MOST_TRACKED:,} artifacts"
    with contextlib.suppress(OSError):
        channel.send(
            Kind.TRACKED, 0, encode_touched(TrackedHeader(call, unknown)), encode_touches([] if unknown else touches)
        )


def _unknown(ended: Ended) -> str:
    """Why it can't be said what its result depends on."""
    if any(isinstance(each, Asked) for each in ended.sightings):
        return "it asked which call it answers (current_call), so the result may be for its caller only"
    for each in ended.sightings:
        if isinstance(each, Unfollowed):
            return f"a call of {each.function} could not be followed"
    if ended.strays:
        return "what was opened while it ran may have been another call's"
    if len(ended.sightings) >= MOST_SIGHTINGS:
        return f"it opened more than {MOST_SIGHTINGS:,} files"
    return ""
