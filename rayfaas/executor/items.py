"""The items of a generator on their way out: JSON, or the bytes that they are, as its caller takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rayfaas.envelope import OutputHeader
from rayfaas.errors import NotAcceptable, RayfaasError, ResultNotSerializable
from rayfaas.executor.running import RunningCall
from rayfaas.frames import Body
from rayfaas.pieces import pieces
from rayfaas.wire import JSON, NDJSON, OCTETS, SSE, admits_stream, encode_json, takes_bytes


class Refused(Exception):
    """An item can't be encoded, or a batch not be taken apart: ours, where other exceptions are the function's."""

    def __init__(self, reason: RayfaasError) -> None:
        super().__init__(reason.detail)
        self.reason = reason


class Items:
    """Of one call; `count` is how many were made. The first says whether all are bytes.

    Raises `Refused` where the caller takes no items.
    """

    def __init__(self, call: RunningCall) -> None:
        self._call, accept = call, call.header.accept
        self._may_be_raw, self._may_be_json = takes_bytes(accept), admits_stream(accept)
        self._is_raw: bool | None = None
        self.count = 0
        if not self._may_be_raw and not self._may_be_json:
            raise Refused(_not_acceptable(accept, ""))

    def messages(self, item: Any) -> Iterator[Body]:
        """What is to be sent of an item, each for a credit."""
        if self._is_raw is None:
            self._is_raw = self._may_be_raw and isinstance(item, bytes | bytearray | memoryview)
            if not self._is_raw and not self._may_be_json:
                raise Refused(_not_acceptable(self._call.header.accept, f", and made {type(item).__name__}"))
        self.count += 1
        return pieces(_raw(item)) if self._is_raw else iter((_json(item),))

    def send(self, message: Body) -> None:
        if self._is_raw:
            self._call.output(OutputHeader(OCTETS), message)
        else:
            self._call.item(message)

    def end(self) -> int:
        """How many there were; of bytes that nothing came of, it has been said that they are none."""
        if self._is_raw is None and not self._may_be_json:
            self._call.output(OutputHeader(OCTETS), b"")
        return self.count


def _raw(item: Any) -> Body:
    try:
        return memoryview(item).cast("B")
    except TypeError:
        reason = f"The generator began with bytes, and then made {type(item).__name__}."
        raise Refused(ResultNotSerializable(reason)) from None


def _json(item: Any) -> bytes:
    try:
        return encode_json(item)
    except RayfaasError as error:
        raise Refused(error) from None


def _not_acceptable(accept: str, made: str) -> NotAcceptable:
    return NotAcceptable(
        f"Accept {accept!r}: the function is a generator{made}. Items come as {NDJSON}, {SSE} or {JSON}, bytes as "
        f"{OCTETS} too."
    )
