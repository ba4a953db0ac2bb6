"""Names of artifacts: operations on what they lead to, as a client has them."""

from __future__ import annotations

from rayfaas.artifact_name import ArtifactName
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, list_of


class Artifacts(Asker):
    """Names of artifacts are a team's: the token's, where none is said.

    >>> client.move_artifact("bert:prod", "s3://models/bert.bin", message="trained on May's comments")  # doctest: +SKIP
    """

    @operation
    async def artifacts(self) -> list[Json]:
        """What the names of your team lead to."""
        return list_of(await self._get("/v1/artifacts"), "artifacts")

    @operation
    async def artifact(self, name: str) -> Json:
        """What `bert:prod`, or `nlp/bert:prod`, leads to: `uri`, `version`, and who moved it. Raises `NotFound`."""
        return dict(await self._get(await self._artifact_path(name)))

    @operation
    async def move_artifact(self, name: str, uri: str, version: str | None = None, message: str = "") -> Json:
        """Have it lead to a URI, in the version that was recorded of it last, if you do not say which."""
        body = {"uri": uri, "version": version, "message": message}
        return dict(await self._transport.put(await self._artifact_path(name), body))

    async def _artifact_path(self, text: str) -> str:
        name = ArtifactName.parse(text)
        return f"/v1/artifacts/{name.team or await self._own_team()}/{name.name}/aliases/{name.alias}"
