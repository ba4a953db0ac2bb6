"""Ray clusters in Kubernetes, kept by KubeRay: a machine is a RayCluster, made of a manifest of the user's.

Stopped is suspended: its pods go, and where nodes are scaled by need, so do they. Its name is made of its attempt, so
the same launch twice is one RayCluster. Ours is what has our labels: nothing else of the namespace is touched.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kubernetes
import urllib3
import yaml
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.errors import (
    Ambiguous,
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

VERBS = ("create", "get", "list", "patch", "delete")

_KIND = {"group": "ray.io", "version": "v1", "plural": "rayclusters"}
_TIMEOUT_S = (5, 30)  # to connect, to read
_BY_STATUS: dict[int, type[CloudError]] = {
    400: Refused, 401: Credentials, 403: Credentials, 404: Refused, 409: NotReady, 422: Refused, 429: Throttled,
}  # fmt: skip


class KubernetesAdapter(OwnedAdapter):
    """RayClusters in `namespace`; a machine's `type` is the name of one of `manifests`: a RayCluster, or its YAML file.

    `options` of a machine go into its `spec`. Credentials are those of `kubeconfig` and `context`, or the pod's own.
    `client` is an ApiClient of the SDK, instead of these.
    """

    provider = "kubernetes"
    capabilities = Capabilities(boot=False)
    credentials_advice = (
        "Run `kubectl auth can-i list rayclusters.ray.io`; set `kubeconfig` and `context`, and apply"
        " docs/clouds/kubernetes-role.yaml. KubeRay's operator has to be installed."
    )

    def __init__(
        self,
        owner: str,
        manifests: Mapping[str, Any],
        namespace: str = "default",
        kubeconfig: str | None = None,
        context: str | None = None,
        client: Any = None,
        prices: Prices | None = None,
    ) -> None:
        super().__init__(owner, prices)
        self._manifests, self._namespace = dict(manifests), namespace
        self._kubeconfig, self._context, self._client = kubeconfig, context, client

    def scale(self, instance_id: str, group: str, workers: int) -> Instance:
        """Have so many pods of a worker group, and no fewer: 0 gives their nodes back while the head stays."""
        self._ours(instance_id)
        found = self._read(instance_id)
        groups = copy.deepcopy(found["spec"].get("workerGroupSpecs", []))
        chosen = next((each for each in groups if each.get("groupName") == group), None)
        if chosen is None:
            raise Refused(f"{instance_id} has no worker group {group!r}.")
        chosen |= {"minReplicas": workers, "replicas": workers, "maxReplicas": max(workers, chosen["maxReplicas"])}
        # Groups are a list, which is replaced whole: refused if it is not the one that was read.
        version = {"resourceVersion": found["metadata"].get("resourceVersion")}
        self._patch(instance_id, {"metadata": version, "spec": {"workerGroupSpecs": groups}}, f"scale {instance_id}")
        return self._look(instance_id)

    def _check(self) -> Iterable[Finding]:
        self.find()
        yield Finding("credentials", "ok", f"namespace {self._namespace}")
        missing = [verb for verb in VERBS if not self._may(verb)]
        advice = "Apply docs/clouds/kubernetes-role.yaml." if missing else ""
        yield Finding(
            "launch, start, stop, terminate",
            "failed" if missing else "ok",
            f"missing on rayclusters.ray.io: {', '.join(missing)}" if missing else "",
            advice,
        )
        for name in self._manifests:
            yield self._manifest_finding(name)

    def _launch(self, machine: Machine, claim: Claim) -> Instance:
        body = self._wanted(machine, claim)
        doing = f"launch {machine.type} in {self._namespace}"
        try:
            with _errors(doing, launching=True):
                self._api().create_namespaced_custom_object(
                    **_KIND, namespace=self._namespace, body=body, _request_timeout=_TIMEOUT_S
                )
        except NotReady as error:
            if error.extra.get("provider_code") != "AlreadyExists":
                raise
        return self._look(f"{self._namespace}/{claim.name()}")

    def _look(self, instance_id: str) -> Instance:
        try:
            return _instance(self._read(instance_id))
        except Refused as error:
            if error.extra.get("status") == 404:
                return Instance(instance_id, "GONE")
            raise

    def _list(self) -> Iterable[Instance]:
        with _errors("list RayClusters"):
            found = self._api().list_namespaced_custom_object(
                **_KIND,
                namespace=self._namespace,
                label_selector=f"{OWNER}={self.owner}",
                _request_timeout=_TIMEOUT_S,
            )
        return [_instance(each) for each in found["items"]]

    def _of_attempt(self, machine: Machine, claim: Claim) -> Instance | None:
        found = self._look(f"{self._namespace}/{claim.name()}")
        return found if found.is_of(claim) else None

    def _start(self, instance: Instance) -> None:
        self._patch(instance.id, {"spec": {"suspend": False}}, f"start {instance.id}")

    def _stop(self, instance: Instance) -> None:
        self._patch(instance.id, {"spec": {"suspend": True}}, f"stop {instance.id}")

    def _terminate(self, instance: Instance) -> None:
        with _errors(f"terminate {instance.id}"):
            self._api().delete_namespaced_custom_object(**self._target(instance.id))

    def _wanted(self, machine: Machine, claim: Claim) -> dict[str, Any]:
        if machine.boot_script:
            raise Refused("A RayCluster has no boot script: what its pods run is in its manifest.")
        body = self._manifest(machine.type)
        metadata = {**body.get("metadata", {}), "name": claim.name(), "namespace": self._namespace}
        metadata["labels"] = {**metadata.get("labels", {}), **claim.tags()}
        return {**body, "metadata": metadata, "spec": {**body["spec"], **machine.options}}

    def _manifest(self, name: str) -> dict[str, Any]:
        if name not in self._manifests:
            raise Refused(f"There is no manifest {name!r} among {', '.join(self._manifests)}.")
        given = self._manifests[name]
        try:
            manifest = given if isinstance(given, Mapping) else yaml.safe_load(Path(given).expanduser().read_text())
        except (OSError, yaml.YAMLError) as error:
            raise Refused(f"The manifest {given} can't be read: {error}") from None
        if not isinstance(manifest, Mapping) or manifest.get("kind") != "RayCluster" or "spec" not in manifest:
            raise Refused(f"The manifest {name!r} is no RayCluster.")
        return copy.deepcopy(dict(manifest))

    def _manifest_finding(self, name: str) -> Finding:
        try:
            self._manifest(name)
        except Refused as error:
            return Finding(f"manifest {name}", "failed", error.detail, "Write a RayCluster of ray.io/v1 into it.")
        return Finding(f"manifest {name}", "ok")

    def _may(self, verb: str) -> bool:
        attributes = {"group": "ray.io", "resource": "rayclusters", "verb": verb, "namespace": self._namespace}
        with _errors("ask for permissions"):
            answer = kubernetes.client.AuthorizationV1Api(self._connected()).create_self_subject_access_review(
                {"spec": {"resourceAttributes": attributes}}, _request_timeout=_TIMEOUT_S
            )
        return bool(answer.status.allowed)

    def _read(self, instance_id: str) -> dict[str, Any]:
        with _errors(f"look at {instance_id}"):
            found: dict[str, Any] = self._api().get_namespaced_custom_object(**self._target(instance_id))
        return found

    def _patch(self, instance_id: str, body: dict[str, Any], doing: str) -> None:
        with _errors(doing):
            self._api().patch_namespaced_custom_object(**self._target(instance_id), body=body)

    def _target(self, instance_id: str) -> dict[str, Any]:
        namespace, slash, name = instance_id.partition("/")
        if not slash:
            raise BadRequest(f"{instance_id!r} is no id of a machine of kubernetes: write namespace/name.")
        return {**_KIND, "namespace": namespace, "name": name, "_request_timeout": _TIMEOUT_S}

    def _api(self) -> Any:
        return kubernetes.client.CustomObjectsApi(self._connected())

    def _connected(self) -> Any:
        if self._client is None:
            configuration = kubernetes.client.Configuration()
            configuration.retries = False  # what was lost may have happened
            with _errors("look for credentials"):
                kubernetes.config.load_config(
                    config_file=self._kubeconfig, context=self._context, client_configuration=configuration
                )
            self._client = kubernetes.client.ApiClient(configuration)
        return self._client


def _instance(found: Mapping[str, Any]) -> Instance:
    metadata, status = found["metadata"], found.get("status", {})
    address = status.get("head", {}).get("serviceIP") or None
    return Instance(
        f"{metadata['namespace']}/{metadata['name']}",
        _state(found),
        metadata.get("labels", {}),
        private_address=address,
        place=metadata["namespace"],
        reason=status.get("reason", ""),
    )


def _state(found: Mapping[str, Any]) -> InstanceState:
    """https://ray-project.github.io/kuberay/reference/api/ has `spec.suspend` and `status.state`."""
    state = found.get("status", {}).get("state", "")
    if found["metadata"].get("deletionTimestamp"):
        return "TERMINATING"
    if found["spec"].get("suspend"):
        return "STOPPED" if state == "suspended" else "STOPPING"
    return "RUNNING" if state == "ready" else "BOOTING"


@contextmanager
def _errors(doing: str, launching: bool = False) -> Iterator[None]:
    """The SDK's errors as ours."""
    try:
        yield
    except ApiException as error:
        raise _of_answer(error, doing, launching) from error
    except ConfigException as error:
        raise Credentials(f"Kubernetes: can't {doing}: {error}") from error
    except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
        raise Unreachable(f"Kubernetes: can't {doing}: {error}") from error
    except urllib3.exceptions.HTTPError as error:
        kind = Ambiguous if launching else Unreachable
        raise kind(f"Kubernetes: tried to {doing}, and the answer was lost: {error}") from error


def _of_answer(error: ApiException, doing: str, launching: bool) -> CloudError:
    try:
        said = json.loads(error.body)
        reason, message = str(said.get("reason", "")), str(said.get("message", ""))
    except (TypeError, ValueError, AttributeError):
        reason, message = "", str(error.reason)
    status = int(error.status or 500)
    kind = _BY_STATUS.get(status, CloudError)
    if status == 403 and "exceeded quota" in message:
        kind = Quota
    if status >= 500:
        kind = Ambiguous if launching else Unreachable
    return kind(f"Kubernetes: can't {doing}: {message} ({reason or status})", provider_code=reason, status=status)
