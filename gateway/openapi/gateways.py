"""The paths of gateways."""

from __future__ import annotations

from rayfaas import names
from rayfaas.gateway.openapi.components import Schema
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.schemas import TEXT, WHOLE, array, nullable, record

_NAME = {**TEXT, "pattern": f"^{names.CLUSTER}$"}
_GATEWAY = record(gateway=TEXT, state={"enum": ["up", "away"]}, elsewhere={"type": "boolean"}, pid=nullable(WHOLE))
_INVITE = record("gateway", gateway=_NAME)
_INVITED = record(gateway=TEXT, token={**TEXT, "description": "Lets one gateway in, once."}, expires_in_s=WHOLE)


def gateway_paths() -> dict[str, Schema]:
    return {
        "/v1/gateways": {
            "get": operation("gateways", "clusters", "Which gateways there are", record(gateways=array(_GATEWAY))),
            "post": operation(
                "invite_gateway",
                "clusters",
                "Let a gateway of another machine join",
                _INVITED,
                status=201,
                body=_INVITE,
                more=problems(409),
            ),
        },
        "/v1/gateways/{gateway}": {
            "delete": operation("remove_gateway", "clusters", "Let a gateway in no more", None, "gateway", status=204)
        },
    }
