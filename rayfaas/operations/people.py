"""Who may what: operations on tokens, teams and protected aliases, as a client has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from rayfaas.names import check_alias, check_team
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, given, list_of, object_of


class People(Asker):
    """Every change is in force on every gateway when it returns; changes are an admin's."""

    # Tokens

    @operation
    async def whoami(self) -> Json:
        """`principal`, `team` and `role` of the token."""
        return await self._get("/v1/whoami")

    @operation
    async def tokens(self) -> list[Json]:
        """The tokens in force; their secrets are nowhere kept."""
        return list_of(await self._get("/v1/tokens"), "tokens")

    @operation
    async def create_token(
        self,
        principal: str,
        team: str | None = None,
        role: str | None = None,
        expires_in_s: float | None = None,
        *,
        teams: Mapping[str, str] | None = None,
        all: bool = False,
        functions: Sequence[str] = (),
        name: str | None = None,
        message: str = "",
    ) -> Json:
        """`id` and `token`, which is shown this once.

        It is for one team with a role (viewer, invoker, deployer, admin), for several (`teams={"nlp": "deployer"}`),
        or for `all` that the principal has, now and later; for `functions`, as team/name, if they are named. `name` is
        what it is rotated and revoked by. Who is not in a team that it is for is let in.
        """
        body = given(principal=principal, team=team, role=role, expires_in_s=expires_in_s, name=name)
        body |= given(teams=dict(teams) if teams else None, all=all or None, functions=list(functions) or None)
        body |= given(message=message or None)
        return object_of(await self._transport.post("/v1/tokens", body))

    @operation
    async def rotate_token(
        self, token: str, overlap_s: float = 0, expires_in_s: float | None = None, message: str = ""
    ) -> Json:
        """Another `token` in place of the one of this id or name, which is good for `overlap_s` more seconds.

        It is for the same, and expires after as long as that was made for, if nothing else is said.
        """
        body = given(overlap_s=overlap_s or None, expires_in_s=expires_in_s, message=message or None)
        return object_of(await self._transport.post(f"/v1/tokens/{quote(token, safe='')}/rotate", body))

    @operation
    async def revoke_token(self, token_id: str, message: str = "") -> None:
        """In force everywhere when it returns. Of a name it revokes all."""
        query = given(message=message or None)
        await self._transport.send("DELETE", f"/v1/tokens/{quote(token_id, safe='')}", query=query)

    # Teams

    @operation
    async def teams(self) -> list[Json]:
        """Your teams; all for admins."""
        return list_of(await self._get("/v1/teams"), "teams")

    @operation
    async def members(self, team: str) -> list[Json]:
        """Who is in a team: `principal`, `role`, `since` and `set_by` of each. For its members, and for admins."""
        return list_of(await self._get(f"/v1/teams/{check_team(team)}/members"), "members")

    @operation
    async def set_member(self, team: str, principal: str, role: str = "invoker", message: str = "") -> Json:
        """Let somebody into a team, or change their role there."""
        path = f"/v1/teams/{check_team(team)}/members?principal={quote(principal, safe='')}"
        return object_of(await self._transport.put(path, {"role": role, "message": message}))

    @operation
    async def remove_member(self, team: str, principal: str, message: str = "") -> None:
        """None of their tokens is for the team when it returns."""
        query = given(principal=principal, message=message or None)
        await self._transport.send("DELETE", f"/v1/teams/{check_team(team)}/members", query=query)

    # Protected aliases

    @operation
    async def protections(self, name: str) -> list[Json]:
        """Which aliases of a function only some may move: `alias`, `who`, `set_by` and `reason` of each."""
        return list_of(await self._get(f"{await self._path_of(name)}/protections"), "protections")

    @operation
    async def protect(self, name: str, alias: str, who: Sequence[str], message: str = "") -> Json:
        """Let nobody move an alias but these: principals by name, and who has a role in a team, as `team:role`."""
        path = await self._protection_path(name, alias)
        return object_of(await self._transport.put(path, {"who": list(who), "message": message}))

    @operation
    async def unprotect(self, name: str, alias: str, message: str = "") -> None:
        """Let every deployer of the team move it. Raises `NotFound` where it is not protected."""
        query = given(message=message or None)
        await self._transport.send("DELETE", await self._protection_path(name, alias), query=query)

    async def _protection_path(self, name: str, alias: str) -> str:
        return f"{await self._path_of(name)}/aliases/{check_alias(alias)}/protection"
