"""What a client of the protocol sees, with the protocol's own library at its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from rayfaas.errors import FunctionError
from rayfaas.executor.signature import Signature, describe
from rayfaas.gateway.mcp import endpoint
from tests.gateway.controller import version_route
from tests.gateway.small import SmallGateway
from tests.gateway.sockets import served
from tests.waiting import eventually


def embed(text: str) -> list[float]:
    """The embedding of a text."""
    return [0.0]


ROWS = [
    {"team": "nlp", "name": "embed", "alias": alias, "version": version, "interface": describe(embed, Signature(embed))}
    for alias, version in (("live", 1), ("prod", 2))
]
BOTH_ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])


@asynccontextmanager
async def client(
    gateway: SmallGateway, who: str = "ivan", mode: str = "auto", query: str = ""
) -> AsyncIterator[Client]:
    gateway.controller.answers["interfaces"] = ROWS
    async with (
        served(gateway.app) as port,
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {who}"}) as http,
        Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp{query}", http_client=http), mode=mode) as client,
    ):
        yield client


@BOTH_ERAS
async def test_functions_are_listed_and_called(gateway: SmallGateway, mode: str) -> None:
    executor = await gateway.executor()
    async with client(gateway, mode=mode) as models:
        (tool,) = (await models.list_tools()).tools
        assert (tool.name, tool.input_schema["required"]) == ("embed", ["text"])
        calling = asyncio.ensure_future(models.call_tool("embed", {"text": "good"}))
        running = await executor.call()
        assert json.loads(running.body) == {"text": "good"}
        running.returns([0.25, 1.0])
        result = await calling
    assert (result.is_error, result.content[0].model_dump()["text"]) == (False, "[0.25, 1.0]")
    (started,) = gateway.starts()
    assert (started.principal, started.function, gateway.end_of(started.call).state) == (
        "ivan",
        "nlp/embed",
        "SUCCEEDED",
    )


async def test_an_object_is_told_as_one_too_and_text_without_quotes(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with client(gateway) as models:
        for value, text in (({"a": 1}, '{"a": 1}'), ("as it is", "as it is")):
            calling = asyncio.ensure_future(models.call_tool("embed", {"text": ""}))
            (await executor.call()).returns(value)
            result = await calling
            assert result.content[0].model_dump()["text"] == text
            assert result.structured_content == (value if isinstance(value, dict) else None)


@BOTH_ERAS
async def test_a_failure_is_told_to_the_model_with_the_call(gateway: SmallGateway, mode: str) -> None:
    executor = await gateway.executor()
    async with client(gateway, mode=mode) as models:
        calling = asyncio.ensure_future(models.call_tool("embed", {"text": ""}))
        (await executor.call()).fails(FunctionError("it is empty"))
        result = await calling
    text = result.content[0].model_dump()["text"]
    assert result.is_error
    assert "it is empty" in text
    assert gateway.starts()[0].call in text


async def test_an_alias_has_tools_of_its_own(gateway: SmallGateway) -> None:
    executor = await gateway.executor(version=2)
    async with client(gateway, query="?alias=prod") as models:
        calling = asyncio.ensure_future(models.call_tool("embed", {"text": "good"}))
        (await executor.call()).returns([])
        assert not (await calling).is_error
    async with client(gateway, query="?alias=none") as models:
        assert (await models.list_tools()).tools == []


async def test_to_a_team_that_a_function_is_not_for_it_is_no_tool(gateway: SmallGateway) -> None:
    await gateway.controller.set_function("nlp/embed", [version_route(1)], {"live": (1, 4)}, teams=["nlp"])
    async with client(gateway, who="otto") as models:
        assert (await models.list_tools()).tools == []
        with pytest.raises(MCPError, match="There is no tool"):
            await models.call_tool("nlp-embed", {"text": ""})
    async with client(gateway, who="ivan") as models:
        assert [tool.name for tool in (await models.list_tools()).tools] == ["embed"]


async def test_what_is_not_there_is_no_tool(gateway: SmallGateway) -> None:
    async with client(gateway) as models:
        with pytest.raises(MCPError, match="There is no tool 'embeds'"):
            await models.call_tool("embeds", {})


async def test_a_viewer_looks_and_does_not_call(gateway: SmallGateway) -> None:
    async with client(gateway, who="vera") as models:
        assert len((await models.list_tools()).tools) == 1
        result = await models.call_tool("embed", {"text": "good"})
    assert result.is_error
    assert "viewer" in result.content[0].model_dump()["text"]
    assert gateway.starts() == []


async def test_of_a_client_that_left_the_call_is_cancelled(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with client(gateway) as models:
        calling = asyncio.ensure_future(models.call_tool("embed", {"text": ""}))
        await executor.call()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await eventually(lambda: [end.state for end in gateway.ends()] == ["CANCELLED"])


@pytest.mark.parametrize("who", [None, "nobody"])
async def test_it_is_for_who_has_a_token(gateway: SmallGateway, who: str | None) -> None:
    answer = await gateway.ask("POST", "/mcp", b"{}", who)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_pages_of_other_servers_are_refused(gateway: SmallGateway) -> None:
    answer = await gateway.ask("POST", "/mcp", b"{}", headers={"Origin": "https://evil.example", "Host": "gateway"})
    assert (answer.status, answer.code) == (403, "forbidden")


async def test_it_offers_no_stream_of_its_own(gateway: SmallGateway) -> None:
    headers = {"Accept": "text/event-stream", "MCP-Protocol-Version": "2026-07-28"}
    assert (await gateway.ask("GET", "/mcp", headers=headers)).status == 405


async def test_a_server_without_the_library_says_what_to_install(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "find_spec", lambda name: None)
    answer = await gateway.ask("POST", "/mcp", b"{}")
    assert (answer.status, answer.code) == (404, "not_found")
    assert "rayfaas[mcp]" in answer.json()["detail"]
