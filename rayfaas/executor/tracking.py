"""Lineage at the point of execution: which files and objects a call read and wrote, without a word of its code.

While a call runs, what it opens is only noted. When it has ended, a thread looks at what that was and tells the gateway
which the call came from. What an executor opens as it begins, before its first call, is every call's.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from rayfaas.artifacts import SAID
from rayfaas.context import ASKED
from rayfaas.executor.channel import Channel
from rayfaas.executor.libraries import follow_libraries
from rayfaas.executor.memos import Memos
from rayfaas.executor.output import OnlyCall
from rayfaas.executor.running import RunningCall, current
from rayfaas.executor.sightings import (
    Asked,
    Listed,
    Moved,
    Opened,
    Renamed,
    Seen,
    Sighting,
    Sightings,
    Unfollowed,
    machine_folders,
)
from rayfaas.executor.touched_files import Period
from rayfaas.executor.wrapping import UNFOLLOWED
from rayfaas.frames import Kind
from rayfaas.orders import Order
from rayfaas.stamps import Stamp
from rayfaas.touches import MOST_TRACKED, Touch, TouchedHeader, TrackedHeader, encode_touches

# What is noted of one call, at most: a call that opens millions of files must not fill the memory.
MOST_SIGHTINGS = 100_000
FLUSH_S = 5.0
_IMPORTS = "<frozen importlib._bootstrap_external>"
_AT_ONCE = 1_000
_encode = msgspec.msgpack.Encoder().encode


class _Ended(NamedTuple):
    """Sightings to be looked at; `call` is None for those of the executor itself. `strays` were seen while the call
    ran, and nobody knows whose they were; it is None where the gateway does not ask for all. `stays` says that some of
    it may be in memory from now on."""

    channel: Channel
    call: str | None
    sightings: list[Any]
    period: Period
    strays: int | None = None
    stays: bool = False


class Tracking:
    """Hears of what is opened. Built before the user's code is imported; `begun` is called when it was."""

    def __init__(self, order: Order, only_call: OnlyCall) -> None:
        self._version = (order.function, order.version)
        self._only_call = only_call
        self._sightings = Sightings((*machine_folders(), *_own_folders(order)))
        self._begun_ns = time.time_ns()
        self._first: list[Any] | None = []  # of the executor's beginning, until it has begun
        self._held: tuple[list[Any], Period] | None = None  # and until there is somebody to tell
        self._standing: dict[str, Touch] = {}  # what every call depends on, by URI
        self._memos = Memos(f"{order.bundle_path}/")
        self._strays = 0  # sightings of nobody knows which call
        self._strays_before: dict[str, int] = {}  # by call, of those that are tracked
        self._ended: queue.SimpleQueue[_Ended | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ident: int | None = None
        follow_libraries(self.note, self.stamp)
        sys.addaudithook(self._hook())

    def begun(self) -> None:
        first, self._first = self._first, None
        if first:
            self._held = first, Period(self._begun_ns, time.time_ns(), _directory())

    def track(self, call: RunningCall) -> None:
        """Its gateway wants to hear of all that it touches."""
        call.sightings = []
        self._strays_before[call.header.call_id] = self._strays

    def ended(self, call: RunningCall) -> None:
        """Have what it touched looked at. It is on the way to its answer: nothing is done here."""
        batch = call.batch
        if call.sightings is None and self._held is None and (batch is None or batch.sightings is None):
            return
        sightings = [*(call.sightings or ()), *((batch.sightings or ()) if batch is not None else ())]
        call.sightings = None
        self._look_at(call, sightings)

    def flush(self) -> None:
        """Returns when all is told that there is to tell, or after some seconds."""
        if self._thread is not None:
            told = threading.Event()
            self._ended.put(told)
            told.wait(FLUSH_S)

    # What libraries say

    def note(self, seen: Seen) -> None:
        self._note(seen)

    def stamp(self) -> Stamp | None:
        """With what columns are marked that are written now; None outside of every call."""
        call = current.get() or self._only_call()
        call_id = None if call is None else call.call_id
        return None if call_id is None else Stamp(call_id, *self._version)

    # During a call

    def _hook(self) -> Callable[[str, tuple[Any, ...]], None]:
        """What hears audit events: there are many, of all kinds, on every thread, so the usual one is short."""
        get, note = current.get, self._note

        def hear(event: str, args: tuple[Any, ...]) -> None:
            if event == "open":
                call = get()
                if call is not None and call.sightings is not None and len(call.sightings) < MOST_SIGHTINGS:
                    call.sightings.append(args)
                else:
                    note(args)
            elif event in _HEARD and (sighting := _HEARD[event](args)) is not None:
                note(sighting)

        return hear

    def _note(self, sighting: Sighting | tuple[Any, ...]) -> None:
        call = current.get()
        if call is None:
            if threading.get_ident() == self._ident:
                return
            call = self._only_call()
            if call is None:
                if self._first is None:
                    self._strays += 1
                elif len(self._first) < MOST_SIGHTINGS:
                    self._first.append(sighting)
                return
        sightings = call.sightings
        if sightings is None:
            call.sightings = [sighting]
        elif len(sightings) < MOST_SIGHTINGS:
            sightings.append(sighting)

    # After it

    def _look_at(self, call: RunningCall, sightings: list[Any]) -> None:
        if self._held is not None:
            (first, period), self._held = self._held, None
            self._ended.put(_Ended(call.channel, None, first, period))
        strays = self._strays_of(call)
        if sightings or strays is not None:
            begun_ns = call.started_us * 1000 or self._begun_ns
            period = Period(begun_ns, time.time_ns(), _directory())
            stays = strays is not None and bool(sightings) and self._memos.grew()
            self._ended.put(_Ended(call.channel, call.header.call_id, sightings, period, strays, stays))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="lineage", daemon=True)
            self._thread.start()

    def _strays_of(self, call: RunningCall) -> int | None:
        before = self._strays_before.pop(call.header.call_id, None)
        return None if before is None else self._strays - before

    def _work(self) -> None:
        self._ident = threading.get_ident()
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while True:
            ended = self._ended.get()
            if isinstance(ended, threading.Event):
                ended.set()
                continue
            try:
                self._tell(ended)
            except OSError:
                pass  # the gateway is gone, and nobody else knows the call
            except Exception as error:  # noqa: BLE001 a border: what can't be looked at is lost, the calls go on
                os.write(2, "".join(traceback.format_exception(error)).encode("utf-8", "replace"))

    def _tell(self, ended: _Ended) -> None:
        sightings = [Opened._make(each) if type(each) is tuple else each for each in ended.sightings]
        touches = self._sightings.touches(sightings, ended.period)
        header = _encode(TouchedHeader(ended.call, ended.period.ended_ns // 1000))
        for first in range(0, len(touches), _AT_ONCE):
            ended.channel.send(Kind.TOUCHED, 0, header, encode_touches(touches[first : first + _AT_ONCE]))
        if ended.call is None or ended.strays is not None:
            touches += self._sightings.beside_files(sightings, ended.period)
        if ended.call is not None and ended.strays is not None:
            self._tell_all(ended.channel, ended.call, [*self._standing.values(), *touches], _unknown(ended))
        if ended.call is None or ended.stays:
            self._standing |= {touch.uri: touch for touch in touches if touch.mode == "read"}

    def _tell_all(self, channel: Channel, call: str, touches: list[Touch], unknown: str) -> None:
        if not unknown and len(touches) > MOST_TRACKED:
            unknown = f"it touched more than {MOST_TRACKED:,} artifacts"
        header = _encode(TrackedHeader(call, unknown))
        channel.send(Kind.TRACKED, 0, header, encode_touches([] if unknown else touches))


def _said(args: tuple[Any, ...]) -> Sighting:
    mode, what, version, columns = args
    return Seen(mode, what, "said", version, columns)


def _listed(args: tuple[Any, ...]) -> Sighting | None:
    """Not what looks for modules, which depends on none of the names."""
    return None if sys._getframe(2).f_code.co_filename == _IMPORTS else Listed(args[0])


def _moved(_: tuple[Any, ...]) -> Sighting:
    """The event comes before the directory is another."""
    return Moved(_directory())


def _directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was deleted, and all that was in it
        return "/proc/self/cwd"


_HEARD: dict[str, Callable[[tuple[Any, ...]], Sighting | None]] = {
    "os.rename": lambda args: Renamed(*args[:2]),
    "os.chdir": _moved,
    "os.listdir": _listed,
    "os.scandir": _listed,
    SAID: _said,
    ASKED: lambda _: Asked(),
    UNFOLLOWED: lambda args: Unfollowed(*args),
}


def _unknown(ended: _Ended) -> str:
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


def _own_folders(order: Order) -> tuple[str, str]:
    """The bundle is part of the version, and the directory that it works in goes with the executor."""
    return f"{order.bundle_path}/", f"{order.scratch}/"
