"""For whom functions are: operations on their access, as a client has them."""

from __future__ import annotations

from typing import Literal

from rayfaas.names import check_team
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, given, object_of


class Sharing(Asker):
    """Every change is in force on every gateway when it returns.

    Functions are named `team/name`, or `name` of the token's team.
    """

    @operation
    async def access(self, name: str) -> Json:
        """`access` is "everybody" or "team"; `grants` are the other teams that see and call it all the same."""
        return await self._get(f"{await self._path_of(name)}/access")

    @operation
    async def set_access(self, name: str, access: Literal["team", "everybody"], message: str = "") -> Json:
        """To others than its own team and those with a grant it is from now on as if there were no such function."""
        body = {"access": access, "message": message}
        return object_of(await self._transport.put(f"{await self._path_of(name)}/access", body))

    @operation
    async def grant(self, name: str, team: str, message: str = "") -> Json:
        """Let a team see and call a function that is not for everybody."""
        return object_of(await self._transport.put(await self._grant_path(name, team), {"message": message}))

    @operation
    async def revoke_grant(self, name: str, team: str, message: str = "") -> Json:
        """Raises `NotFound` where the team has none."""
        path = await self._grant_path(name, team)
        answer = await self._transport.send("DELETE", path, query=given(message=message or None))
        return object_of(answer.value())

    async def _grant_path(self, name: str, team: str) -> str:
        return f"{await self._path_of(name)}/grants/{check_team(team)}"
