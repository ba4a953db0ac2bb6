"""Where a system answers the no-op while it is up, and a client that checks one answer at a time."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from benchmarks.errors import BenchmarkError

NOOP_BODY = '{"x": 1}'
NOOP_ANSWER = {"x": 1}


@dataclass(frozen=True)
class Endpoint:
    """`url` is POSTed to, with `headers` besides the Content-Type."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    status: int
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """One keep-alive connection to an endpoint. Use as a context manager."""

    def __init__(self, endpoint: Endpoint, timeout_s: float = 60.0) -> None:
        parts = urlsplit(endpoint.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
        self._path = parts.path
        self._headers = {"Content-Type": "application/json", **endpoint.headers}

    def __enter__(self) -> Caller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def post(self, body: str = NOOP_BODY) -> Answer:
        """Raises OSError or http.client.HTTPException when no answer comes; the next call then dials again."""
        status, content = self._post(body)
        return Answer(status, content.decode())

    def post_bytes(self, body: bytes) -> bytes:
        """What is answered, whatever it is."""
        return self._post(body)[1]

    def _post(self, body: str | bytes) -> tuple[int, bytes]:
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise


def wait_for_noop(endpoint: Endpoint, timeout_s: float = 90.0) -> str:
    """Wait until the endpoint answers the no-op rightly, and return the body of that answer."""
    deadline = time.monotonic() + timeout_s
    last: object = "no answer"
    with Caller(endpoint, timeout_s=10.0) as caller:
        while time.monotonic() < deadline:
            try:
                answer = caller.post()
            except (OSError, http.client.HTTPException) as error:
                last = error
            else:
                if answer.status == http.client.OK and answer.json() == NOOP_ANSWER:
                    return answer.body
                last = answer
            time.sleep(0.05)
    raise BenchmarkError(f"{endpoint.url} did not answer the no-op in {timeout_s:.0f} s; the last answer: {last}")
