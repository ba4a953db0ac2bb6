"""Compute Engine as a small server plays it, with the real SDK, both held to Google's schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from rayfaas.cloud.errors import Ambiguous, Foreign, Unreachable
from rayfaas.cloud.gcp import PERMISSIONS, GcpAdapter
from rayfaas.cloud.machine import Machine
from tests.cloud import google_schema
from tests.cloud.conformance import OWNER, Conformance, Failing, claim
from tests.cloud.servers import Answer, Lost, Request, dead_url, http_server

ZONE = "us-central1-a"
_PATH = re.compile(r"/compute/v1/projects/p/zones/([a-z0-9-]+)/(instances|operations)(?:/([a-z0-9-]+))?(?:/([a-z]+))?")


class Gcp:
    machine = Machine("g2-standard-4", ZONE)

    def __init__(self) -> None:
        self.url = ""
        self.machines: dict[str, dict[str, Any]] = {}
        self.operations: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, str] = {}  # request id → operation
        self.requests: list[Request] = []
        self.failing: Failing | None = None
        self.permissions = list(PERMISSIONS)
        self.quota = 4.0

    def adapter(self, owner: str = OWNER, **settings: Any) -> GcpAdapter:
        client = {"credentials": AnonymousCredentials(), "client_options": {"api_endpoint": self.url}}
        settings = {"zones": [ZONE], "client": client, "permissions_url": self.url, **settings}
        return GcpAdapter(owner, "p", **settings)

    def fail(self, failing: Failing) -> None:
        self.failing = failing

    def heal(self) -> None:
        self.failing = None

    def settle(self) -> None:
        arrives = {"PROVISIONING": "RUNNING", "STAGING": "RUNNING", "STOPPING": "TERMINATED"}
        for name, machine in list(self.machines.items()):
            machine["status"] = arrives.get(machine["status"], machine["status"])
            if machine.pop("_deleting", False):
                del self.machines[name]

    def vanish(self, instance_id: str) -> None:
        del self.machines[instance_id.partition("/")[2]]

    def count(self) -> int:
        return len(self.machines)

    def handle(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.failing == "down":
            raise Lost
        if self.failing == "credentials":
            return problem(401, "authError")
        if self.failing == "throttled":
            return problem(403, "rateLimitExceeded")
        return self.answer(request)

    def answer(self, request: Request) -> Answer:
        if request.path.endswith(":testIamPermissions"):
            return 200, {"permissions": [each for each in request.body["permissions"] if each in self.permissions]}
        if request.path == "/compute/v1/projects/p":
            return typed("Project", {"kind": "compute#project", "name": "p"})
        if "/regions/" in request.path:
            quota = {"metric": "NVIDIA_L4_GPUS", "limit": self.quota, "usage": 0.0}
            return typed("Region", {"kind": "compute#region", "name": "us-central1", "quotas": [quota]})
        if request.path.endswith("/aggregated/instances"):
            return self.list(request.query.get("filter", ""))
        found = _PATH.fullmatch(request.path)
        assert found is not None, request.path
        zone, kind, name, verb = found.groups()
        if kind == "operations":
            return typed("Operation", self.operations[name])
        if request.method == "POST" and name is None:
            return self.insert(zone, request)
        if name not in self.machines:
            return problem(404, "notFound")
        return self.change(request.method, name, verb)

    def insert(self, zone: str, request: Request) -> Answer:
        google_schema.check("Instance", request.body)
        made_before = self.asked.get(request.query["requestId"])
        if made_before is not None:
            return typed("Operation", self.operations[made_before])
        if self.failing == "quota":
            return problem(403, "quotaExceeded")
        if request.body["name"] in self.machines:
            return problem(409, "alreadyExists")
        operation = self.operation("insert", "ZONE_RESOURCE_POOL_EXHAUSTED" if self.failing == "capacity" else None)
        self.asked[request.query["requestId"]] = operation["name"]
        if self.failing != "capacity":
            self.machines[request.body["name"]] = {
                **{key: request.body[key] for key in ("name", "labels", "machineType", "scheduling", "disks")},
                "kind": "compute#instance",
                "status": "STAGING",
                "zone": f"https://www.googleapis.com/compute/v1/projects/p/zones/{zone}",
                "networkInterfaces": [{"networkIP": "10.0.0.2", "accessConfigs": [{"natIP": "192.0.2.2"}]}],
            }
        if self.failing == "lost":
            raise Lost
        return typed("Operation", {**operation, "status": "RUNNING"})

    def change(self, method: str, name: str, verb: str | None) -> Answer:
        machine = self.machines[name]
        if method == "GET":
            return typed("Instance", {key: value for key, value in machine.items() if key != "_deleting"})
        if verb == "start":
            if machine["status"] != "TERMINATED":
                return problem(400, "resourceNotReady")
            if self.failing == "capacity":
                return typed("Operation", self.operation("start", "ZONE_RESOURCE_POOL_EXHAUSTED"))
            machine["status"] = "STAGING"
        else:
            machine["status"] = "STOPPING"
            machine["_deleting"] = method == "DELETE"
        return typed("Operation", self.operation(verb or "delete"))

    def list(self, filter: str) -> Answer:
        key, _, value = filter.removeprefix("labels.").partition("=")
        found = [each for each in self.machines.values() if each["labels"].get(key) == value]
        instances = [{name: each[name] for name in each if name != "_deleting"} for each in found]
        scope = {"instances": instances} if instances else {"warning": {"code": "NO_RESULTS_ON_PAGE"}}
        items = {f"zones/{ZONE}": scope}
        return typed("InstanceAggregatedList", {"kind": "compute#instanceAggregatedList", "items": items})

    def operation(self, verb: str, error: str | None = None) -> dict[str, Any]:
        name = f"operation-{len(self.operations)}"
        made: dict[str, Any] = {
            "kind": "compute#operation", "name": name, "status": "DONE", "operationType": verb, "progress": 100,
        }  # fmt: skip
        if error is not None:
            made["error"] = {"errors": [{"code": error, "message": f"The zone has none ({error})."}]}
        self.operations[name] = made
        return made


def typed(kind: str, value: dict[str, Any]) -> Answer:
    google_schema.check(kind, value)
    return 200, value


def problem(status: int, reason: str) -> Answer:
    errors = [{"domain": "global", "reason": reason, "message": f"It is {reason}."}]
    return status, {"error": {"code": status, "message": f"It is {reason}.", "errors": errors}}


@pytest.fixture
def provider() -> Iterator[Gcp]:
    gcp = Gcp()
    with http_server(gcp.handle) as gcp.url:
        yield gcp


class TestGcp(Conformance):
    own_tags = MappingProxyType({"name": "mine", "labels": {"team": "vision"}})

    @pytest.fixture
    def provider(self, provider: Gcp) -> Gcp:
        return provider


def test_a_launch_hands_its_lifetime_to_google(provider: Gcp) -> None:
    provider.adapter().create(
        Machine("g2-standard-4", ZONE, spot=True, lifetime_s=3600, boot_script="#!/bin/sh"), claim()
    )
    (machine,) = provider.machines.values()
    assert machine["scheduling"]["maxRunDuration"] == {"seconds": "3600"}
    assert machine["scheduling"]["provisioningModel"] == "SPOT"
    assert machine["scheduling"]["instanceTerminationAction"] == "DELETE"
    assert machine["disks"][0]["autoDelete"]


def test_options_of_a_machine_go_before_those_of_the_settings(provider: Gcp) -> None:
    network = [{"network": "projects/p/global/networks/mine"}]
    adapter = provider.adapter(launch={"networkInterfaces": network, "minCpuPlatform": "Intel Ice Lake"})
    adapter.create(Machine("g2-standard-4", ZONE, options={"minCpuPlatform": "Intel Sapphire Rapids"}), claim())
    (body,) = [each.body for each in provider.requests if each.body]
    assert (body["networkInterfaces"], body["minCpuPlatform"]) == (network, "Intel Sapphire Rapids")


def test_check_tells_which_permission_is_missing(provider: Gcp) -> None:
    provider.permissions.remove("compute.instances.delete")
    (failed,) = [each for each in provider.adapter().check() if each.result == "failed"]
    assert failed.detail == "missing: compute.instances.delete"
    assert "gcp-role.yaml" in failed.advice


def test_check_tells_of_a_quota_of_no_gpus(provider: Gcp) -> None:
    provider.quota = 0.0
    (failed,) = [each for each in provider.adapter().check() if each.result == "failed"]
    assert failed.what == "quota of GPUs in us-central1"


def test_nobody_at_the_address_is_unreachable(provider: Gcp) -> None:
    provider.url = dead_url()
    with pytest.raises(Unreachable):
        provider.adapter().create(provider.machine, claim())


def test_an_error_of_the_server_leaves_a_launch_open(provider: Gcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "insert", lambda *_: problem(503, "backendError"))
    with pytest.raises(Ambiguous):
        provider.adapter().create(provider.machine, claim())


def test_a_zone_that_cannot_be_asked_leaves_no_machine_out(provider: Gcp, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = {"warning": {"code": "UNREACHABLE", "message": "The zone does not answer."}}
    items = {"kind": "compute#instanceAggregatedList", "items": {f"zones/{ZONE}": scope}}
    monkeypatch.setattr(provider, "list", lambda _: typed("InstanceAggregatedList", items))
    with pytest.raises(Unreachable, match=ZONE):
        provider.adapter().find()


def test_a_machine_of_the_same_name_that_is_not_ours_is_left_alone(provider: Gcp) -> None:
    mine = claim()
    provider.adapter().create(provider.machine, mine)
    provider.machines[mine.name()]["labels"] = {"rayfaas-owner": "somebody-else"}
    provider.asked.clear()
    with pytest.raises(Foreign):
        provider.adapter().create(provider.machine, mine)
