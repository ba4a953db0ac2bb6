"""The paths of names of artifacts."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.operations import operation
from rayfaas.gateway.openapi.schemas import TEXT, array, record

_OF = ("team", "name", "alias")
_ONE = reference("ArtifactAlias")
_MOVE = record("version message", uri=TEXT, version=TEXT, message=TEXT)


def artifact_paths() -> dict[str, Schema]:
    return {
        "/v1/artifacts": {
            "get": operation("artifacts", "registry", "What names of artifacts lead to", record(artifacts=array(_ONE)))
        },
        "/v1/artifacts/{team}/{name}/aliases/{alias}": {
            "get": operation("artifact", "registry", "What a name of an artifact leads to", _ONE, *_OF),
            "put": operation("move_artifact", "registry", "Have a name lead to an artifact", _ONE, *_OF, body=_MOVE),
        },
    }
