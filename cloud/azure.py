"""Machines of Azure: virtual machines in one resource group.

A machine's name is made of its attempt, and it is created only where there is none of that name. Network card, address
and disk are made with it and go with it. One that could not be had is there all the same, as failed, and is deleted
here. To power off is not enough, it is paid for on and on: `stop` deallocates.
"""

from __future__ import annotations

import base64
import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import DefaultAzureCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.azure_errors import from_code
from rayfaas.cloud.errors import Ambiguous, Capacity, CloudError, Credentials, Refused, Unreachable
from rayfaas.cloud.machine import Claim, Instance, InstanceState, Machine
from rayfaas.cloud.owned import OwnedAdapter
from rayfaas.cloud.prices import Prices

IMAGE = "Canonical:ubuntu-24_04-lts:server:latest"
URL = "https://management.azure.com"
OPERATION_S = 120.0
ACTIONS = [
    f"Microsoft.Compute/virtualMachines/{each}"
    for each in ("write", "read", "start/action", "deallocate/action", "delete")
]

# No retries of the SDK's own: what was lost may have happened.
_CLIENT = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 30, "polling_interval": 5}
_POWER: dict[str, InstanceState] = {
    "PowerState/starting": "BOOTING",
    "PowerState/running": "RUNNING",
    "PowerState/stopping": "RUNNING",
    "PowerState/stopped": "RUNNING",  # it is off, and paid for as if it were on
    "PowerState/deallocating": "STOPPING",
    "PowerState/deallocated": "STOPPED",
}
_PROVISIONING: dict[str, InstanceState] = {
    "Creating": "BOOTING",
    "Updating": "BOOTING",
    "Deleting": "TERMINATING",
    "Failed": "STOPPED",
}


class AzureAdapter(OwnedAdapter):
    """Virtual machines of a resource group; the place of a machine is a location (`eastus`), or a zone of one
    (`eastus-1`).

    `subnet` is the id of the one in which they are, `ssh_key` the public key that may log in as `rayfaas`. `launch` are
    properties of the VirtualMachine that all get; `options` of a machine go before them. `client` are arguments of the
    SDK's clients.
    """

    provider = "azure"
    capabilities = Capabilities(chosen=True, spot=True)
    credentials_advice = (
        "Run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of a service principal with"
        " the role in docs/clouds/azure-role.json on the resource group."
    )

    def __init__(
        self,
        owner: str,
        subscription: str,
        resource_group: str,
        subnet: str,
        ssh_key: str,
        image: str = IMAGE,
        public_address: bool = True,
        launch: Mapping[str, Any] | None = None,
        locations: Iterable[str] = (),
        url: str = URL,
        credential: Any = None,
        client: Mapping[str, Any] | None = None,
        prices: Prices | None = None,
    ) -> None:
        super().__init__(owner, prices)
        self._subscription, self._group, self._subnet, self._ssh_key = subscription, resource_group, subnet, ssh_key
        self._image, self._public, self._launch_options = image, public_address, dict(launch or {})
        self._locations, self._url = list(locations), url
        self._credential = credential or DefaultAzureCredential()
        options = {"base_url": url, "credential_scopes": [f"{URL}/.default"], **_CLIENT, **(client or {})}
        self._compute = ComputeManagementClient(self._credential, subscription, **options)
        self._network = NetworkManagementClient(self._credential, subscription, **options)

    def _check(self) -> Iterable[Finding]:
        self.find()
        yield Finding("credentials", "ok", f"subscription {self._subscription}, resource group {self._group}")
        yield self._permissions()
        for location in self._locations:
            yield self._quota(location)

    def _launch(self, machine: Machine, claim: Claim) -> Instance:
        name, doing = claim.name(), f"launch {machine.type} in {machine.place}"
        with _errors(doing, launching=True):
            poller = self._compute.virtual_machines.begin_create_or_update(
                self._group,
                name,
                self._wanted(name, machine, claim),
                etag="*",
                match_condition=MatchConditions.IfMissing,
            )
        try:
            with _errors(doing, launching=True):
                poller.result(OPERATION_S)
        except Ambiguous:
            raise
        except CloudError:
            self._delete(name)
            raise
        return self._look(name)

    def _look(self, instance_id: str) -> Instance:
        try:
            with _errors(f"look at {instance_id}"):
                found = self._compute.virtual_machines.get(self._group, instance_id, expand="instanceView")
        except CloudError as error:
            if error.extra.get("provider_code") in ("ResourceNotFound", "NotFound"):
                return Instance(instance_id, "GONE")
            raise
        return self._instance(found.as_dict(), addresses=True)

    def _list(self) -> Iterable[Instance]:
        with _errors("list machines"):
            found = list(self._compute.virtual_machines.list(self._group, expand="instanceView"))
        return [self._instance(each.as_dict()) for each in found]

    def _of_attempt(self, machine: Machine, claim: Claim) -> Instance | None:
        found = self._look(claim.name())
        if not found.is_of(claim):
            return None
        if found.reason and found.state == "STOPPED":  # whoever asked for it died before it could delete it
            self._delete(found.id)
            raise from_code(found.reason, 409, found.reason, False, Capacity)(
                f"Azure: {found.id} could not be had: {found.reason}", provider_code=found.reason
            )
        return found

    def _start(self, instance: Instance) -> None:
        with _errors(f"start {instance.id}"):
            self._compute.virtual_machines.begin_start(self._group, instance.id).result(OPERATION_S)

    def _stop(self, instance: Instance) -> None:
        with _errors(f"stop {instance.id}"):
            self._compute.virtual_machines.begin_deallocate(self._group, instance.id, polling=False)

    def _terminate(self, instance: Instance) -> None:
        self._delete(instance.id)

    def _delete(self, name: str) -> None:
        with _errors(f"terminate {name}"):
            self._compute.virtual_machines.begin_delete(self._group, name, polling=False)

    def _wanted(self, name: str, machine: Machine, claim: Claim) -> Any:
        location, _, zone = machine.place.partition("-")
        properties: dict[str, Any] = {
            "hardwareProfile": {"vmSize": machine.type},
            "storageProfile": {
                "imageReference": _image(machine.image or self._image),
                "osDisk": {"createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": machine.disk_gb},
            },
            "osProfile": {
                "computerName": name[-15:].strip("-"),
                "adminUsername": "rayfaas",
                "customData": base64.b64encode(machine.boot_script.encode()).decode(),
                "linuxConfiguration": {
                    "disablePasswordAuthentication": True,
                    "ssh": {"publicKeys": [{"path": "/home/rayfaas/.ssh/authorized_keys", "keyData": self._ssh_key}]},
                },
            },
            "networkProfile": {"networkApiVersion": "2022-11-01", "networkInterfaceConfigurations": [self._card(name)]},
        }
        if machine.spot:
            properties |= {"priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": -1}}
        properties |= {**self._launch_options, **machine.options}
        return {
            "location": location,
            "tags": claim.tags(),
            "properties": properties,
            **({"zones": [zone]} if zone else {}),
        }

    def _card(self, name: str) -> dict[str, Any]:
        address = {"name": f"{name}-ip", "properties": {"deleteOption": "Delete"}, "sku": {"name": "Standard"}}
        place: dict[str, Any] = {"subnet": {"id": self._subnet}}
        if self._public:
            place["publicIPAddressConfiguration"] = address
        configurations = [{"name": "main", "properties": place}]
        return {
            "name": f"{name}-nic",
            "properties": {"primary": True, "deleteOption": "Delete", "ipConfigurations": configurations},
        }

    def _instance(self, found: Mapping[str, Any], addresses: bool = False) -> Instance:
        properties = found.get("properties", {})
        state, reason = _state(properties)
        public, private = self._addresses(properties) if addresses and state == "RUNNING" else (None, None)
        place = "-".join([found["location"], *found.get("zones", [])])
        return Instance(
            found["name"],
            state,
            found.get("tags") or {},
            public,
            private,
            properties.get("hardwareProfile", {}).get("vmSize", ""),
            place,
            properties.get("priority") == "Spot",
            reason,
        )

    def _addresses(self, properties: Mapping[str, Any]) -> tuple[str | None, str | None]:
        cards = properties.get("networkProfile", {}).get("networkInterfaces", [])
        if not cards:
            return None, None
        name = cards[0]["id"].rpartition("/")[2]
        with _errors(f"look at the network card {name}"):
            card = self._network.network_interfaces.get(
                self._group, name, expand="ipConfigurations/publicIPAddress"
            ).as_dict()
        first = card["properties"]["ipConfigurations"][0]["properties"]
        public = first.get("publicIPAddress", {}).get("properties", {}).get("ipAddress")
        return public, first.get("privateIPAddress")

    def _permissions(self) -> Finding:
        what = "launch, start, stop, terminate"
        path = f"/subscriptions/{self._subscription}/resourceGroups/{self._group}"
        url = f"{self._url}{path}/providers/Microsoft.Authorization/permissions"
        try:
            with _errors("ask for permissions"):
                token = self._credential.get_token(f"{URL}/.default").token
            answer = httpx.get(
                url, params={"api-version": "2022-04-01"}, headers={"Authorization": f"Bearer {token}"}, timeout=30
            )
            answer.raise_for_status()
        except (CloudError, httpx.HTTPError) as error:
            return Finding(
                what, "unproven", str(error), "Allow Microsoft.Authorization/permissions/read to see it here."
            )
        missing = [each for each in ACTIONS if not _allowed(each, answer.json()["value"])]
        advice = "Give the principal the role in docs/clouds/azure-role.json on the resource group." if missing else ""
        return Finding(what, "failed" if missing else "ok", f"missing: {', '.join(missing)}" if missing else "", advice)

    def _quota(self, location: str) -> Finding:
        with _errors(f"ask for quotas in {location}"):
            usages = [each.as_dict() for each in self._compute.usage.list(location)]
        # The families of machines with GPUs begin with N: https://learn.microsoft.com/azure/virtual-machines/sizes/overview
        gpus = {
            each["name"]["value"]: each["limit"] for each in usages if each["name"]["value"].startswith("standardN")
        }
        some = {name: limit for name, limit in gpus.items() if limit}
        detail = ", ".join(f"{limit} vCPUs of {name}" for name, limit in sorted(some.items())) or "none"
        advice = (
            "" if some else "Ask for vCPUs of a GPU family in the portal under Quotas; a new subscription has none."
        )
        return Finding(f"quota of GPU machines in {location}", "ok" if some else "failed", detail, advice)


def _image(name: str) -> dict[str, str]:
    if name.startswith("/"):
        return {"id": name}
    parts = name.split(":")
    if len(parts) != 4:
        raise Refused(f"{name!r} is no image: write publisher:offer:sku:version, or an id that begins with /.")
    return dict(zip(("publisher", "offer", "sku", "version"), parts, strict=True))


def _state(properties: Mapping[str, Any]) -> tuple[InstanceState, str]:
    """State and reason. A machine that could not be had is STOPPED, with the error's code as its reason."""
    statuses = properties.get("instanceView", {}).get("statuses", [])
    provisioning = properties.get("provisioningState", "")
    power = next((_POWER[each["code"]] for each in statuses if each["code"] in _POWER), None)
    if provisioning == "Deleting":
        return "TERMINATING", ""
    if provisioning == "Failed" and power in (None, "STOPPED"):
        codes = (each["code"] for each in statuses if each["code"].startswith("ProvisioningState/failed"))
        return "STOPPED", next(codes, "ProvisioningState/failed").rpartition("/")[2]
    if any(each["code"] == "PowerState/stopped" for each in statuses):
        return "RUNNING", "powered off, and paid for"
    return power or _PROVISIONING.get(provisioning, "UNKNOWN"), ""


def _allowed(action: str, permissions: Iterable[Mapping[str, Any]]) -> bool:
    def fits(patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatch(action.lower(), each.lower()) for each in patterns)

    return any(fits(each.get("actions", [])) and not fits(each.get("notActions", [])) for each in permissions)


@contextmanager
def _errors(doing: str, launching: bool = False) -> Iterator[None]:
    """The SDK's errors as ours."""
    try:
        yield
    except ClientAuthenticationError as error:
        said = str(error.message).partition("\n")[0]  # the first line; the others are every way that was tried
        raise Credentials(f"Azure: can't {doing}: {said}") from error
    except HttpResponseError as error:
        code = error.error.code if error.error and error.error.code else ""
        kind = from_code(code, error.status_code or 500, error.message, launching)
        raise kind(f"Azure: can't {doing}: {error.message}", provider_code=code) from error
    except ServiceRequestError as error:
        raise Unreachable(f"Azure: can't {doing}: {error.message}") from error
    except ServiceResponseError as error:
        kind = Ambiguous if launching else Unreachable
        raise kind(f"Azure: tried to {doing}, and the answer was lost: {error.message}") from error
    except AzureError as error:
        raise CloudError(f"Azure: can't {doing}: {error.message}") from error
