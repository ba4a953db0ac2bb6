"""What is started once for all tests of adapters: AWS, as moto plays it, behind microburst, which breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.cloud.servers import microburst


class Session:
    """One of boto3's that makes each client once: to make one takes longer than most tests do."""

    def __init__(self) -> None:
        self._session = boto3.Session("test", "test")
        self._clients: dict[tuple[str, ...], Any] = {}

    def client(self, service: str, region_name: str, endpoint_url: str, config: Any = None) -> Any:
        key = (service, region_name, endpoint_url)
        if key not in self._clients:
            self._clients[key] = self._session.client(
                service, region_name=region_name, endpoint_url=endpoint_url, config=config
            )
        return self._clients[key]


@dataclass(frozen=True)
class Aws:
    moto: str
    proxy: str
    session: Session

    def break_it(self, *rules: dict[str, Any]) -> None:
        """Follow these rules of microburst, and no others."""
        httpx.post(f"{self.proxy}/_microburst/rules", json=list(rules)).raise_for_status()


@pytest.fixture(scope="session")
def running_aws() -> Iterator[Aws]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with microburst(f"http://{host}:{port}") as proxy:
        yield Aws(f"http://{host}:{port}", proxy, Session())
    server.stop()


@pytest.fixture
def aws(running_aws: Aws) -> Aws:
    """An AWS without faults."""
    running_aws.break_it()
    return running_aws
