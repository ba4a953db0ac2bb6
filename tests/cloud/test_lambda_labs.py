"""Lambda as a small server plays it. What goes to it and comes from it is read by a client that was made from Lambda's
own OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from lambda_ai_cloud_api_client import models as oracle

from rayfaas.cloud.errors import Ambiguous, Credentials, Throttled, Unreachable
from rayfaas.cloud.lambda_labs import LambdaLabsAdapter
from rayfaas.cloud.machine import Machine
from rayfaas.cloud.prices import Prices
from tests.cloud.conformance import OWNER, Conformance, Failing, claim
from tests.cloud.servers import Answer, Lost, Request, dead_url, http_server

TYPE = {
    "name": "gpu_1x_a10", "description": "1x A10", "gpu_description": "A10 (24 GB)", "price_cents_per_hour": 75,
    "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1},
}  # fmt: skip
REGION = {"name": "us-east-1", "description": "Virginia, USA"}
CAN = {"available": True}
CODES = {
    "capacity": (400, "instance-operations/launch/insufficient-capacity"),
    "quota": (400, "global/quota-exceeded"),
}


class Lambda:
    machine = Machine("gpu_1x_a10", "us-east-1")

    def __init__(self, directory: Path) -> None:
        self.url = ""
        self.key_file = directory / "keys"
        self.key_file.write_text("api_key = secret\n")
        self.machines: dict[str, dict[str, Any]] = {}
        self.requests: list[Request] = []
        self.failing: Failing | None = None

    def adapter(self, owner: str = OWNER, **settings: Any) -> LambdaLabsAdapter:
        return LambdaLabsAdapter(
            owner, ["mine"], **{"key_file": self.key_file, "url": f"{self.url}/api/v1", **settings}
        )

    def fail(self, failing: Failing) -> None:
        self.failing = failing

    def heal(self) -> None:
        self.failing = None

    def settle(self) -> None:
        for machine in self.machines.values():
            arrives = {"booting": "active", "terminating": "terminated"}
            machine["status"] = arrives.get(machine["status"], machine["status"])

    def vanish(self, instance_id: str) -> None:
        del self.machines[instance_id]

    def count(self) -> int:
        return sum(each["status"] != "terminated" for each in self.machines.values())

    def handle(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.failing == "down":
            raise Lost
        if self.failing == "credentials" or request.headers["Authorization"] != "Bearer secret":
            return problem(401, "global/invalid-api-key")
        if self.failing == "throttled":
            return 429, {"message": "slow down"}
        return self.answer(request.method, request.path.removeprefix("/api/v1"), request.body)

    def answer(self, method: str, path: str, body: Any) -> Answer:
        if path == "/instance-operations/launch":
            return self.launch(body)
        if path == "/instance-operations/terminate":
            return self.terminate(body)
        if path == "/instance-types":
            item = {"instance_type": TYPE, "regions_with_capacity_available": [REGION]}
            read(oracle.InstanceTypesItem, item)
            return 200, {"data": {"gpu_1x_a10": item}}
        if path == "/ssh-keys":
            return 200, {"data": [{"id": "1", "name": "mine", "public_key": "ssh-ed25519 AAAA"}]}
        if path == "/instances":
            return 200, {"data": [self.shown(each) for each in self.machines.values()]}
        machine = self.machines.get(path.rpartition("/")[2])
        return problem(404, "global/object-does-not-exist") if machine is None else (200, {"data": self.shown(machine)})

    def launch(self, body: Any) -> Answer:
        read(oracle.InstanceLaunchRequest, body)
        if self.failing in CODES:
            return problem(*CODES[self.failing])
        key = f"{len(self.machines):032x}"
        self.machines[key] = {
            "id": key, "status": "booting", "ip": "192.0.2.4", "private_ip": "10.0.0.4", "region": REGION,
            "instance_type": TYPE, "file_system_names": [], "ssh_key_names": body["ssh_key_names"],
            "name": body["name"], "tags": body["tags"],
            "actions": dict.fromkeys(("migrate", "rebuild", "restart", "cold_reboot", "terminate"), CAN),
        }  # fmt: skip
        if self.failing == "lost":
            raise Lost
        return 200, {"data": {"instance_ids": [key]}}

    def terminate(self, body: Any) -> Answer:
        read(oracle.InstanceTerminateRequest, body)
        for key in body["instance_ids"]:
            self.machines[key]["status"] = "terminating"
        return 200, {"data": {"terminated_instances": [self.shown(self.machines[key]) for key in body["instance_ids"]]}}

    def shown(self, machine: dict[str, Any]) -> dict[str, Any]:
        read(oracle.Instance, machine)
        return machine


def read(kind: Any, value: dict[str, Any]) -> None:
    """The client from Lambda's document reads it, and knows each of its fields."""
    assert kind.from_dict(value).additional_properties == {}


def problem(status: int, code: str) -> Answer:
    return status, {"error": {"code": code, "message": f"It is {code}.", "suggestion": "Try another."}}


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Lambda]:
    cloud = Lambda(tmp_path)
    with http_server(cloud.handle) as cloud.url:
        yield cloud


class TestLambdaLabs(Conformance):
    own_tags = MappingProxyType({"name": "mine", "tags": [{"key": "team", "value": "vision"}]})

    @pytest.fixture
    def provider(self, provider: Lambda) -> Lambda:
        return provider


def test_a_launch_says_all_that_it_needs_to(provider: Lambda) -> None:
    machine = Machine(
        "gpu_1x_a10", "us-east-1", image="lambda-stack-24-04", boot_script="#!/bin/sh", options={"hostname": "g"}
    )
    provider.adapter().create(machine, mine := claim())
    (body,) = [each.body for each in provider.requests if each.body]
    assert body["name"] == mine.name()
    assert (body["user_data"], body["image"], body["hostname"]) == ("#!/bin/sh", {"family": "lambda-stack-24-04"}, "g")


def test_prices_are_lambdas_own(provider: Lambda) -> None:
    price = provider.adapter().price(provider.machine)
    assert price is not None
    assert (price.usd_per_hour, price.source, len(price.as_of)) == (0.75, "provider", 10)


def test_the_users_price_goes_before_lambdas(provider: Lambda) -> None:
    price = provider.adapter(prices=Prices({"lambda_labs/*/gpu_1x_a10": 0.5})).price(provider.machine)
    assert price is not None
    assert price.usd_per_hour == 0.5
    assert provider.requests == []


def test_without_an_answer_prices_are_those_of_the_table(provider: Lambda) -> None:
    provider.fail("down")
    assert provider.adapter().price(provider.machine) is None


def test_a_key_file_that_is_not_there_is_named(provider: Lambda, tmp_path: Path) -> None:
    with pytest.raises(Credentials, match="nowhere"):
        provider.adapter(key_file=tmp_path / "nowhere").find()
    provider.key_file.write_text("secret\n")
    with pytest.raises(Credentials, match="api_key"):
        provider.adapter().find()


def test_check_tells_of_an_ssh_key_that_the_account_does_not_have(provider: Lambda) -> None:
    adapter = LambdaLabsAdapter(OWNER, ["other"], provider.key_file, f"{provider.url}/api/v1")
    (failed,) = [each for each in adapter.check() if each.result == "failed"]
    assert "other" in failed.detail


def test_nobody_at_the_address_is_unreachable(provider: Lambda) -> None:
    with pytest.raises(Unreachable):
        provider.adapter(url=dead_url()).create(provider.machine, claim())


@pytest.mark.parametrize(("status", "kind"), [(500, Ambiguous), (429, Throttled)])
def test_an_answer_without_a_code_is_told_by_its_status(
    provider: Lambda, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[Exception]
) -> None:
    monkeypatch.setattr(provider, "launch", lambda _: (status, "no"))
    with pytest.raises(kind):
        provider.adapter().create(provider.machine, claim())
