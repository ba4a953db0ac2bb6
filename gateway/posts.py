"""POSTs to URLs of webhooks: where the rules allow, and signed as Standard Webhooks says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hmac
import time

import httpx

from rayfaas.errors import Forbidden
from rayfaas.gateway.webhook_rules import WebhookRules
from rayfaas.wire import JSON
from rayfaas.within import within

ANSWER_S = 15.0


class Posts:
    """`key` is what they are signed with."""

    def __init__(self, rules: WebhookRules, key: bytes) -> None:
        self.rules = rules
        self._key = key
        self._client: httpx.AsyncClient | None = None

    @property
    def secret(self) -> str:
        """With which receivers check signatures, in the form that libraries of Standard Webhooks take."""
        return f"whsec_{base64.b64encode(self._key).decode()}"

    async def attempt(self, url: str, message_id: str, body: bytes) -> str | None:
        """What went wrong, or None. A receiver knows by the id what it has heard before.

        Raises `Forbidden` where the URL leads to an address that may not be dialled: that is no matter of time."""
        try:
            status = await within(ANSWER_S, self._post(url, message_id, body))
        except Forbidden:
            raise
        except Exception as error:  # noqa: BLE001 a border: whatever a URL leads to, what is sent there is told or not
            return f"{type(error).__name__}: {error}"
        return None if 200 <= status < 300 else f"It answered {status}."

    async def _post(self, to: str, message_id: str, body: bytes) -> int:
        """The status of its answer, whose body nobody reads. What is dialled is the address that was checked."""
        url = httpx.URL(to)
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self.rules.resolve(url.host, port)
        request = self._http().build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={"Host": url.netloc.decode(), **self._headers(message_id, body)},
            extensions={"sni_hostname": url.host},  # and whose certificate it must be
        )
        response = await self._http().send(request, stream=True, follow_redirects=False)
        await response.aclose()
        return response.status_code

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        signed = hmac.digest(self._key, b"%b.%b.%b" % (message_id.encode(), timestamp.encode(), body), "sha256")
        return {
            "Content-Type": JSON,
            "User-Agent": "rayfaas-webhook",
            "webhook-id": message_id,
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


def moment(us: int) -> str:
    """As documents of webhooks tell of a time.

    >>> moment(1_764_244_800_000_000)
    '2025-11-27T12:00:00.000000Z'
    """
    seconds, rest = divmod(us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:06d}Z"
