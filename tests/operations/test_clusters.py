"""Clusters, nodes and gateways are asked for and told to leave."""

from __future__ import annotations

import pytest

from rayfaas.errors import BadRequest
from tests.operations.connected import connected


def test_a_cluster_leaves_when_its_calls_have_ended_or_now() -> None:
    with connected({"DELETE /v1/clusters/far": {}}) as (client, server):
        client.remove_cluster("far")
        client.remove_cluster("far", now=True)
        assert [request.query for request in server.requests] == [{}, {"now": ["true"]}]


def test_a_cluster_is_started_for_a_time_and_stopped() -> None:
    table: dict[str, dict[str, str]] = {"POST /v1/clusters/far/start": {}, "POST /v1/clusters/far/stop": {}}
    with connected(table) as (client, server):
        client.start_cluster("far", "2h")
        client.stop_cluster("far")
        client.stop_cluster("far", now=True)
        assert [request.json() for request in server.requests] == [{"for": "2h"}, {"now": False}, {"now": True}]


def test_the_name_of_one_that_joins_need_not_be_said() -> None:
    table = {"POST /v1/clusters": {"token": "t"}, "POST /v1/gateways": {"token": "t"}}
    with connected(table) as (client, server):
        client.invite()
        client.invite("far")
        client.invite_gateway("edge")
        assert [request.json() for request in server.requests] == [{}, {"cluster": "far"}, {"gateway": "edge"}]


def test_what_is_no_name_is_not_asked_for() -> None:
    with connected({}) as (client, server):
        for ask in (client.remove_cluster, client.stop_cluster, client.remove_gateway):
            with pytest.raises(BadRequest):
                ask("../tokens")
        assert server.requests == []
