"""Functions and their versions, as they are deployed: operations on them, as a client has them."""

from __future__ import annotations

from rayfaas import wire
from rayfaas.archive import Archive
from rayfaas.errors import BadRequest, NotFound
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, given, list_of, object_of


class Functions(Asker):
    """Functions are named `team/name`, or `name` of the token's team.

    >>> [version["version"] for version in client.versions("embed")]  # doctest: +SKIP
    [2, 1]
    """

    @operation
    async def functions(self) -> list[Json]:
        """Every deployed function with its aliases."""
        return list_of(await self._get("/v1/functions"), "functions")

    @operation
    async def function(self, name: str) -> Json:
        """One function; `name` is `team/name`, or `name` of the token's team."""
        return await self._get(await self._path_of(name))

    @operation
    async def versions(self, name: str) -> list[Json]:
        """The versions of a function, newest first, with state, author, commit and interface."""
        return list_of(await self._get(f"{await self._path_of(name)}/versions"), "versions")

    @operation
    async def version(self, name: str, version: int | str) -> Json:
        """One version, by its number or by an alias that leads to it."""
        return await self._version(name, version)

    @operation
    async def archive(self, name: str, version: int | str) -> Archive:
        """The files of a version as they were deployed. For tokens of the function's team, and for admins."""
        found = await self._version(name, version)
        path = f"/v1/functions/{found['team']}/{found['name']}/versions/{found['version']}/bundle"
        answer = await self._transport.send("GET", path, timeout_s=None)
        return Archive(answer.content, str(found["bundle"]))

    @operation
    async def deprecate(
        self, name: str, *, successor: str | None = None, sunset_at: str | None = None, message: str = ""
    ) -> Json:
        """Say that a function is not to be called any more; its callers are told with every answer, and it goes on.

        `successor` is what to call instead, `sunset_at` when it may end, as "2027-03-01". Said again it takes the place
        of what was said before.
        """
        body = given(successor=successor, sunset_at=sunset_at, message=message)
        return object_of(await self._transport.put(f"{await self._path_of(name)}/deprecation", body))

    @operation
    async def deprecation(self, name: str) -> Json:
        """Whether it is deprecated: `deprecated_at` is None where it is not."""
        return await self._get(f"{await self._path_of(name)}/deprecation")

    @operation
    async def end_deprecation(self, name: str, message: str = "") -> Json:
        """Raises `NotFound` where it is not deprecated."""
        path = f"{await self._path_of(name)}/deprecation"
        answer = await self._transport.send("DELETE", path, query=given(message=message or None))
        return object_of(answer.value())

    @operation
    async def scale(
        self,
        name: str,
        *,
        min_replicas: int | None = None,
        max_replicas: int | None = None,
        target_concurrency: float | None = None,
        scale_down_after_s: float | None = None,
        message: str = "",
    ) -> Json:
        """Change how a function scales, from now on, without a deploy; what is not said stays.

        It holds until a deploy declares another value than the deploy before. Returns the `scaling` that is in force,
        and the `clusters` whose deployments follow it already.

        >>> client.scale("embed", min_replicas=1, max_replicas=8)["scaling"]["max_replicas"]  # doctest: +SKIP
        8
        """
        scaling = given(
            min_replicas=min_replicas,
            max_replicas=max_replicas,
            target_concurrency=float(target_concurrency) if target_concurrency is not None else None,
            scale_down_after_s=float(scale_down_after_s) if scale_down_after_s is not None else None,
            message=message or None,
        )
        path = f"{await self._path_of(name)}/scaling"
        answer = await self._transport.send("PATCH", path, body=wire.encode_json(scaling), media=wire.JSON)
        return object_of(answer.value())

    @operation
    async def delete(self, name: str, *, message: str = "") -> Json:
        """Delete a function, or with `name:3` one version that no alias leads to: calls of it are not found from now
        on, those under way finish. Its history stays, and deploying it again brings it back.

        Raises `NotFound`, or `Conflict`.
        """
        function, colon, version = name.partition(":")
        if colon and not (version.isascii() and version.isdigit()):
            raise BadRequest(f"{version!r} is no version: say {function}:3.")
        path = await self._path_of(function) + (f"/versions/{version}" if colon else "")
        answer = await self._transport.send("DELETE", path, query=given(message=message or None))
        return object_of(answer.value())

    async def _version(self, name: str, version: int | str) -> Json:
        path = await self._path_of(name)
        if isinstance(version, str):
            aliases = list_of(await self._get(path), "aliases")
            found = next((alias["version"] for alias in aliases if alias["alias"] == version), None)
            if found is None:
                known = ", ".join(str(alias["alias"]) for alias in aliases) or "none"
                raise NotFound(f"{name} has no alias {version}. It has: {known}.")
            version = int(found)
        return await self._get(f"{path}/versions/{version}")
