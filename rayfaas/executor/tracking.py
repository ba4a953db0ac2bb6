"""Lineage at the point of execution: which files and objects a call read and wrote, without a word of its code.

While a call runs, what it opens is only noted; what that was is looked at when it has ended (`reporting`). What an
executor opens as it begins, before its first call, is every call's.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Container
from typing import Any

from rayfaas.artifacts import SAID
from rayfaas.context import ASKED
from rayfaas.executor.libraries import follow_libraries
from rayfaas.executor.memos import Memos
from rayfaas.executor.output import OnlyCall
from rayfaas.executor.reporting import MOST_SIGHTINGS, Ended, Reporter
from rayfaas.executor.running import RunningCall, current
from rayfaas.executor.sightings import (
    KEEPING,
    Asked,
    Kept,
    Listed,
    Moved,
    Renamed,
    Seen,
    Sighting,
    Unfollowed,
    keeps,
    machine_folders,
)
from rayfaas.executor.touched_files import Period
from rayfaas.executor.wrapping import UNFOLLOWED
from rayfaas.orders import Order
from rayfaas.stamps import Stamp

_IMPORTS = "<frozen importlib._bootstrap_external>"
_OF_PYTHON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")


class Tracking:
    """Hears of what is opened. Built before the user's code is imported; `begun` is called when it was."""

    def __init__(self, order: Order, only_call: OnlyCall) -> None:
        self._version = (order.function, order.version)
        self._only_call = only_call
        self._reporter = Reporter((*machine_folders(), *_own_folders(order)), _environ_without(order.env))
        self._begun_ns = time.time_ns()
        self._first: list[Any] | None = []  # of the executor's beginning, until it has begun
        self._held: tuple[list[Any], Period] | None = None  # and until there is somebody to tell
        self._memos = Memos(f"{order.bundle_path}/")
        self._strays = 0  # sightings of nobody knows which call
        self._strays_before: dict[str, int] = {}  # by call, of those that are tracked
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
        self._reporter.flush()

    # What libraries say

    def note(self, seen: Seen | Kept) -> None:
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
                if args[1] in KEEPING and keeps(args):
                    note(Kept(args[0]))
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
            if self._reporter.is_at_work():
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
            self._reporter.put(Ended(call.channel, None, first, period))
        strays = self._strays_of(call)
        if sightings or strays is not None:
            begun_ns = call.started_us * 1000 or self._begun_ns
            period = Period(begun_ns, time.time_ns(), _directory())
            stays = strays is not None and bool(sightings) and self._memos.grew()
            self._reporter.put(Ended(call.channel, call.header.call_id, sightings, period, strays, stays))

    def _strays_of(self, call: RunningCall) -> int | None:
        before = self._strays_before.pop(call.header.call_id, None)
        return None if before is None else self._strays - before


def _renamed(args: tuple[Any, ...]) -> Sighting | None:
    """Not what is relative to an open folder: nobody knows to which."""
    return Renamed(*args[:2]) if args[2:] == (-1, -1) else None


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
    "os.rename": _renamed,
    "os.link": _renamed,
    "os.chdir": _moved,
    "os.listdir": _listed,
    "os.scandir": _listed,
    SAID: _said,
    ASKED: lambda _: Asked(),
    UNFOLLOWED: lambda args: Unfollowed(*args),
}


def _environ_without(names: Container[str]) -> dict[str, str]:
    """What another Python needs to find the same modules, without what is the function's own."""
    return {name: os.environ[name] for name in _OF_PYTHON if name in os.environ and name not in names}


def _own_folders(order: Order) -> tuple[str, str]:
    """The bundle is part of the version, and the directory that it works in goes with the executor."""
    return f"{order.bundle_path}/", f"{order.scratch}/"
