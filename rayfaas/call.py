"""One call on the wire: what is sent, and what the answer says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from rayfaas import wire
from rayfaas.context import current_call
from rayfaas.errors import BadRequest, ProtocolError, Unavailable
from rayfaas.names import Target
from rayfaas.raised import error_of
from rayfaas.transport import Transport
from rayfaas.validation import Validation

# How much longer than the call's own timeout the answer may take, before the connection is given up.
_GRACE_S = 10.0


@dataclass(frozen=True)
class Call:
    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    timeout_s: float | None = None
    retries: int | None = None
    idempotency_key: str | None = None
    takes_pickle: bool = False  # whether its result may be a pickle: to read it runs code of the function

    async def spawn(self, transport: Transport) -> str:
        """Have it run by itself; its id, when the server has it on disk."""
        headers = {**self._headers(), "Accept": wire.VALUE_ACCEPT, "Prefer": "respond-async"}
        media, body = self._arguments()
        answer = await transport.send("POST", self._path, body=body, media=media, headers=headers)
        accepted = answer.value()
        if not isinstance(accepted, dict) or not isinstance(accepted.get("call"), str):
            raise ProtocolError("The server took the call and did not say which it is. Is it a rayfaas server?")
        return str(accepted["call"])

    async def validate(self, transport: Transport) -> Validation:
        """What there is against it is raised; nothing is run."""
        headers = {**self._headers(), "Prefer": "validate-only"}
        media, body = self._arguments()
        answer = await transport.send("POST", self._path, body=body, media=media, headers=headers)
        return Validation.from_answer(answer.value())

    async def answer(self, transport: Transport) -> Any:
        """The result; of a generator, the list of its items."""
        media, body = self._arguments()
        # It takes anything: then a generator answers in NDJSON, where an error can be told from the end.
        accept = f"{wire.PICKLE}, {wire.VALUE_ACCEPT}" if self.takes_pickle else wire.VALUE_ACCEPT
        headers = {**self._headers(), "Accept": accept}
        answer = await transport.send(
            "POST", self._path, body=body, media=media, headers=headers, timeout_s=self._patience_s
        )
        if not answer.is_stream:
            return answer.result(self.takes_pickle)
        events = answer.objects()
        _check_end(events)
        return [event["item"] for event in events if "item" in event]

    async def events(self, transport: Transport, logs: bool) -> AsyncGenerator[list[dict[str, Any]], None]:
        """`{"item": …}`, `{"log": …}` if asked for, and `{"done": …}` at last, in batches of what came together."""
        headers = {**self._headers(), **({"Rayfaas-Logs": "1"} if logs else {})}
        last: list[dict[str, Any]] = []
        media, body = self._arguments()
        async with transport.events(
            self._path, body=body, media=media, headers=headers, timeout_s=self._patience_s
        ) as batches:
            async for batch in batches:
                yield batch
                last = batch or last
        _check_end(last)

    @property
    def _path(self) -> str:
        Target.parse(self.target)  # what is no target may be another path
        return f"/call/{self.target}"

    def _arguments(self) -> tuple[str, bytes]:
        return wire.encode_arguments(self.args, self.kwargs)

    def _headers(self) -> dict[str, str]:
        headers = {}
        if self.timeout_s is not None:
            headers["Rayfaas-Timeout"] = str(self.timeout_s)
        if self.retries is not None:
            headers["Rayfaas-Retries"] = str(self.retries)
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = _header_text(self.idempotency_key)
        if (parent := current_call()) is not None:
            headers["Rayfaas-Parent"], headers["Rayfaas-Root"] = parent.call_id, parent.root_id
        return headers

    @property
    def _patience_s(self) -> float | None:
        return None if self.timeout_s is None else self.timeout_s + _GRACE_S


def _header_text(key: str) -> str:
    if not key.isascii() or not key.isprintable():
        raise BadRequest(f"idempotency_key is printable ASCII, not {key!r}. A hash of it, in hexadecimal, would do.")
    return key


def _check_end(events: list[dict[str, Any]]) -> None:
    """Streams end with `done` or `error`; raises the error."""
    last = events[-1] if events else {}
    if "error" in last:
        if not isinstance(last["error"], dict):
            raise ProtocolError(f"The stream ended with an error that is none of rayfaas: {last['error']!r}")
        raise error_of(last["error"])
    if "done" not in last:
        raise Unavailable("The stream broke off: it ended without saying that it is done. Not all items may have come.")
