"""The records of a call journal: what a gateway appends about each call and the registry loads.

A journal is NDJSON, one record a line, told apart by `k`. A call has one `start` before it is dispatched and one `end`
before the last byte of its answer; a start whose gateway is gone and whose end never came is an interrupted call.
Times are Unix time in microseconds, durations are in microseconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from rayfaas.touches import Mode

State = Literal["SUCCEEDED", "CACHED", "FAILED", "TIMED_OUT", "CANCELLED", "REJECTED", "INTERRUPTED"]
Verdict = Literal["hit", "miss", "expired", "changed", "bypass"]


class CallStarted(msgspec.Struct, tag="start", tag_field="k", omit_defaults=True):
    """What is known of a call when it is accepted.

    `target` is as the caller wrote it; `alias` (with `alias_revision`, which counts the alias's moves) is what it was
    resolved through, empty for a pinned version. `owner` is the function's team, `team` the caller's. `method` is the
    method called, where the function is a class. `shadow_of` is the call of which it is a copy, for another version.
    """

    call: str
    root: str
    target: str
    function: str
    version: int
    code_digest: str
    syntax_digest: str
    environment_digest: str
    shape: str
    owner: str
    principal: str
    team: str
    gateway: str
    accepted_us: int
    bytes_in: int
    parent: str | None = None
    alias: str | None = None
    alias_revision: int | None = None
    context: str | None = None
    idempotency_key: str | None = None
    method: str | None = None
    shadow_of: str | None = None


class CallEnded(msgspec.Struct, tag="end", tag_field="k", omit_defaults=True):
    """How a call ended and where it ran.

    `queue_us` is the wait for an executor, `run_us` the time in the function, `cpu_us` its processor time, `gpu_us` the
    GPU time reserved for it. `cold` names why no executor was up ("" for a warm call). `batch_size` is how many calls
    were run together with it, itself included: processor and GPU time are its share. Of a CACHED call `cached_from` is
    the one whose result it was given.
    """

    call: str
    state: State
    ended_us: int
    code: str | None = None
    retryable: bool | None = None
    started_us: int | None = None
    queue_us: int | None = None
    run_us: int | None = None
    cpu_us: int | None = None
    gpu_us: int | None = None
    bytes_out: int = 0
    items: int | None = None
    cold: str = ""
    executor: str | None = None
    replica: str | None = None
    node: str | None = None
    cluster: str | None = None
    hardware: str | None = None
    batch_size: int | None = None
    cached_from: str | None = None


class LogLine(msgspec.Struct, tag="log", tag_field="k", omit_defaults=True):
    """One piece of output of a call: `stream` is stdout, stderr or log; `level` only for log."""

    call: str
    function: str
    version: int
    at_us: int
    stream: str
    text: str
    level: str | None = None


class Spawned(msgspec.Struct, tag="spawned", tag_field="k", omit_defaults=True):
    """A call that is run whatever happens: it was accepted with a 202, or it has an idempotency key.

    On disk before the caller hears of it. `body` is base64; `function` is `team/name`; `retries` is how often it is
    tried again, `retry_delay_s` how long after the first time, doubled each time. `accept` is which types its
    result may have.
    """

    call: str
    root: str
    target: str
    function: str
    version: int
    principal: str
    team: str
    gateway: str
    accepted_us: int
    content_type: str
    body: str
    timeout_s: float
    retries: int
    retry_delay_s: float
    parent: str | None = None
    idempotency_key: str | None = None
    method: str | None = None
    accept: str = ""
    priority: int = 0
    webhook: str | None = None
    context: str | None = None


class Settled(msgspec.Struct, tag="settled", tag_field="k", omit_defaults=True):
    """What a spawned call came to, after `attempts`: a result (`body` is base64), or a problem document as text."""

    call: str
    state: State
    ended_us: int
    attempts: int
    code: str | None = None
    content_type: str | None = None
    body: str | None = None
    problem: str | None = None


class Told(msgspec.Struct, tag="told", tag_field="k", omit_defaults=True):
    """The webhook of a spawned call is done with: DELIVERED, or FAILED after `attempts`, the last as `problem` says."""

    call: str
    state: str
    ended_us: int
    attempts: int
    problem: str | None = None


class Compared(msgspec.Struct, tag="compared", tag_field="k", omit_defaults=True):
    """What a copy of a call came to, beside what the call did: `shadow_of` is the call, `call` the copy. The answers
    are there where they are JSON and short."""

    call: str
    shadow_of: str
    same: bool
    answer: str | None = None
    shadow_answer: str | None = None


class Touched(msgspec.Struct, tag="touched", tag_field="k", omit_defaults=True):
    """An artifact that a call read or wrote; without a `call`, that its executor did as it began.

    The rest is as `rayfaas.touches.Touch` has it.
    """

    function: str
    version: int
    executor: str
    at_us: int
    mode: Mode
    uri: str
    how: str
    call: str | None = None
    artifact_version: str | None = None
    bytes: int | None = None
    columns: tuple[str, ...] = ()
    is_certain: bool = True


class LookedUp(msgspec.Struct, tag="looked_up", tag_field="k", omit_defaults=True):
    """There was no result for a call in the cache. `arguments` are digests of its arguments, by name; of an artifact
    that has changed `uri` says which, `was` and `now` its versions."""

    call: str
    verdict: Verdict
    accept: str
    arguments: dict[str, str]
    uri: str | None = None
    was: str | None = None
    now: str | None = None


class Kept(msgspec.Struct, tag="kept", tag_field="k", omit_defaults=True):
    """The result of a call is in the cache, or `why_not`."""

    call: str
    why_not: str | None = None


class Recorded(msgspec.Struct, tag="recorded", tag_field="k", omit_defaults=True):
    """What a call was called with, of a function that asks for that: a JSON object as text. `is_whole`: nothing was
    hidden or left out, so that it can be called again; `is_cut`: it was too long."""

    call: str
    at_us: int
    arguments: str
    is_whole: bool = False
    is_cut: bool = False


Record = CallStarted | CallEnded | LogLine | Spawned | Settled | Told | Compared | Touched | LookedUp | Kept | Recorded
encode_record = msgspec.json.Encoder().encode
encode_records = msgspec.json.Encoder().encode_lines  # each with its newline
