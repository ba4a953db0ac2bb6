"""The paths of secrets."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.schemas import SECRET, array, record

_OF = ("team", "name")
_SECRETS = record(secrets=array(reference("Secret")))


def secret_paths() -> dict[str, Schema]:
    return {
        "/v1/secrets": {"get": operation("secrets", "access", "Secrets, without their values", _SECRETS)},
        "/v1/secrets/{team}/{name}": {
            "put": operation("set_secret", "access", "Set a secret", reference("SetSecret"), *_OF, body=SECRET),
            "delete": operation(
                "delete_secret", "access", "Delete a secret", None, *_OF, "message", status=204, more=problems(409)
            ),
        },
    }
