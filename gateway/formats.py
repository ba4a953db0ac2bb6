"""How answers are written that come in pieces: NDJSON, server-sent events, one JSON array."""

from __future__ import annotations

from typing import Any, ClassVar

from rayfaas.errors import NotAcceptable
from rayfaas.gateway.asgi import HeaderList
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.problems import encode
from rayfaas.wire import JSON, NDJSON, RESULTS, SSE, preferences


class NdjsonFormat:
    """One JSON object a line: `{"item": …}`, `{"log": …}`, at last `{"done": …}` or `{"error": …}`.

    `done` says `single` where the function returned one result. `{"debug": …}` is what a debugger says, `{"progress":
    …}` what the call waits for.
    """

    content_type: ClassVar[str] = NDJSON
    is_stream: ClassVar[bool] = True  # even where the function returns one result
    carries_logs: ClassVar[bool] = True
    cuts_off: ClassVar[bool] = False  # whether an error has no form in it but that it breaks off
    around: ClassVar[tuple[bytes, bytes]] = (b'{"item":', b"}\n")  # what stands around an item that comes in pieces

    def headers(self) -> HeaderList:
        return [(b"content-type", self.content_type.encode()), (b"cache-control", b"no-store")]

    def accept(self, asked: str) -> str:
        """In which encodings the executor may answer, where the caller asked so. What goes into lines is JSON."""
        return JSON

    def start(self) -> bytes:
        return b""

    def item(self, body: bytes, first: bool) -> bytes:
        return b'{"item":%b}\n' % body

    def log(self, entry: dict[str, Any]) -> bytes:
        return b'{"log":%b}\n' % encode(entry)

    def idle(self) -> bytes:
        """Nothing, for who might think that the connection is dead."""
        return b"\n"

    def debug(self, entry: dict[str, Any]) -> bytes:
        return b'{"debug":%b}\n' % encode(entry)

    def progress(self, entry: dict[str, Any]) -> bytes:
        return b'{"progress":%b}\n' % encode(entry)

    def done(self, summary: dict[str, Any]) -> bytes:
        return b'{"done":%b}\n' % encode(summary)

    def error(self, problem: dict[str, Any]) -> bytes:
        return b'{"error":%b}\n' % encode(problem)


class SseFormat(NdjsonFormat):
    """Server-sent events: items without a name, and the events `log`, `done` and `error`; before them those of a wait
    (`rayfaas.gateway.progress`)."""

    content_type = SSE
    around = (b"data: ", b"\n\n")

    def item(self, body: bytes, first: bool) -> bytes:
        return b"data: %b\n\n" % body

    def log(self, entry: dict[str, Any]) -> bytes:
        return b"event: log\ndata: %b\n\n" % encode(entry)

    def idle(self) -> bytes:
        return b":\n\n"

    def debug(self, entry: dict[str, Any]) -> bytes:
        return b"event: debug\ndata: %b\n\n" % encode(entry)

    def progress(self, entry: dict[str, Any]) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (entry["event"].encode(), encode(entry))

    def done(self, summary: dict[str, Any]) -> bytes:
        return b"event: done\ndata: %b\n\n" % encode(summary)

    def error(self, problem: dict[str, Any]) -> bytes:
        return b"event: error\ndata: %b\n\n" % encode(problem)


class JsonFormat(NdjsonFormat):
    """One array of all items, without logs. An error cuts it off, so that no client takes it for whole."""

    content_type = JSON
    is_stream = False
    carries_logs = False

    def start(self) -> bytes:
        return b"["

    def item(self, body: bytes, first: bool) -> bytes:
        return body if first else b"," + body

    def log(self, entry: dict[str, Any]) -> bytes:
        return b""

    def done(self, summary: dict[str, Any]) -> bytes:
        return b"]"

    def error(self, problem: dict[str, Any]) -> bytes:
        return b""


class AnyFormat(NdjsonFormat):
    """A result as the executor sends it, in an encoding that the caller takes; NDJSON for a generator."""

    is_stream = False

    def accept(self, asked: str) -> str:
        return "" if asked == "*/*" else asked


_FORMATS = {NDJSON: NdjsonFormat(), "application/jsonl": NdjsonFormat(), SSE: SseFormat(), JSON: JsonFormat()}
_ANY = AnyFormat()
_WILDCARDS = frozenset(("*/*", "application/*", "image/*"))


def format_for(headers: Headers) -> NdjsonFormat:
    """By the Accept header. Raises `NotAcceptable`."""
    accept = headers.get(b"accept")
    if accept is None or accept == b"*/*":
        return _ANY
    for media in preferences(accept.decode("latin-1")):
        if media in _FORMATS:
            return _FORMATS[media]
        if media in RESULTS or media in _WILDCARDS:
            return _ANY
    possible = ", ".join((NDJSON, SSE, *RESULTS))
    raise NotAcceptable(f"Accept {accept.decode('latin-1')!r}: this can answer {possible}.")
