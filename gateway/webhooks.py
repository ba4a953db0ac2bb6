"""Webhooks: who spawned a call may name a URL that is told of its end, signed as Standard Webhooks says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

An end is told at least once: until it was recorded that it was, another gateway, or the next life of this one, tells it
again when this one dies. `webhook-id` is the call's id, by which a receiver knows what it has heard before.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from rayfaas.errors import RayfaasError
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.problems import encode
from rayfaas.gateway.webhook_rules import WebhookRules
from rayfaas.records import Settled, Spawned, Told
from rayfaas.wire import JSON

# Seconds before each further attempt; some seven hours together.
PAUSES_S = (1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21_600.0)
ANSWER_S = 15.0
# A larger result is not told, only asked for.
MAX_RESULT = 3 << 10
_MOST_BASE64 = MAX_RESULT // 3 * 4
_MOST_DETAIL = 1_000
# Ends beyond so many are left to the controller, which brings them again.
_MOST_HELD = 10_000
_AT_ONCE = 32


class Ending(msgspec.Struct):
    """A spawned call that has ended, and who is to hear of it. `body` is base64, `problem` a document as text."""

    call: str
    webhook: str
    target: str
    function: str
    version: int
    principal: str
    team: str
    accepted_us: int
    state: str
    ended_us: int
    attempts: int
    code: str | None = None
    content_type: str | None = None
    body: str | None = None
    problem: str | None = None


def ending_of(record: Spawned, settled: Settled) -> Ending | None:
    """None where nobody is to hear of it."""
    if record.webhook is None:
        return None
    is_small = settled.body is not None and len(settled.body) <= _MOST_BASE64
    return Ending(
        record.call,
        record.webhook,
        record.target,
        record.function,
        record.version,
        record.principal,
        record.team,
        record.accepted_us,
        settled.state,
        settled.ended_us,
        settled.attempts,
        settled.code,
        settled.content_type,
        settled.body if is_small else None,
        settled.problem,
    )


def document(ending: Ending) -> bytes:
    """What is sent."""
    data: dict[str, Any] = {
        "call": ending.call,
        "state": ending.state,
        "code": ending.code,
        "target": ending.target,
        "function": ending.function,
        "version": ending.version,
        "caller": ending.principal,
        "team": ending.team,
        "attempts": ending.attempts,
        "accepted_at": _moment(ending.accepted_us),
        "ended_at": _moment(ending.ended_us),
    }
    if ending.problem is not None:
        data["detail"] = str(msgspec.json.decode(ending.problem).get("detail", ""))[:_MOST_DETAIL]
    if ending.body is not None and ending.content_type == JSON:
        data["result"] = msgspec.Raw(base64.b64decode(ending.body))
    return encode({"type": "call.ended", "timestamp": data["ended_at"], "data": data})


class Webhooks:
    """Tells ends, signed with `key`; `pauses_s` are those between attempts."""

    def __init__(
        self,
        rules: WebhookRules,
        key: bytes,
        journal: Journal,
        controller: ControllerLink,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._rules, self._journal, self._pauses_s = rules, journal, pauses_s
        self._key = key
        self._held: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._client: httpx.AsyncClient | None = None
        controller.methods |= {"tell": self._tell, "telling": self._telling}

    @property
    def secret(self) -> str:
        """With which receivers check signatures, in the form that libraries of Standard Webhooks take."""
        return f"whsec_{base64.b64encode(self._key).decode()}"

    def tell(self, ending: Ending) -> None:
        if ending.call not in self._held and len(self._held) < _MOST_HELD:
            task = self._held[ending.call] = asyncio.ensure_future(self._deliver(ending))
            task.add_done_callback(lambda _: self._held.pop(ending.call, None))

    # From the controller

    async def _tell(self, link: object, ends: list[dict[str, Any]]) -> None:
        """Ends that another gateway, or an earlier life of this one, had to tell."""
        for end in ends:
            self.tell(msgspec.convert(end, Ending))

    async def _telling(self, link: object) -> list[str]:
        return list(self._held)

    # Telling

    async def _deliver(self, ending: Ending) -> None:
        body = document(ending)
        problem: str | None = None
        attempts = 0
        for pause_s in (0.0, *self._pauses_s):
            await asyncio.sleep(pause_s)
            attempts += 1
            async with self._room:
                problem = await self._attempt(ending, body)
            if problem is None:
                break
        state = "DELIVERED" if problem is None else "FAILED"
        self._journal.ended(Told(ending.call, state, time.time_ns() // 1000, attempts, problem))

    async def _attempt(self, ending: Ending, body: bytes) -> str | None:
        """What went wrong, or None."""
        try:
            status = await asyncio.wait_for(self._post(ending, body), ANSWER_S)
        except RayfaasError as error:
            return error.detail
        except Exception as error:  # noqa: BLE001 a border: whatever a URL leads to, its end is recorded as told or not
            return f"{type(error).__name__}: {error}"
        return None if 200 <= status < 300 else f"It answered {status}."

    async def _post(self, ending: Ending, body: bytes) -> int:
        """The status of its answer, whose body nobody reads. What is dialled is the address that was checked."""
        url = httpx.URL(ending.webhook)
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._rules.resolve(url.host, port)
        request = self._http().build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={"Host": url.netloc.decode(), **self._headers(ending.call, body)},
            extensions={"sni_hostname": url.host},  # and whose certificate it must be
        )
        response = await self._http().send(request, stream=True, follow_redirects=False)
        await response.aclose()
        return response.status_code

    def _headers(self, call_id: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        signed = hmac.digest(self._key, b"%b.%b.%b" % (call_id.encode(), timestamp.encode(), body), "sha256")
        return {
            "Content-Type": JSON,
            "User-Agent": "rayfaas-webhook",
            "webhook-id": call_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            # No proxy of the environment, which would dial for us, and no connection is kept: a name that leads to the
            # same address must prove itself anew.
            limits = httpx.Limits(max_keepalive_connections=0)
            self._client = httpx.AsyncClient(trust_env=False, limits=limits, timeout=ANSWER_S)
        return self._client


def _moment(us: int) -> str:
    seconds, rest = divmod(us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:06d}Z"
