"""Variables that functions get and nobody reads again: operations on secrets, as a client has them."""

from __future__ import annotations

from collections.abc import Mapping

from rayfaas.names import check_name, check_team
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, given, list_of


class Secrets(Asker):
    """Secrets are a team's: the token's, where none is said.

    >>> client.set_secret("openai", {"OPENAI_API_KEY": key})  # doctest: +SKIP
    {'name': 'openai', 'keys': ['OPENAI_API_KEY']}
    """

    @operation
    async def secrets(self) -> list[Json]:
        """The secrets of your team, with the names of their variables; what those hold can't be asked for."""
        return list_of(await self._get("/v1/secrets"), "secrets")

    @operation
    async def set_secret(
        self,
        name: str,
        values: Mapping[str, str],
        team: str | None = None,
        restart: bool = False,
        message: str = "",
    ) -> Json:
        """Keep variables for functions that name the secret; executors that start from now on have them.

        With `restart` those that run finish their calls and are replaced.
        """
        body = {"values": dict(values), "restart": restart} | given(message=message or None)
        await self._transport.put(await self._secret_path(name, team), body)
        return {"name": name, "keys": sorted(values)}

    @operation
    async def delete_secret(self, name: str, team: str | None = None, message: str = "") -> None:
        """Raises `Conflict` while functions that can be called by an alias name it."""
        query = given(message=message or None)
        await self._transport.send("DELETE", await self._secret_path(name, team), query=query)

    async def _secret_path(self, name: str, team: str | None) -> str:
        return f"/v1/secrets/{check_team(team or await self._own_team())}/{check_name(name, 'secret')}"
