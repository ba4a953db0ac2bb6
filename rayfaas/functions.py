"""What is done to a function without a deploy: operations on functions as a whole, as a client has them."""

from __future__ import annotations

from rayfaas import wire
from rayfaas.asker import Asker, Json, object_of
from rayfaas.errors import BadRequest
from rayfaas.operation import operation


class Functions(Asker):
    """Functions are named `team/name`, or `name` of the token's team."""

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
        asked = {
            "min_replicas": min_replicas,
            "max_replicas": max_replicas,
            "target_concurrency": float(target_concurrency) if target_concurrency is not None else None,
            "scale_down_after_s": float(scale_down_after_s) if scale_down_after_s is not None else None,
            "message": message or None,
        }
        given = {field: value for field, value in asked.items() if value is not None}
        path = f"{await self._path_of(name)}/scaling"
        answer = await self._transport.send("PATCH", path, body=wire.encode_json(given), media=wire.JSON)
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
        query = {"message": message} if message else None
        return object_of((await self._transport.send("DELETE", path, query=query)).value())
