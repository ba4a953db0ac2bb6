"""Lines are asked for by function, call and number."""

from __future__ import annotations

from tests.operations.connected import connected


def test_logs_are_asked_for_by_function_call_and_number() -> None:
    with connected({"GET /v1/logs": {"logs": [{"text": "a"}]}}) as (client, server):
        assert client.logs("f", call="c1", limit=5) == [{"text": "a"}]
        assert client.logs() == [{"text": "a"}]
        narrow, wide = (request.query for request in server.requests if request.path == "/v1/logs")
        assert narrow == {"function": ["nlp/f"], "call": ["c1"], "limit": ["5"]}
        assert wide == {"limit": ["1000"]}
