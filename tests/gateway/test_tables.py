"""Answers to SQL come in the type that the caller takes; exports as a file that is gone when it is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfaas.errors import NotAcceptable
from rayfaas.gateway.tables import ENCODINGS, media_for
from rayfaas.wire import ARROW, CSV, JSON, NDJSON, PARQUET
from tests.gateway.small import SmallGateway

QUERY = b'{"sql": "SELECT 1"}'


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("text/*", CSV),
        ("text/html, application/vnd.apache.parquet;q=0.9, */*;q=0.1", PARQUET),
        ("application/x-ndjson;q=0.2, application/vnd.apache.arrow.stream", ARROW),
        ("Application/X-NDJSON", NDJSON),
    ],
)
def test_the_best_that_there_is(accept: str | None, media: str) -> None:
    assert media_for(accept) == media


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "application/vnd.apache.arrow.file"])
def test_anything_else_is_not_acceptable_and_it_is_said_what_is(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=f"can be {JSON}, {NDJSON}, {CSV}, .*, and not {accept}"):
        media_for(accept)


async def test_the_controller_is_asked_for_that_type(gateway: SmallGateway) -> None:
    for media, encoding in ENCODINGS.items():
        body = {"columns": [], "rows": [], "truncated": False} if media == JSON else {"body": b"a\n1\n"}
        gateway.controller.answers["sql"] = {"truncated": True, **body}
        answer = await gateway.ask("POST", "/v1/sql", QUERY, "vera", {"Accept": media})
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, media)
        assert gateway.controller.asked_for("sql")["encoding"] == encoding
        if media != JSON:
            assert (answer.body, answer.headers["rayfaas-truncated"]) == (b"a\n1\n", "true")


async def test_what_is_not_acceptable_is_not_asked(gateway: SmallGateway) -> None:
    answer = await gateway.ask("POST", "/v1/sql", QUERY, "vera", {"Accept": "image/png"})
    assert (answer.status, answer.code, gateway.controller.asked) == (406, "not_acceptable", [])


async def test_an_export_is_sent_and_gone(gateway: SmallGateway, tmp_path: Path) -> None:
    file = tmp_path / "export.parquet"
    content = bytes(range(256)) * 10_000
    file.write_bytes(content)
    gateway.controller.answers["export"] = {"file": str(file), "rows": 7}
    answer = await gateway.ask("GET", "/v1/export/calls?day=2026-11-27", who="vera")
    assert (answer.status, answer.headers["content-type"]) == (200, PARQUET)
    assert (answer.body == content, answer.headers["rayfaas-rows"], file.exists()) == (True, "7", False)
    asked = gateway.controller.asked_for("export")
    assert (asked["view"], asked["day"], asked["actor"]["team"]) == ("calls", "2026-11-27", "nlp")
