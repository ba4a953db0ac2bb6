"""Azure's resource manager as a small server plays it, with the real SDK."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy

from rayfaas.cloud.azure import ACTIONS, AzureAdapter
from rayfaas.cloud.azure_errors import from_code
from rayfaas.cloud.errors import Ambiguous, Capacity, CloudError, Credentials, NotReady, Quota, Throttled, Unreachable
from rayfaas.cloud.machine import Machine
from tests.cloud.conformance import OWNER, Conformance, Failing, claim
from tests.cloud.servers import Answer, Lost, Request, dead_url, http_server

GROUP = "/subscriptions/s/resourceGroups/g"
MACHINES = f"{GROUP}/providers/Microsoft.Compute/virtualMachines"
SUBNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/default"
QUOTA = "Operation could not be completed as it results in exceeding approved standardNCASv3 Cores quota."


class NoCredential:
    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("none", 4_000_000_000)


class Azure:
    machine = Machine("Standard_NC4as_T4_v3", "eastus")

    def __init__(self) -> None:
        self.url = ""
        self.machines: dict[str, dict[str, Any]] = {}
        self.operations: dict[str, dict[str, Any]] = {}
        self.failing: Failing | None = None
        self.actions = ["*/read", *ACTIONS]
        self.limit = 8
        self.dies_before_the_end = False

    def adapter(self, owner: str = OWNER, **settings: Any) -> AzureAdapter:
        client = {"authentication_policy": SansIOHTTPPolicy(), "polling_interval": 0}
        given = {"locations": ["eastus"], "url": self.url, "credential": NoCredential(), "client": client, **settings}
        return AzureAdapter(owner, "s", "g", SUBNET, "ssh-ed25519 AAAA", **given)

    def fail(self, failing: Failing) -> None:
        self.failing = failing

    def heal(self) -> None:
        self.failing = None

    def settle(self) -> None:
        arrives = {"starting": "running", "deallocating": "deallocated"}
        for name, machine in list(self.machines.items()):
            if machine["properties"]["provisioningState"] == "Deleting":
                del self.machines[name]
            elif machine["properties"]["provisioningState"] == "Creating":
                machine["properties"]["provisioningState"] = "Succeeded"
            machine["power"] = arrives.get(machine["power"], machine["power"])

    def vanish(self, instance_id: str) -> None:
        del self.machines[instance_id]

    def count(self) -> int:
        return len(self.machines)

    def handle(self, request: Request) -> Answer:
        if self.failing == "down":
            raise Lost
        if self.failing == "credentials":
            return problem(401, "InvalidAuthenticationToken")
        if self.failing == "throttled":
            return problem(429, "TooManyRequests")
        return self.answer(request)

    def answer(self, request: Request) -> Answer:
        assert "api-version" in request.query or request.path.startswith("/operations/")
        if request.path.startswith("/operations/"):
            return 200, self.operations[request.path.rpartition("/")[2]]
        if request.path.endswith("/Microsoft.Authorization/permissions"):
            return 200, {"value": [{"actions": self.actions, "notActions": []}]}
        if request.path.endswith("/usages"):
            family = {"value": "standardNCASv3Family", "localizedValue": "Standard NCASv3 Family vCPUs"}
            return 200, {"value": [{"unit": "Count", "currentValue": 0, "limit": self.limit, "name": family}]}
        if "/networkInterfaces/" in request.path:
            public = {"properties": {"ipAddress": "192.0.2.3"}}
            place = {"privateIPAddress": "10.0.0.3", "publicIPAddress": public}
            return 200, {"name": "nic", "properties": {"ipConfigurations": [{"name": "main", "properties": place}]}}
        if request.path.lower() == MACHINES.lower():
            return 200, {"value": [self.shown(each, request) for each in self.machines.values()]}
        name, _, verb = request.path.removeprefix(f"{MACHINES}/").partition("/")
        if request.method == "PUT":
            return self.put(name, request)
        if name not in self.machines:
            return problem(404, "ResourceNotFound") if request.method == "GET" else (204, None)
        return self.change(request, name, verb)

    def put(self, name: str, request: Request) -> Answer:
        if name in self.machines:
            assert request.headers["If-None-Match"] == "*"
            return problem(412, "PreconditionFailed")
        if self.failing == "quota":
            return problem(409, "OperationNotAllowed", QUOTA)
        card = {"id": f"{GROUP}/providers/Microsoft.Network/networkInterfaces/{name}-nic"}
        failed = self.failing == "capacity"
        properties = {
            **request.body["properties"],
            "provisioningState": "Failed" if failed else "Creating",
            "networkProfile": {"networkInterfaces": [card]},
        }
        power = None if failed else "starting"
        self.machines[name] = {**request.body, "name": name, "properties": properties, "power": power}
        if self.failing == "lost" or self.dies_before_the_end:
            raise Lost
        return 201, self.shown(self.machines[name], request), self.operation("ZonalAllocationFailed" if failed else "")

    def change(self, request: Request, name: str, verb: str) -> Answer:
        machine = self.machines[name]
        if request.method == "GET":
            return 200, self.shown(machine, request)
        if request.method == "DELETE":
            machine["properties"]["provisioningState"] = "Deleting"
            return 202, None, self.operation("")
        if verb == "start" and self.failing == "capacity":
            return 202, None, self.operation("AllocationFailed")
        machine["power"] = {"start": "starting", "deallocate": "deallocating"}[verb]
        return 202, None, self.operation("")

    def shown(self, machine: dict[str, Any], request: Request) -> dict[str, Any]:
        shown = {key: value for key, value in machine.items() if key != "power"}
        if request.query.get("$expand") == "instanceView":
            failed = machine["properties"]["provisioningState"] == "Failed"
            codes = ["ProvisioningState/failed/ZonalAllocationFailed" if failed else "ProvisioningState/succeeded"]
            codes += [f"PowerState/{machine['power']}"] if machine["power"] else []
            view = {"statuses": [{"code": code, "level": "Info"} for code in codes]}
            shown["properties"] = {**machine["properties"], "instanceView": view}
        return shown

    def operation(self, error: str) -> dict[str, str]:
        name = f"o{len(self.operations)}"
        failed = {"status": "Failed", "error": {"code": error, "message": f"It is {error}."}}
        self.operations[name] = failed if error else {"status": "Succeeded"}
        return {"Azure-AsyncOperation": f"{self.url}/operations/{name}"}


def problem(status: int, code: str, message: str = "") -> Answer:
    return status, {"error": {"code": code, "message": message or f"It is {code}."}}


@pytest.fixture
def provider() -> Iterator[Azure]:
    azure = Azure()
    with http_server(azure.handle) as azure.url:
        yield azure


class TestAzure(Conformance):
    @pytest.fixture
    def provider(self, provider: Azure) -> Azure:
        return provider


def test_all_that_is_made_with_a_machine_goes_with_it(provider: Azure) -> None:
    made = provider.adapter().create(
        Machine("Standard_NC4as_T4_v3", "eastus-2", spot=True, boot_script="#!/bin/sh"), claim()
    )
    properties = provider.machines[made.id]["properties"]
    assert properties["storageProfile"]["osDisk"]["deleteOption"] == "Delete"
    assert base64.b64decode(properties["osProfile"]["customData"]) == b"#!/bin/sh"
    assert (properties["priority"], properties["evictionPolicy"]) == ("Spot", "Delete")
    assert provider.machines[made.id]["zones"] == ["2"]
    assert (made.place, made.spot) == ("eastus-2", True)


def test_who_died_over_a_launch_that_failed_leaves_nothing(provider: Azure) -> None:
    mine = claim()
    provider.fail("capacity")
    provider.dies_before_the_end = True
    with pytest.raises(Ambiguous):
        provider.adapter().create(provider.machine, mine)
    assert [each.state for each in provider.adapter().find()] == ["STOPPED"]
    with pytest.raises(Capacity):
        provider.adapter().create(provider.machine, mine)
    provider.settle()
    assert provider.count() == 0


def test_a_machine_that_is_off_and_paid_for_is_stopped_in_earnest(provider: Azure) -> None:
    adapter = provider.adapter()
    made = adapter.create(provider.machine, claim())
    provider.settle()
    provider.machines[made.id]["power"] = "stopped"
    assert (adapter.get(made.id).state, adapter.get(made.id).reason) == ("RUNNING", "powered off, and paid for")
    assert adapter.stop(made.id).state == "STOPPING"


def test_check_tells_which_action_is_missing(provider: Azure) -> None:
    provider.actions = ["*/read", "Microsoft.Compute/virtualMachines/write"]
    (failed,) = [each for each in provider.adapter().check() if each.result == "failed"]
    assert "deallocate/action" in failed.detail
    assert "virtualMachines/read" not in failed.detail


def test_check_tells_of_a_quota_of_no_gpus(provider: Azure) -> None:
    provider.limit = 0
    (failed,) = [each for each in provider.adapter().check() if each.result == "failed"]
    assert failed.what == "quota of GPU machines in eastus"


def test_nobody_at_the_address_is_unreachable(provider: Azure) -> None:
    provider.url = dead_url()
    with pytest.raises(Unreachable):
        provider.adapter().create(provider.machine, claim())


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SkuNotAvailable", 409, Capacity),
        ("OperationNotAllowed", 409, Quota),
        ("AuthorizationFailed", 403, Credentials),
        ("", 429, Throttled),
        ("Conflict", 409, NotReady),
        ("InternalServerError", 500, Ambiguous),
        ("Other", 418, CloudError),
    ],
)
def test_what_a_code_means_for_a_launch(code: str, status: int, kind: type[CloudError]) -> None:
    assert from_code(code, status, QUOTA, launching=True) is kind
