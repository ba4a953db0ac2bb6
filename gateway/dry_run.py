"""Dry runs: `Prefer: validate-only` on a call checks all that can be checked of it, and runs and records nothing.

An executor of the version, where one is up, is asked whether the arguments would do: the same code says so that would
say so of the call.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from rayfaas.envelope import ErrorHeader
from rayfaas.errors import ExecutorDied
from rayfaas.gateway.asgi import Send, send_whole
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.executors import ExecutorConnection
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.problems import encode, send_problem
from rayfaas.wire import ARGUMENTS_JSON, JSON, decode_arguments, media_type
from rayfaas.within import within

# How long an executor that is busy is waited for.
PATIENCE_S = 5.0
_READ_HERE = ("", JSON, ARGUMENTS_JSON)


@dataclass
class Findings:
    """What of a call was found good, and what was not looked at, and why. `problem` is what is wrong with it."""

    checked: list[str] = field(default_factory=lambda: ["target", "rights"])
    unchecked: dict[str, str] = field(default_factory=dict)
    problem: dict[str, Any] | None = None


class DryRuns:
    def __init__(self, dispatcher: Dispatcher, patience_s: float = PATIENCE_S) -> None:
        self._dispatcher, self._patience_s = dispatcher, patience_s

    async def answer(self, call: PendingCall, target: str, send: Send) -> None:
        """Of a call that was accepted: target and rights are good. Raises what is wrong with its body."""
        findings = Findings()
        _read(call, findings)
        executor = self._dispatcher.any_executor(call.route.key)
        if executor is None:
            findings.unchecked["arguments"] = "No executor of this version is up; a call would start one."
        else:
            await self._ask(executor, call, findings)
        if findings.problem is not None:
            await send_problem(send, findings.problem)
        else:
            await _send_findings(send, call, target, findings)

    async def _ask(self, executor: ExecutorConnection, call: PendingCall, findings: Findings) -> None:
        executor.check(call)
        try:
            await within(min(self._patience_s, max(0.0, call.deadline - time.time())), call.answer())
        except asyncio.TimeoutError:
            findings.unchecked["arguments"] = "The executors of this version are busy, and did not say in time."
        except ExecutorDied:
            findings.unchecked["arguments"] = "The executor that was asked ended."
        finally:
            executor.forget_check(call)
        if isinstance(call.ended, ErrorHeader):
            findings.problem = call.ended.problem
        elif call.ended is not None:
            findings.checked = ["target", "rights", "body", "arguments"]
            findings.unchecked.clear()


def _read(call: PendingCall, findings: Findings) -> None:
    """Only JSON is read here: to read a pickle is to run it, and other types load libraries into the gateway."""
    if media_type(call.content_type) in _READ_HERE:
        decode_arguments(call.content_type, call.body)
        findings.checked.append("body")
    else:
        findings.unchecked["body"] = "Bodies of this type are read by executors only."


async def _send_findings(send: Send, call: PendingCall, target: str, findings: Findings) -> None:
    route = call.route
    told = {"target": target, "function": route.function, "version": route.version.number, "alias": route.alias}
    body = encode({**told, "checked": findings.checked, "unchecked": findings.unchecked})
    headers = [
        (b"content-type", JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"preference-applied", b"validate-only"),
    ]
    await send_whole(send, 200, headers, body)
