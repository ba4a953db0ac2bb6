"""What is told to whom: operations on webhooks, as an admin's client has them."""

from __future__ import annotations

from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, object_of


class Webhooks(Asker):
    """Ends of spawned calls are told where each call says, alarms of machines to one URL.

    >>> client.set_alarm_webhook("https://chat.example/hooks/gpus")  # doctest: +SKIP
    """

    @operation
    async def webhook_secret(self) -> str:
        """With what receivers of webhooks check their signatures; for admins."""
        return str((await self._get("/v1/webhook")).get("secret"))

    @operation
    async def alarm_webhook(self) -> Json:
        """Where alarms of machines are told: `url`, how many are `waiting`, `problem` of the last; for admins."""
        return object_of(await self._get("/v1/webhook/alarms"))

    @operation
    async def set_alarm_webhook(self, url: str) -> Json:
        """Have alarms told to `url` from now on. It hears a trial; `problem` is what went wrong with that."""
        return object_of(await self._transport.put("/v1/webhook/alarms", {"url": url}))

    @operation
    async def drop_alarm_webhook(self) -> None:
        """Have alarms told to nobody."""
        await self._transport.send("DELETE", "/v1/webhook/alarms")
