"""The inspector: a process beside an executor that looks at the files of calls which opened many. To look takes about
as long as to open them did, and the threads of one process take turns.

    python -m rayfaas.executor.inspector        standard input: a socket to the executor

It answers with what the gateways are to be told, and ends when the executor does.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, cast

from rayfaas.executor.sightings import (
    Asked,
    Kept,
    Listed,
    Moved,
    Opened,
    Renamed,
    Seen,
    Sighting,
    Sightings,
    Unfollowed,
)
from rayfaas.executor.touched_files import Period
from rayfaas.touches import encode_parts

_KINDS = {kind.__name__: kind for kind in (Kept, Renamed, Seen, Listed, Moved, Asked, Unfollowed)}
_BUFFER = 1 << 20


class Inspector:
    """Seen from the executor: started when it is first asked, and asked by one thread.

    `ignored` are prefixes of paths that count for nothing, `environ` is what Python starts with.
    """

    def __init__(self, ignored: Iterable[str], environ: Mapping[str, str]) -> None:
        self._ignored, self._environ = list(ignored), dict(environ)
        self._stream: BinaryIO | None = None

    def inspect(self, calls: list[bytes]) -> list[list[bytes]]:
        """What each of the packed calls touched, as `encode_parts` has it.

        Raises OSError, EOFError or SubprocessError where the process is gone.
        """
        if self._stream is None:
            self._stream = self._start()
        marshal.dump(calls, self._stream)
        self._stream.flush()
        touches: list[list[bytes]] = marshal.load(self._stream)
        return touches

    def _start(self) -> BinaryIO:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [sys.executable, "-m", __name__]
            subprocess.run(command, check=True, stdin=theirs.fileno(), env=self._environ, cwd="/")
            stream = cast(BinaryIO, ours.makefile("rwb", _BUFFER))
        marshal.dump(self._ignored, stream)
        return stream


def pack(sightings: list[Any], period: Period) -> bytes:
    """What a call saw, for an inspector. Raises ValueError where that holds what can't be sent."""
    try:
        return marshal.dumps((tuple(period), sightings))
    except ValueError:  # some are no tuples, as the audit events of `open` are
        return marshal.dumps((tuple(period), [_plain(each) for each in sightings]))


def unpack(packed: bytes) -> tuple[list[Sighting], Period]:
    period, sightings = marshal.loads(packed)
    return [_sighting(each) for each in sightings], Period(*period)


def _plain(sighting: Any) -> tuple[Any, ...] | list[Any]:
    return sighting if type(sighting) is tuple else [type(sighting).__name__, *sighting]


def _sighting(plain: tuple[Any, ...] | list[Any]) -> Sighting:
    return Opened._make(plain) if type(plain) is tuple else _KINDS[plain[0]]._make(plain[1:])


def main() -> None:
    if os.fork():
        os._exit(0)  # so that it is nobody's child: user code may wait for all of its own to end
    with socket.socket(fileno=0) as sock, contextlib.suppress(EOFError, OSError):
        stream = sock.makefile("rwb", _BUFFER)
        sightings = Sightings(marshal.load(stream))
        while True:
            marshal.dump([encode_parts(sightings.touches(*unpack(call))) for call in marshal.load(stream)], stream)
            stream.flush()


if __name__ == "__main__":
    main()
