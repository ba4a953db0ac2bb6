from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from rayfaas.cloud.errors import Unreachable, Unsupported
from rayfaas.cloud.machine import Machine
from rayfaas.cloud.ray import RayAdapter
from rayfaas.cluster.local import free_ports
from rayfaas.errors import BadRequest
from tests.cloud.conformance import OWNER, claim


@pytest.fixture
def head() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_cluster_that_answers_runs_and_is_not_ours(head: str) -> None:
    adapter = RayAdapter(OWNER, {"shared": head})
    found = adapter.get("shared")
    assert (found.state, found.address, found.claim) == ("RUNNING", "127.0.0.1", None)
    assert adapter.find() == []
    assert [each.result for each in adapter.check()] == ["ok"]


def test_one_that_does_not_answer_is_no_news_of_its_end() -> None:
    adapter = RayAdapter(OWNER, {"shared": f"127.0.0.1:{free_ports(1)[0]}"})
    with pytest.raises(Unreachable):
        adapter.get("shared")
    (finding,) = adapter.check()
    assert finding.result == "failed"
    assert finding.advice


def test_nothing_is_done_with_it(head: str) -> None:
    adapter = RayAdapter(OWNER, {"shared": head})
    for verb in (adapter.start, adapter.stop, adapter.terminate):
        with pytest.raises(Unsupported):
            verb("shared")
    with pytest.raises(Unsupported):
        adapter.create(Machine("ray"), claim())
    assert adapter.price(Machine("ray")) is None


def test_one_that_is_not_in_the_settings_is_gone(head: str) -> None:
    assert RayAdapter(OWNER, {"shared": head}).get("other").state == "GONE"


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(BadRequest, match="6379"):
        RayAdapter(OWNER, {"shared": "head"})
