"""HTTP to one server: values out, values in, problem documents and broken connections as errors of rayfaas."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, BinaryIO

import httpx

from rayfaas import wire
from rayfaas.answer import Answer, object_in
from rayfaas.config import ClientConfig
from rayfaas.deprecation import warn_of
from rayfaas.errors import BadRequest, Unavailable
from rayfaas.lanes import Lanes
from rayfaas.names import check_team
from rayfaas.outgoing import Content, content_of, length_of

CONNECT_S = 5.0
ANSWER_S = 60.0

# A call may take days, so it has no read timeout; that the server's machine is gone is TCP's to find out, in 60 s.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, option), value)
        for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, option)
    ),
]

# Shorter than what servers usually keep an idle connection (uvicorn: 5 s), so that a request seldom meets its end.
_IDLE_S = 4.0

# What may be sent twice, because it changes nothing.
_QUESTIONS = ("GET", "HEAD")


class Transport:
    """Connections to one server, kept alive. All requests must be made on the same event loop.

    `token` is asked for each request, where it is not always the same.
    """

    def __init__(self, config: ClientConfig, token: Callable[[], str] | None = None) -> None:
        self.url, self._token = config.url, token
        self._http = httpx.AsyncClient(
            base_url=_check_url(config.url),
            headers={
                "User-Agent": "rayfaas-python",
                "Accept": wire.JSON,
                **_authorization(config.token),
                **({"Rayfaas-Team": check_team(config.team)} if config.team else {}),
            },
            transport=Lanes(partial(_lane, httpx.create_ssl_context() if config.url.startswith("https:") else False)),
        )

    async def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return (await self.send("GET", path, query=query)).value()

    async def post(self, path: str, value: Any) -> Any:
        return (await self.send("POST", path, body=wire.encode_json(value), media=wire.JSON)).value()

    async def put(self, path: str, value: Any) -> Any:
        return (await self.send("PUT", path, body=wire.encode_json(value), media=wire.JSON)).value()

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Content = b"",
        media: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        timeout_s: float | None = ANSWER_S,
    ) -> Answer:
        request = self._request(method, path, body, media, headers, query, timeout_s)
        with self._explained():
            answer = await self._send(request)
        warn_of(path, answer.response.headers)
        answer.check()
        return answer

    @asynccontextmanager
    async def events(
        self,
        path: str,
        *,
        method: str = "POST",
        body: Content = b"",
        media: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        timeout_s: float | None = ANSWER_S,
    ) -> AsyncIterator[AsyncIterator[list[dict[str, Any]]]]:
        """Send, and have the NDJSON objects of the answer as they come, in batches of those that came together."""
        accepting = {"Accept": wire.NDJSON, **(headers or {})}
        request = self._request(method, path, body, media, accepting, query, timeout_s)
        with self._explained():
            response = await self._http.send(request, stream=True)
        warn_of(path, response.headers)
        try:
            if not response.is_success:
                with self._explained():
                    refusal = await Answer.read(self.url, response)
                refusal.check()
            with self._explained():
                yield _objects(response)
        finally:
            await response.aclose()

    async def download(
        self,
        method: str,
        path: str,
        file: BinaryIO,
        *,
        body: Content = b"",
        media: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        timeout_s: float | None = ANSWER_S,
    ) -> httpx.Headers:
        """Send, and write the answer's body into the file as it comes. Its headers."""
        request = self._request(method, path, body, media, headers, query, timeout_s)
        with self._explained():
            response = await self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    (await Answer.read(self.url, response)).check()
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
            finally:
                await response.aclose()
        return response.headers

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _send(self, request: httpx.Request) -> Answer:
        """A question may meet the end of a connection that was kept, and is asked once more on another."""
        try:
            return await self._send_once(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if request.method not in _QUESTIONS:
                raise
            return await self._send_once(request)

    async def _send_once(self, request: httpx.Request) -> Answer:
        response = await self._http.send(request, stream=True)
        try:
            return await Answer.read(self.url, response)
        finally:
            await response.aclose()

    def _request(
        self,
        method: str,
        path: str,
        body: Content,
        media: str | None,
        headers: Mapping[str, str] | None,
        query: Mapping[str, Any] | None,
        timeout_s: float | None,
    ) -> httpx.Request:
        return self._http.build_request(
            method,
            path,
            content=content_of(body),
            headers={
                **length_of(body),
                **({"Content-Type": media} if media else {}),
                **(_authorization(self._token()) if self._token else {}),
                **(headers or {}),
            },
            params=query,
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_S, pool=None),
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(
                f"No rayfaas server answers at {self.url} ({_reason(error)}). Is it up? Start it with `rayfaas up`, "
                "or say where it is with RAYFAAS_URL.",
                url=self.url,
            ) from None
        except httpx.TimeoutException:
            raise Unavailable(f"{self.url} did not answer in time.", url=self.url) from None
        except httpx.RequestError as error:
            raise Unavailable(
                f"The connection to {self.url} broke before the answer was complete ({_reason(error)}). Whether the "
                "request took effect is not known.",
                url=self.url,
            ) from None


def _check_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BadRequest(f"{url!r} is not a URL: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadRequest(f"{url!r} is not the URL of a server: write http://host:port or https://host")
    return parsed


def _authorization(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not token.isascii() or not token.isprintable():
        raise BadRequest("The token holds characters that no token has; was something else copied with it?")
    return {"Authorization": f"Bearer {token}"}


def _reason(error: httpx.RequestError) -> str:
    return str(error) or type(error).__name__


def _lane(verify: ssl.SSLContext | bool) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        verify=verify,
        retries=2,  # of connecting only: a server that restarts is back in a moment
        limits=httpx.Limits(max_connections=1, keepalive_expiry=_IDLE_S),
        socket_options=_KEEPALIVE,
    )


async def _objects(response: httpx.Response) -> AsyncIterator[list[dict[str, Any]]]:
    unfinished: list[bytes] = []
    async for chunk in response.aiter_bytes():
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join([*unfinished, lines[0]])
            unfinished.clear()
            yield [object_in(line) for line in lines if line.strip()]
        if rest:
            unfinished.append(rest)
    if unfinished:
        raise httpx.RemoteProtocolError("the stream ended in the middle of a line")
