"""The headers of the data path's frames: what gateway and executor say about a call besides its body."""

from __future__ import annotations

from typing import Any

import msgspec


class ReadyHeader(msgspec.Struct, array_like=True):
    """READY: dispatch calls of this version to me. `version_key` is `team/name:version`, `edition` which values the
    secrets have that it was started with (`rayfaas.editions`)."""

    version_key: str
    executor: str
    concurrency: int
    pid: int
    replica: str
    node: str
    cluster: str
    hardware: str
    edition: str = ""


class CallHeader(msgspec.Struct, array_like=True):
    """CALL: run this. `deadline` is Unix time in seconds, `credit` how many items may go out before more is granted.

    `method` is which method of a class, None for a function. `accept` is what the caller takes as the result's type, as
    the Accept header says it; empty: anything. `debug` says whether the caller waits with a debugger, `tracks` whether
    the gateway wants to hear of all that it touches (TRACKED), because its result may be kept. `trace` is the id of its
    caller's trace, if it told one.
    """

    call_id: str
    root_id: str
    parent_id: str | None
    content_type: str
    principal: str
    team: str
    deadline: float
    credit: int
    method: str | None = None
    accept: str = ""
    debug: bool = False
    tracks: bool = False
    trace: str = ""


class ResultHeader(msgspec.Struct, array_like=True):
    """RESULT: it returned, or its stream ended after `items`. Times are in microseconds; `load` is the executor's.

    `batch_size` is how many calls ran together, this one included, None for a function that is not batched.
    """

    content_type: str
    started_us: int
    run_us: int
    cpu_us: int
    load: int
    items: int | None = None
    batch_size: int | None = None


class OutputHeader(msgspec.Struct, array_like=True):
    """OUTPUT, the first of a result: its type, and how many bytes it has where that is known. Others have no header."""

    content_type: str
    length: int | None = None


class ErrorHeader(msgspec.Struct, array_like=True):
    """ERROR: it ended badly. `problem` is a problem document; times are 0 where user code was not reached."""

    problem: dict[str, Any]
    started_us: int
    run_us: int
    cpu_us: int
    load: int
    batch_size: int | None = None


class UploadHeader(msgspec.Struct, array_like=True):
    """INPUT of an UPLOAD: whether this piece of the body is the `last`."""

    last: bool


class LogHeader(msgspec.Struct, array_like=True):
    """LOG: output of a call; the text is the body. `stream` is stdout, stderr or log, `level` only for log."""

    at_us: int
    stream: str
    level: str | None = None


class ArgumentsHeader(msgspec.Struct, array_like=True):
    """ARGUMENTS: what a call was called with; the JSON object is the body. `is_whole`: so that it can be called again
    with that; `is_cut`: it was too long."""

    is_whole: bool
    is_cut: bool


class DebugHeader(msgspec.Struct, array_like=True):
    """DEBUG: what the debugger of a call says; the text is the body. `waits` for a line, which comes in a DEBUG too."""

    waits: bool


class CreditHeader(msgspec.Struct, array_like=True):
    """CREDIT: so many more items may come."""

    items: int


class CancelHeader(msgspec.Struct, array_like=True):
    """CANCEL: nobody waits for it any more. `reason` is timeout or cancelled."""

    reason: str


class AccessBody(msgspec.Struct, array_like=True):
    """ACCESS, as the gateway answers it: where and with which token the call may call other functions."""

    url: str
    token: str
