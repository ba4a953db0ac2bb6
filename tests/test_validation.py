"""A dry run from Python: it says what would be called, or raises what the call would be refused with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rayfaas
from rayfaas import Client, Validation
from rayfaas.errors import InvalidArguments, ProtocolError
from tests.scripted_server import Reply, Request, ScriptedServer, answering, refusing

ANSWER = {
    "target": "nlp/embed",
    "function": "nlp/embed",
    "version": 7,
    "alias": "live",
    "checked": ["target", "rights", "body"],
    "unchecked": {"arguments": "No executor is up."},
}
FOUND = Validation("nlp/embed", 7, "live", ("target", "rights", "body"), {"arguments": "No executor is up."})


def test_arguments_travel_as_for_a_call() -> None:
    async def answer(request: Request, reply: Reply) -> None:
        assert request.headers["prefer"] == "validate-only"
        assert request.json() == {"args": [1], "kwargs": {"scale": 2}}
        await reply.json(ANSWER)

    with ScriptedServer(answer) as server, Client(server.url, "rf_x") as client:
        assert rayfaas.get("nlp/embed").with_options(client=client).validate(1, scale=2) == FOUND
        assert asyncio.run(client.validate.aio("nlp/embed", (1,), {"scale": 2})) == FOUND


def test_what_is_wrong_is_raised_as_the_call_would_raise_it() -> None:
    with ScriptedServer(refusing(InvalidArguments("no", errors=[1]))) as server, Client(server.url, "rf_x") as client:
        with pytest.raises(InvalidArguments) as raised:
            rayfaas.get("embed").with_options(client=client).validate()
        assert raised.value.extra["errors"] == [1]


@pytest.mark.parametrize("answer", [None, 3, [], {}, {"function": "f", "version": "1", "checked": []}])
def test_a_server_that_ran_the_call_instead_is_no_success(answer: Any) -> None:
    with (
        ScriptedServer(answering(answer)) as server,
        Client(server.url, "rf_x") as client,
        pytest.raises(ProtocolError, match="knows no dry runs"),
    ):
        rayfaas.get("embed").with_options(client=client).validate()
