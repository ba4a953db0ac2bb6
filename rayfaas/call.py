"""One call on the wire: what is sent, and what the answer says."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rayfaas import wire
from rayfaas.call_options import NO_OPTIONS, CallOptions
from rayfaas.errors import ProtocolError, Unavailable
from rayfaas.names import Target
from rayfaas.origin import context_header, run_identity
from rayfaas.outgoing import Content, is_file
from rayfaas.pieces import LARGE
from rayfaas.raised import error_of
from rayfaas.transport import Transport
from rayfaas.validation import Validation

OnLog = Callable[[dict[str, Any]], None]

# How much longer than the call's own timeout the answer may take, before the connection is given up.
_GRACE_S = 10.0


AUTO = "auto"
"""The idempotency key that stands for one made of the orchestrator's run, the target and the arguments."""


@dataclass(frozen=True)
class Call:
    """Made where the caller is, on its thread: there it is known which run makes it."""

    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    options: CallOptions = NO_OPTIONS
    context: str | None = field(default_factory=context_header)
    run: tuple[str, ...] | None = field(default_factory=run_identity)

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

    async def answer(self, transport: Transport, on_log: OnLog | None = None) -> Any:
        """The result; of a generator, the list of its items. `on_log` hears of each line as it is written, except where
        the call has an idempotency key: then another may have been the first to make it."""
        if on_log is not None and self.options.idempotency_key is None:
            return await self._answer_with_logs(transport, on_log)
        media, body = self._arguments()
        # It takes anything: then a generator answers in NDJSON, where an error can be told from the end.
        accept = f"{wire.PICKLE}, {wire.VALUE_ACCEPT}" if self.options.takes_pickle else wire.VALUE_ACCEPT
        headers = {**self._headers(), "Accept": accept}
        answer = await transport.send(
            "POST", self._path, body=body, media=media, headers=headers, timeout_s=self._patience_s
        )
        if not answer.is_stream:
            return answer.result(self.options.takes_pickle)
        events = answer.objects()
        check_end(events)
        return [event["item"] for event in events if "item" in event]

    async def _answer_with_logs(self, transport: Transport, on_log: OnLog) -> Any:
        items: list[Any] = []
        done: Any = None
        async with contextlib.aclosing(self.events(transport, logs=True)) as batches:
            async for batch in batches:
                for event in batch:
                    if "log" in event:
                        on_log(event["log"])
                    elif "item" in event:
                        items.append(event["item"])
                    done = event.get("done")
        return items[0] if items and isinstance(done, dict) and done.get("single") else items

    async def events(
        self, transport: Transport, logs: bool, debug: bool = False
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """`{"item": …}`, `{"log": …}` and `{"debug": …}` if asked for, and `{"done": …}` at last, in batches of what
        came together."""
        headers = {**self._headers(), **({"Rayfaas-Logs": "1"} if logs else {})}
        headers |= {"Rayfaas-Debug": "1"} if debug else {}
        last: list[dict[str, Any]] = []
        media, body = self._arguments()
        async with transport.events(
            self._path,
            body=body,
            media=media,
            headers=headers,
            timeout_s=None if debug else self._patience_s,
        ) as batches:
            async for batch in batches:
                yield batch
                last = batch or last
        check_end(last)

    @property
    def _path(self) -> str:
        Target.parse(self.target)  # what is no target may be another path
        return f"/call/{self.target}"

    def _arguments(self) -> tuple[str, Content]:
        """Large bytes, and an open file, that are the only argument go as they are."""
        if len(self.args) == 1 and not self.kwargs:
            (only,) = self.args
            if is_file(only) or (type(only) is bytes and len(only) > LARGE):
                return wire.OCTETS, only
        return wire.encode_arguments(self.args, self.kwargs)

    def _headers(self) -> dict[str, str]:
        if self.options.idempotency_key == AUTO:
            headers = replace(self.options, idempotency_key=self._key_of_run()).headers()
            headers |= {"Rayfaas-Rerun": "failed"} if self.run is not None else {}
        else:
            headers = self.options.headers()
        if self.context is not None:
            headers["Rayfaas-Context"] = self.context
        return headers

    def _key_of_run(self) -> str | None:
        """None outside of an orchestrator: there nobody tries again."""
        if self.run is None:
            return None
        body = wire.encode_arguments(self.args, self.kwargs)[1]
        parts = json.dumps([*self.run, self.target, hashlib.sha256(body).hexdigest()])
        return f"run-{hashlib.sha256(parts.encode()).hexdigest()}"

    @property
    def _patience_s(self) -> float | None:
        timeout_s = self.options.timeout_s
        return None if timeout_s is None else timeout_s + _GRACE_S


def check_end(events: list[dict[str, Any]]) -> None:
    """Streams end with `done` or `error`; raises the error."""
    last = events[-1] if events else {}
    if "error" in last:
        if not isinstance(last["error"], dict):
            raise ProtocolError(f"The stream ended with an error that is none of rayfaas: {last['error']!r}")
        raise error_of(last["error"])
    if "done" not in last:
        raise Unavailable("The stream broke off: it ended without saying that it is done. Not all items may have come.")
