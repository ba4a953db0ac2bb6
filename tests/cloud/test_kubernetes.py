"""Kubernetes as kmock plays it, with the real SDK, behind a door that can be shut."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import kubernetes
import pytest

from rayfaas.cloud.errors import Credentials, Refused, Unreachable
from rayfaas.cloud.kubernetes import VERBS, KubernetesAdapter
from rayfaas.cloud.machine import Machine
from tests.cloud.conformance import OWNER, Conformance, Failing, claim
from tests.cloud.servers import Answer, Lost, Request, dead_url, http_server

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="kmock came with Python 3.11")

GROUP = {"groupName": "gpu", "minReplicas": 1, "replicas": 1, "maxReplicas": 2, "template": {"spec": {}}}
MANIFEST = {
    "apiVersion": "ray.io/v1",
    "kind": "RayCluster",
    "metadata": {"labels": {"team": "nlp"}},
    "spec": {"headGroupSpec": {"template": {"spec": {}}}, "workerGroupSpecs": [GROUP]},
}


@contextmanager
def emulator() -> Iterator[tuple[Any, str]]:
    """kmock in a thread of its own, since the adapter does not give the loop back while it waits; its URL."""
    import kmock  # noqa: PLC0415 - not there for Python 3.10

    loop, ended, up = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    found: list[Any] = []

    async def serve() -> None:
        async with kmock.KubernetesEmulator() as handler, kmock.Server(handler) as server:
            handler.resources["ray.io/v1/rayclusters"] = {"kind": "RayCluster", "namespaced": True}
            found.extend((handler, str(server.url).rstrip("/")))
            up.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(20)
    try:
        yield found[0], found[1]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


class Kubernetes:
    machine = Machine("gpu")

    def __init__(self, emulated: Any, upstream: str) -> None:
        self.emulated, self.upstream, self.url = emulated, upstream, ""
        self.failing: Failing | None = None
        self.verbs = list(VERBS)

    def adapter(self, owner: str = OWNER, **settings: Any) -> KubernetesAdapter:
        configuration = kubernetes.client.Configuration(host=self.url)
        configuration.retries = False
        client = kubernetes.client.ApiClient(configuration)
        given = {"manifests": {"gpu": MANIFEST}, "namespace": "ml", "client": client, **settings}
        return KubernetesAdapter(owner, **given)

    def fail(self, failing: Failing) -> None:
        self.failing = failing

    def heal(self) -> None:
        self.failing = None

    def objects(self) -> list[Any]:
        return [each for each in self.emulated.objects.values() if not each.deleted]

    def settle(self) -> None:
        for each in self.objects():
            state = "suspended" if each["spec"].get("suspend") else "ready"
            each.patch({"status": {"state": state, "head": {"serviceIP": "10.0.0.5"}}})

    def vanish(self, instance_id: str) -> None:
        (found,) = [each for each in self.objects() if each["metadata"]["name"] == instance_id.partition("/")[2]]
        found.delete()

    def count(self) -> int:
        return len(self.objects())

    def handle(self, request: Request) -> Answer:
        if self.failing == "down":
            raise Lost
        if self.failing == "credentials":
            return problem(401, "Unauthorized")
        if self.failing == "throttled":
            return problem(429, "TooManyRequests")
        if request.path.endswith("/selfsubjectaccessreviews"):
            allowed = request.body["spec"]["resourceAttributes"]["verb"] in self.verbs
            return 201, {**request.body, "status": {"allowed": allowed}}
        if self.failing == "quota" and request.method == "POST":
            return problem(403, "Forbidden", 'rayclusters "x" is forbidden: exceeded quota: team')
        answer = self.forward(request)
        if self.failing == "lost" and request.method == "POST":
            raise Lost
        return answer

    def forward(self, request: Request) -> Answer:
        kind = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        url = f"{self.upstream}{request.path}"
        answer = httpx.request(request.method, url, params=request.query, json=request.body, headers=kind)
        if answer.is_success:
            return answer.status_code, answer.json()
        reasons = {404: "NotFound", 409: "AlreadyExists"}
        return problem(answer.status_code, reasons[answer.status_code])


def problem(status: int, reason: str, message: str = "") -> Answer:
    said = message or f"It is {reason}."
    return status, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": status,
        "reason": reason,
        "message": said,
    }


@pytest.fixture
def provider() -> Iterator[Kubernetes]:
    with emulator() as (emulated, upstream):
        cluster = Kubernetes(emulated, upstream)
        with http_server(cluster.handle) as cluster.url:
            yield cluster


class TestKubernetes(Conformance):
    never = frozenset({"capacity"})  # its pods wait, and the machine is BOOTING

    @pytest.fixture
    def provider(self, provider: Kubernetes) -> Kubernetes:
        return provider


def test_a_ray_cluster_is_the_manifest_with_our_labels(provider: Kubernetes) -> None:
    provider.adapter().create(Machine("gpu", options={"rayVersion": "2.60.0"}), mine := claim())
    (made,) = provider.objects()
    assert made["metadata"]["labels"] == {"team": "nlp", **mine.tags()}
    assert made["spec"]["workerGroupSpecs"][0]["groupName"] == "gpu"
    assert made["spec"]["rayVersion"] == "2.60.0"


def test_a_manifest_may_be_a_file(provider: Kubernetes, tmp_path: Path) -> None:
    file = tmp_path / "gpu.yaml"
    file.write_text("apiVersion: ray.io/v1\nkind: RayCluster\nspec: {headGroupSpec: {}}\n")
    adapter = provider.adapter(manifests={"gpu": str(file)})
    assert adapter.create(provider.machine, claim()).state == "BOOTING"
    file.write_text("kind: Pod\n")
    with pytest.raises(Refused, match="no RayCluster"):
        adapter.create(provider.machine, claim())


def test_a_worker_group_goes_to_zero_and_comes_back(provider: Kubernetes) -> None:
    adapter = provider.adapter()
    made = adapter.create(provider.machine, claim())
    for workers in (0, 3):
        adapter.scale(made.id, "gpu", workers)
        (group,) = provider.objects()[0]["spec"]["workerGroupSpecs"]
        assert (group["minReplicas"], group["replicas"]) == (workers, workers)
    assert group["maxReplicas"] == 3
    with pytest.raises(Refused, match="tpu"):
        adapter.scale(made.id, "tpu", 1)


def test_check_tells_which_verb_is_missing(provider: Kubernetes) -> None:
    provider.verbs.remove("delete")
    (failed,) = [each for each in provider.adapter().check() if each.result == "failed"]
    assert failed.detail.endswith("delete")


def test_without_a_configuration_nothing_is_sent(provider: Kubernetes, tmp_path: Path) -> None:
    with pytest.raises(Credentials):
        provider.adapter(client=None, kubeconfig=str(tmp_path / "none")).find()


def test_nobody_at_the_address_is_unreachable(provider: Kubernetes) -> None:
    provider.url = dead_url()
    with pytest.raises(Unreachable):
        provider.adapter().create(provider.machine, claim())
