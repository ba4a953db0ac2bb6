"""The paths of webhooks."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema
from rayfaas.gateway.openapi.operations import operation
from rayfaas.gateway.openapi.schemas import TEXT, WHOLE, nullable, record

_PROBLEM = nullable(TEXT)
_SHOWN = record(url=nullable(TEXT), set_by=nullable(TEXT), waiting=WHOLE, problem=_PROBLEM)


def webhook_paths() -> dict[str, Schema]:
    return {
        "/v1/webhook": {"get": operation("webhook", "access", "The secret of webhooks", record(secret=TEXT))},
        "/v1/webhook/alarms": {
            "get": operation("alarm_webhook", "access", "Where alarms are told", _SHOWN),
            "put": operation(
                "set_alarm_webhook",
                "access",
                "Have alarms told to a URL",
                record(url=TEXT, problem=_PROBLEM),
                body=record(url={**TEXT, "maxLength": 2048}),
            ),
            "delete": operation("drop_alarm_webhook", "access", "Have them told to nobody", None, status=204),
        },
    }
