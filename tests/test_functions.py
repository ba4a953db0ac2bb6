"""A client's words for scaling and deleting become requests, and nothing is sent that was not said."""

from __future__ import annotations

import pytest

from rayfaas.errors import BadRequest
from tests.test_client import connected

F = "/v1/functions/nlp/f"


def test_only_what_is_said_of_a_scaling_is_sent() -> None:
    with connected({f"PATCH {F}/scaling": {"clusters": ["local"]}}) as (client, server):
        assert client.scale("nlp/f", min_replicas=0, target_concurrency=4) == {"clusters": ["local"]}
        assert server.requests[-1].json() == {"min_replicas": 0, "target_concurrency": 4.0}


def test_a_function_or_one_of_its_versions_is_deleted() -> None:
    table = {f"DELETE {F}": {"versions": [1, 2]}, f"DELETE {F}/versions/2": {"versions": [2]}}
    with connected(table) as (client, server):
        assert client.delete("nlp/f", message="old")["versions"] == [1, 2]
        assert server.requests[-1].query == {"message": ["old"]}
        assert client.delete("nlp/f:2")["versions"] == [2]


@pytest.mark.parametrize("name", ["nlp/f:", "nlp/f:new", "nlp/f@prod", "f:1:2"])
def test_what_is_no_version_is_not_deleted(name: str) -> None:
    with connected({}) as (client, server):
        with pytest.raises(BadRequest):
            client.delete(name)
        assert server.requests == []
