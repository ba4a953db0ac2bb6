"""What may be asked of lineage, and how it is handed on."""

from __future__ import annotations

import pytest

from tests.gateway.small import SmallGateway


async def test_the_question_is_handed_on_as_it_was_asked(gateway: SmallGateway) -> None:
    gateway.controller.answers["lineage"] = {"nodes": []}
    query = "of=s3://b/k&direction=downstream&depth=3&as_of=1970-01-02&version=v1"
    assert (await gateway.ask("GET", f"/v1/lineage?{query}", who="vera")).json() == {"nodes": []}
    asked = gateway.controller.asked_for("lineage")
    assert asked["question"] == {
        "of": "s3://b/k", "direction": "downstream", "depth": 3, "as_of_us": 86_400_000_000, "version": "v1"
    }  # fmt: skip
    assert asked["actor"]["team"] == "nlp"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "Say of what"),
        ("of=x&direction=up", "upstream or downstream"),
        ("of=x&depth=0", "from 1 to 100"),
        ("of=x&depth=ten", "from 1 to 100"),
        ("of=x&depth=00000000199999", "from 1 to 100"),
        ("of=x&as_of=yesterday", "ISO 8601"),
        ("of=" + "x" * 5000, "Say of what"),
    ],
)
async def test_what_is_no_question_is_refused(gateway: SmallGateway, query: str, says: str) -> None:
    answer = await gateway.ask("GET", f"/v1/lineage?{query}", who="vera")
    assert (answer.status, answer.code) == (400, "bad_request")
    assert says in answer.json()["detail"]
