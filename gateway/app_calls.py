"""The call that a request or WebSocket of an ASGI application is, at the gateway."""

from __future__ import annotations

from typing import Any

from rayfaas.asgi_events import OUTPUT_CREDIT, SCOPE, Event, encode_event
from rayfaas.frames import Kind
from rayfaas.gateway.fed_calls import FedCall


class AppCall(FedCall):
    """It is fed the events of its client."""

    __slots__ = ()
    kind = Kind.OPEN

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.credit = OUTPUT_CREDIT
        self.content_type = SCOPE

    def send(self, event: Event) -> None:
        """To the application; nothing happens where it has ended."""
        self.feed(*encode_event(event))
