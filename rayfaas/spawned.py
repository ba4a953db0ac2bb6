"""A call that goes on by itself: what `spawn` returns, and what its id stands for later, in any process."""

from __future__ import annotations

import time
from typing import Any

from rayfaas.answer import Answer
from rayfaas.errors import PROBLEM_JSON
from rayfaas.following import followed
from rayfaas.operation import Speaker, operation
from rayfaas.session import Sessions
from rayfaas.stream import Stream

# How long one request waits at the server for the result.
_WAIT_S = 30.0
_PENDING = 202


class SpawnedCall(Speaker):
    """Operations are called plainly, `call.result()`, or awaited, `await call.result.aio()`.

    >>> call = rayfaas.get("nlp/train").spawn(epochs=3)  # doctest: +SKIP
    >>> call.result(timeout_s=3600)  # doctest: +SKIP
    {'accuracy': 0.98}
    """

    def __init__(self, sessions: Sessions, call_id: str) -> None:
        super().__init__(sessions)
        self.id = call_id

    @operation
    async def result(self, timeout_s: float | None = None) -> Any:
        """Wait for its result. Raises what the call raised, and `TimeoutError` while it goes on after `timeout_s`."""
        deadline = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        while True:
            answer = await self._ask(min(_WAIT_S, max(0.0, deadline - time.monotonic())))
            if answer.status != _PENDING:
                return answer.result()
            if time.monotonic() >= deadline:
                raise TimeoutError(f"call {self.id} has not ended within {timeout_s:g} s; it goes on")

    @operation
    async def status(self) -> dict[str, Any]:
        """`state` (WAITING, RUNNING, SUCCEEDED, FAILED, …), `attempts`, `code` of its error, times."""
        found: dict[str, Any] = await self._transport.get(f"/calls/{self.id}")
        return found

    @operation
    async def cancel(self) -> None:
        """Stop it where it runs, and do not run it where it waits. Raises `Conflict` where it has ended."""
        await self._transport.send("DELETE", f"/calls/{self.id}")

    @operation
    async def logs(self) -> list[dict[str, Any]]:
        """What it printed and logged so far; of its first attempt."""
        found: list[dict[str, Any]] = (await self._transport.get(f"/calls/{self.id}/logs"))["logs"]
        return found

    def follow(self) -> Stream[dict[str, Any]]:
        """What it printed and logged, as it comes, with `for` or with `async for`, until it has ended."""
        return Stream(self._sessions, followed(self._transport, f"/calls/{self.id}/logs"), None)

    @operation
    async def replay(self) -> SpawnedCall:
        """Run it again with the same arguments, as another call."""
        made = await self._transport.post(f"/calls/{self.id}/replay", {})
        return SpawnedCall(self._sessions, made["call"])

    async def _ask(self, wait_s: float) -> Answer:
        headers = {"Prefer": f"wait={int(wait_s) or 1}", "Accept": f"*/*, {PROBLEM_JSON}"}
        return await self._transport.send("GET", f"/calls/{self.id}/result", headers=headers, timeout_s=wait_s + 30.0)

    def __repr__(self) -> str:
        return f"<rayfaas.SpawnedCall {self.id}>"
