"""What is wrong with a request is told, with a code and what to do; nothing is half done and no answer is our 500."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Server

Write = Callable[[str, str], Path]


@pytest.fixture
def typed(server: Server, write: Write) -> str:
    text = "def typed(n: int) -> object:\n    return object() if n == 13 else n\n"
    server.deploy(write("typed.py", text), "typed")
    return "typed"


@pytest.mark.parametrize(
    ("path", "content", "headers", "status", "code"),
    [
        ("/call/unknown", b"1", {}, 404, "not_found"),
        ("/call/typed:99", b"1", {}, 404, "not_found"),
        ("/call/typed@nowhere", b"1", {}, 404, "not_found"),
        ("/call/a/b/c", b"1", {}, 400, "bad_request"),
        ("/call/typed", b"{", {}, 400, "malformed_body"),
        ("/call/typed", b'"\xff"', {}, 400, "malformed_body"),
        ("/call/typed", b"", {}, 422, "invalid_arguments"),
        ("/call/typed", b'{"m": 1}', {}, 422, "invalid_arguments"),
        ("/call/typed", b'{"n": "one"}', {}, 422, "invalid_arguments"),
        ("/call/typed", b"<n>1</n>", {"Content-Type": "application/xml"}, 415, "unsupported_media_type"),
        ("/call/typed", b"1", {"Rayfaas-Timeout": "soon"}, 400, "bad_request"),
        ("/call/typed", b"13", {}, 500, "result_not_serializable"),
        ("/call/typed", b" " * (17 << 20), {"Prefer": "respond-async"}, 413, "body_too_large"),
        ("/call/typed", b"1", {"Authorization": ""}, 401, "unauthenticated"),
        ("/call/typed", b"1", {"Authorization": "Bearer rf_wrong"}, 401, "unauthenticated"),
        ("/v1/sql", b"{", {}, 400, "malformed_body"),
        ("/v1/sql", b'{"sql": "DROP TABLE calls"}', {}, 400, "query_error"),
        ("/v1/sql", b'{"sql": "SELECT * FROM store.tokens"}', {}, 400, "query_error"),
        ("/v1/functions/default/typed/versions", b'{"bundle": "x"}', {}, 400, "bad_request"),
        ("/v1/functions/Bad%20Team/typed/versions", b"{}", {}, 400, "bad_request"),
        ("/v1/functions/default/typed/aliases/live", b'{"version": 99}', {}, 404, "not_found"),
        ("/v1/nothing", b"{}", {}, 404, "not_found"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    server: Server, typed: str, path: str, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = server.http.post(path, content=content, headers={"Content-Type": "application/json", **headers})
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(problem["detail"]) > 20
    assert server.call("typed", 1) == 1


def test_a_token_may_do_what_its_role_says_and_no_more(server: Server, typed: str) -> None:
    made = server.http.post("/v1/tokens", json={"principal": "viewer", "team": "nlp", "role": "viewer"}).json()
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {made['token']}"}) as viewer:
        assert viewer.get("/v1/functions").status_code == 200
        assert viewer.post("/call/default/typed", json=1).status_code == 403
        assert viewer.post("/v1/tokens", json={}).status_code == 403
        assert viewer.post("/v1/functions/default/typed/versions", json={}).status_code == 403
        # Of others' calls a team sees nothing.
        assert viewer.post("/v1/sql", json={"sql": "SELECT count(*) FROM calls"}).json()["rows"] == [[0]]
        assert server.http.delete(f"/v1/tokens/{made['id']}").status_code == 204
        assert viewer.get("/v1/functions").status_code == 401
