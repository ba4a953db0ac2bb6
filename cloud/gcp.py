"""Machines of Google Compute Engine.

A machine's name is made of its attempt, and so is the request's id: the same launch twice is one machine. That there is
no capacity is told by the operation, some seconds after the launch was taken, so `create` and `start` wait for it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import google.auth
import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import compute_v1

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.errors import (
    Ambiguous,
    Capacity,
    CloudError,
    Credentials,
    NotReady,
    Quota,
    Refused,
    Throttled,
    Unreachable,
)
from rayfaas.cloud.machine import OWNER, Claim, Instance, InstanceState, Machine
from rayfaas.cloud.owned import OwnedAdapter
from rayfaas.cloud.prices import Prices
from rayfaas.errors import BadRequest

IMAGE = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2204-lts"
CALL_S = 30.0
OPERATION_S = 120.0
PERMISSIONS = [
    f"compute.instances.{each}" for each in ("create", "setLabels", "get", "list", "start", "stop", "delete")
]

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# https://cloud.google.com/compute/docs/instances/instance-lifecycle
_STATES: dict[str, InstanceState] = {
    "PROVISIONING": "BOOTING",
    "STAGING": "BOOTING",
    "REPAIRING": "BOOTING",
    "RUNNING": "RUNNING",
    "PENDING_STOP": "STOPPING",
    "STOPPING": "STOPPING",
    "TERMINATED": "STOPPED",
}
# Words of errors, of answers (camelCase) and of operations (capitals):
# https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation
_KINDS: dict[str, type[CloudError]] = {
    "ZONE_RESOURCE_POOL_EXHAUSTED": Capacity,
    "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS": Capacity,
    "resourcePoolExhausted": Capacity,
    "STOCKOUT": Capacity,
    "QUOTA_EXCEEDED": Quota,
    "quotaExceeded": Quota,
    "limitExceeded": Quota,
    "rateLimitExceeded": Throttled,
    "userRateLimitExceeded": Throttled,
    "resourceNotReady": NotReady,
    "RESOURCE_NOT_READY": NotReady,
    "resourceInUseByAnotherResource": NotReady,
}
_BY_STATUS: dict[int, type[CloudError]] = {
    400: Refused, 401: Credentials, 403: Credentials, 404: Refused, 412: Refused, 429: Throttled,
}  # fmt: skip


class GcpAdapter(OwnedAdapter):
    """Compute Engine machines of a project; the place of a machine is a zone.

    `launch` are fields of the Instance resource that all machines get (`networkInterfaces`, `serviceAccounts`);
    `options` of a machine go before them. `client` are arguments of the SDK's clients, `zones` those that `check` asks
    about.
    """

    provider = "gcp"
    capabilities = Capabilities(chosen=True, spot=True, lifetime=True)
    credentials_advice = (
        "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to the key of a service"
        " account with the role in docs/clouds/gcp-role.yaml; enable compute.googleapis.com in the project."
    )

    def __init__(
        self,
        owner: str,
        project: str,
        zones: Sequence[str] = (),
        image: str = IMAGE,
        launch: Mapping[str, Any] | None = None,
        client: Mapping[str, Any] | None = None,
        permissions_url: str = "https://cloudresourcemanager.googleapis.com",
        prices: Prices | None = None,
    ) -> None:
        super().__init__(owner, prices)
        self._project, self._zones, self._image = project, list(zones), image
        self._launch_options, self._client_options = dict(launch or {}), dict(client or {})
        self._permissions_url = permissions_url
        self._clients: dict[type[Any], Any] = {}

    def _check(self) -> Iterable[Finding]:
        self._call(self._client(compute_v1.ProjectsClient).get, "look at the project", project=self._project)
        yield Finding("credentials", "ok", f"project {self._project}")
        yield self._permissions()
        for region in dict.fromkeys(zone.rpartition("-")[0] for zone in self._zones):
            yield self._quota(region)

    def _launch(self, machine: Machine, claim: Claim) -> Instance:
        name = claim.name()
        try:
            operation = self._call(
                self._instances.insert_unary,
                f"launch {machine.type} in {machine.place}",
                launching=True,
                request={
                    "project": self._project,
                    "zone": machine.place,
                    "request_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.owner}/{claim.attempt}")),
                    "instance_resource": compute_v1.Instance.from_json(json.dumps(self._wanted(name, machine, claim))),
                },
            )
            self._wait(machine.place, operation, f"launch {machine.type} in {machine.place}")
        except CloudError as error:
            if error.extra.get("provider_code") not in ("alreadyExists", "RESOURCE_ALREADY_EXISTS"):
                raise
        return self._look(f"{machine.place}/{name}")

    def _look(self, instance_id: str) -> Instance:
        try:
            found = self._call(self._instances.get, f"look at {instance_id}", **self._target(instance_id))
        except CloudError as error:
            if error.extra.get("provider_code") == "notFound":
                return Instance(instance_id, "GONE")
            raise
        return _instance(found)

    def _list(self) -> Iterable[Instance]:
        request = {"project": self._project, "filter": f"labels.{OWNER}={self.owner}"}
        with _errors("list machines"):
            pages = self._instances.aggregated_list(request=request, timeout=CALL_S, retry=None)
            scopes = list(pages)
        if lost := [zone for zone, scope in scopes if scope.warning.code == "UNREACHABLE"]:
            raise Unreachable(f"GCP can't tell of its machines in {', '.join(lost)}.")
        return [_instance(each) for _, scope in scopes for each in scope.instances]

    def _of_attempt(self, machine: Machine, claim: Claim) -> Instance | None:
        found = self._look(f"{machine.place}/{claim.name()}")
        return found if found.is_of(claim) else None

    def _start(self, instance: Instance) -> None:
        doing, zone = f"start {instance.id}", self._split(instance.id)[0]
        self._wait(zone, self._call(self._instances.start_unary, doing, **self._target(instance.id)), doing)

    def _stop(self, instance: Instance) -> None:
        self._call(self._instances.stop_unary, f"stop {instance.id}", **self._target(instance.id))

    def _terminate(self, instance: Instance) -> None:
        self._call(self._instances.delete_unary, f"terminate {instance.id}", **self._target(instance.id))

    def _wanted(self, name: str, machine: Machine, claim: Claim) -> dict[str, Any]:
        scheduling: dict[str, Any] = {"automaticRestart": False, "onHostMaintenance": "TERMINATE"}
        if machine.spot:
            scheduling |= {"provisioningModel": "SPOT", "instanceTerminationAction": "DELETE"}
        if machine.lifetime_s is not None:
            scheduling |= {"maxRunDuration": {"seconds": machine.lifetime_s}, "instanceTerminationAction": "DELETE"}
        disk = {"sourceImage": machine.image or self._image, "diskSizeGb": machine.disk_gb, "labels": claim.tags()}
        wanted: dict[str, Any] = {
            "machineType": f"zones/{machine.place}/machineTypes/{machine.type}",
            "labels": {},
            "scheduling": scheduling,
            "disks": [{"boot": True, "autoDelete": True, "initializeParams": disk}],
            "networkInterfaces": [{"accessConfigs": [{"name": "External NAT", "type": "ONE_TO_ONE_NAT"}]}],
            "metadata": {"items": [{"key": "startup-script", "value": machine.boot_script}]},
        }
        wanted |= {**self._launch_options, **machine.options}
        return {**wanted, "name": name, "labels": {**wanted["labels"], **claim.tags()}}

    def _wait(self, zone: str, operation: compute_v1.Operation, doing: str) -> None:
        """Until Google has done it, or says why not. Each request of it waits at Google for as long as it may."""
        operations, deadline = self._client(compute_v1.ZoneOperationsClient), time.monotonic() + OPERATION_S
        while operation.status != compute_v1.Operation.Status.DONE and time.monotonic() < deadline:
            target = {"project": self._project, "zone": zone, "operation": operation.name}
            operation = self._call(operations.wait, doing, launching=True, waits_s=OPERATION_S + CALL_S, **target)
        if operation.error.errors:
            first = operation.error.errors[0]
            raise _KINDS.get(first.code, CloudError)(
                f"GCP: can't {doing}: {first.message} ({first.code})", provider_code=first.code
            )

    def _permissions(self) -> Finding:
        what = "launch, start, stop, terminate"
        url = f"{self._permissions_url}/v1/projects/{self._project}:testIamPermissions"
        try:
            with _errors("ask for permissions"):
                answer = AuthorizedSession(self._credentials()).post(
                    url, json={"permissions": PERMISSIONS}, timeout=CALL_S
                )
                answer.raise_for_status()
        except (CloudError, requests.HTTPError) as error:
            return Finding(what, "unproven", str(error), "Enable cloudresourcemanager.googleapis.com to see it here.")
        missing = sorted(set(PERMISSIONS) - set(answer.json().get("permissions", [])))
        advice = "Give the account the role in docs/clouds/gcp-role.yaml." if missing else ""
        return Finding(what, "failed" if missing else "ok", f"missing: {', '.join(missing)}" if missing else "", advice)

    def _quota(self, region: str) -> Finding:
        found = self._call(
            self._client(compute_v1.RegionsClient).get, "ask for quotas", project=self._project, region=region
        )
        gpus = {each.metric: each.limit for each in found.quotas if each.metric.endswith("_GPUS") and each.limit}
        advice = "" if gpus else "Ask for more of GPUS_ALL_REGIONS and of the GPU's own quota in IAM & Admin, Quotas."
        detail = ", ".join(f"{limit:g} {metric}" for metric, limit in sorted(gpus.items())) or "none"
        return Finding(f"quota of GPUs in {region}", "ok" if gpus else "failed", detail, advice)

    def _target(self, instance_id: str) -> dict[str, Any]:
        zone, name = self._split(instance_id)
        return {"project": self._project, "zone": zone, "instance": name}

    def _split(self, instance_id: str) -> tuple[str, str]:
        zone, slash, name = instance_id.partition("/")
        if not slash:
            raise BadRequest(f"{instance_id!r} is no id of a machine of gcp: write us-central1-a/rf-….")
        return zone, name

    @property
    def _instances(self) -> Any:
        return self._client(compute_v1.InstancesClient)

    def _client(self, kind: type[Any]) -> Any:
        if kind not in self._clients:
            with _errors("look for credentials"):
                self._clients[kind] = kind(**self._client_options)
        return self._clients[kind]

    def _credentials(self) -> Any:
        given = self._client_options.get("credentials")
        return given or google.auth.default(scopes=[_SCOPE])[0]

    def _call(
        self,
        verb: Callable[..., Any],
        doing: str,
        *,
        launching: bool = False,
        waits_s: float = CALL_S,
        **arguments: Any,
    ) -> Any:
        with _errors(doing, launching):
            return verb(**arguments, timeout=waits_s, retry=None)


def _instance(found: compute_v1.Instance) -> Instance:
    zone = found.zone.rpartition("/")[2]
    interface = found.network_interfaces[0] if found.network_interfaces else None
    public = interface.access_configs[0].nat_i_p if interface and interface.access_configs else ""
    return Instance(
        f"{zone}/{found.name}",
        _STATES.get(found.status, "UNKNOWN"),
        dict(found.labels),
        public or None,
        (interface.network_i_p if interface else "") or None,
        found.machine_type.rpartition("/")[2],
        zone,
        found.scheduling.provisioning_model == "SPOT",
        found.status_message,
    )


@contextmanager
def _errors(doing: str, launching: bool = False) -> Iterator[None]:
    """The SDK's errors as ours."""
    try:
        yield
    except GoogleAPICallError as error:
        raise _of_answer(error, doing, launching) from error
    except (DefaultCredentialsError, RefreshError) as error:
        raise Credentials(f"GCP: can't {doing}: {error}") from error
    except (requests.ConnectTimeout, TransportError) as error:
        raise Unreachable(f"GCP: can't {doing}: {error}") from error
    except requests.RequestException as error:
        not_sent = "NewConnectionError" in str(error)
        kind = Ambiguous if launching and not not_sent else Unreachable
        raise kind(f"GCP: tried to {doing}, and the answer was lost: {error}") from error
    except GoogleAuthError as error:
        raise Credentials(f"GCP: can't {doing}: {error}") from error


def _of_answer(error: GoogleAPICallError, doing: str, launching: bool) -> CloudError:
    details = error.errors[0] if error.errors else {}
    reason = str(details.get("reason", "")) if isinstance(details, dict) else ""
    status = int(error.code or 500)
    kind = _KINDS.get(reason) or _BY_STATUS.get(status, CloudError)
    if reason not in _KINDS and status >= 500:
        kind = Ambiguous if launching else Unreachable
    return kind(f"GCP: can't {doing}: {error.message} ({reason or status})", provider_code=reason)
