"""An answer of a server: its value, its result, or the error that it tells of."""

from __future__ import annotations

import io
from typing import Any

import httpx

from rayfaas import wire
from rayfaas.errors import (
    PROBLEM_JSON,
    Forbidden,
    MalformedBody,
    NotFound,
    ProtocolError,
    RayfaasError,
    Unauthenticated,
    Unavailable,
)
from rayfaas.raised import error_of

_GATEWAY_STATUSES = (502, 503, 504)
# An answer to HEAD has no body, so no problem document.
_WITHOUT_BODY: dict[int, type[RayfaasError]] = {401: Unauthenticated, 403: Forbidden, 404: NotFound}
_WHERE_TOKENS_ARE = (
    "set RAYFAAS_TOKEN to the one that you were given, or RAYFAAS_HOME to the home of a server of this machine's, as "
    "`rayfaas up` told it."
)


class Answer:
    """An answer, read to its end; `content` is held once."""

    def __init__(self, url: str, response: httpx.Response, content: bytes) -> None:
        self._url, self.response, self.content = url, response, content

    @classmethod
    async def read(cls, url: str, response: httpx.Response) -> Answer:
        content = io.BytesIO()
        async for chunk in response.aiter_bytes():
            content.write(chunk)
        return cls(url, response, content.getvalue())

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def is_stream(self) -> bool:
        return media_of(self.response) == wire.NDJSON

    def value(self) -> Any:
        """Its JSON value, None if it is empty."""
        if not self.content:
            return None
        if "json" not in media_of(self.response):
            raise ProtocolError(f"{self._url} answered {self._not_ours()}")
        try:
            return wire.decode_json(self.content)
        except MalformedBody as error:
            raise ProtocolError(f"{self._url} answered what is not JSON: {error.detail}") from None

    def result(self, unpickle: bool = False) -> Any:
        """A call's result, in whatever encoding it came; None if it is empty and has no type."""
        if not self.content and not media_of(self.response):
            return None
        try:
            return wire.decode_result(media_of(self.response), self.content, unpickle)
        except (MalformedBody, ProtocolError) as error:
            raise ProtocolError(f"{self._url} answered what can't be read: {error.detail}") from None

    def check(self) -> None:
        """Raises the error that it tells of, `Unavailable` or `ProtocolError` where it is none of ours."""
        if self.response.is_success:
            return
        error = self._error()
        if isinstance(error, Unauthenticated) and "Authorization" not in self.response.request.headers:
            error = Unauthenticated(f"{self._url} wants a token: {_WHERE_TOKENS_ARE}", url=self._url)
        if call := self.response.headers.get("Rayfaas-Call-Id"):
            error.extra.setdefault("call", call)
        raise error

    def objects(self) -> list[dict[str, Any]]:
        """Its NDJSON objects."""
        return [object_in(line) for line in self.content.split(b"\n") if line.strip()]

    def _error(self) -> RayfaasError:
        response = self.response
        if media_of(response) == PROBLEM_JSON:
            problem = self.value()
            if isinstance(problem, dict):
                return error_of(problem)
        if response.request.method == "HEAD" and response.status_code in _WITHOUT_BODY:
            return _WITHOUT_BODY[response.status_code](f"{self._url}{response.request.url.path}")
        kind = Unavailable if response.status_code in _GATEWAY_STATUSES else ProtocolError
        return kind(f"{self._url} answered {response.status_code} {response.reason_phrase}, {self._not_ours()}")

    def _not_ours(self) -> str:
        text = self.content[:200].decode("utf-8", "replace")
        return f"in {media_of(self.response) or 'no type'}, as no rayfaas server does: {text!r}"


def media_of(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def object_in(line: bytes) -> dict[str, Any]:
    """A line of NDJSON. Raises `ProtocolError` where it is no object."""
    try:
        value = wire.decode_json(line)
    except MalformedBody as error:
        raise ProtocolError(f"a line of the stream is not JSON: {error.detail}") from None
    if not isinstance(value, dict):
        raise ProtocolError(f"a line of the stream is not an object: {line[:80]!r}")
    return value
