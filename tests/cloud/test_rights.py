"""The files with rights in docs/clouds allow each request that an adapter sends in a machine's life, and in `check`.

The requests are those that the SDKs really send to the stand-ins; what a request needs follows from its method and
path, as the providers' reference pages say.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from rayfaas.cloud.adapter import Adapter
from tests.cloud.conformance import Provider, claim
from tests.cloud.servers import Answer, Request, http_server
from tests.cloud.test_azure import Azure
from tests.cloud.test_gcp import Gcp
from tests.cloud.test_kubernetes import Kubernetes, emulator

DOCS = Path(__file__).parents[2] / "docs" / "clouds"

_AZURE = {"GET": "read", "PUT": "write", "DELETE": "delete"}
_GCP = {
    ("POST", "instances"): "compute.instances.create",
    ("GET", "instances/NAME"): "compute.instances.get",
    ("DELETE", "instances/NAME"): "compute.instances.delete",
    ("POST", "instances/NAME/start"): "compute.instances.start",
    ("POST", "instances/NAME/stop"): "compute.instances.stop",
    ("POST", "operations/NAME/wait"): "compute.zoneOperations.get",
}
_KUBERNETES = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


def live(adapter: Adapter, provider: Provider) -> None:
    """All that the keeper does with a machine."""
    adapter.check()
    made = adapter.create(provider.machine, claim())
    provider.settle()
    adapter.get(made.id)
    adapter.stop(made.id)
    provider.settle()
    adapter.start(made.id)
    provider.settle()
    adapter.find()
    adapter.terminate(made.id)


def test_the_role_of_azure_allows_all_that_is_sent() -> None:
    azure, sent = Azure(), list[Request]()

    def handle(request: Request) -> Answer:
        sent.append(request)
        return azure.handle(request)

    with http_server(handle) as azure.url:
        live(azure.adapter(), azure)
    needed = {_action(each) for each in sent if not each.path.startswith("/operations/")}
    allowed = set(json.loads((DOCS / "azure-role.json").read_text())["Actions"])
    assert {"Microsoft.Compute/virtualMachines/deallocate/action", "Microsoft.Network/networkInterfaces/read"} < needed
    assert needed - allowed == set()


def _action(request: Request) -> str:
    """`…/providers/Microsoft.Compute/virtualMachines/NAME/start` → Microsoft.Compute/virtualMachines/start/action"""
    namespace, *parts = re.split("/providers/", request.path, flags=re.IGNORECASE)[-1].split("/")
    kinds = "/".join(parts[::2])
    if request.method == "POST":
        return f"{namespace}/{'/'.join([*parts[:1], parts[-1]])}/action"
    return f"{namespace}/{kinds}/{_AZURE[request.method]}"


def test_the_role_of_google_allows_all_that_is_sent() -> None:
    gcp = Gcp()
    with http_server(gcp.handle) as gcp.url:
        live(gcp.adapter(), gcp)
    needed = {_permission(each) for each in gcp.requests if not each.path.endswith(":testIamPermissions")}
    allowed = set(yaml.safe_load((DOCS / "gcp-role.yaml").read_text())["includedPermissions"])
    assert {"compute.instances.list", "compute.projects.get", "compute.regions.get"} < needed
    assert needed - allowed == set()


def _permission(request: Request) -> str:
    path = request.path.removeprefix("/compute/v1/projects/p")
    if path.endswith("/aggregated/instances"):
        return "compute.instances.list"
    if not path.startswith("/zones/"):
        return "compute.regions.get" if path else "compute.projects.get"
    kind, *rest = path.split("/")[3:]
    return _GCP[request.method, "/".join([kind, *(["NAME"] if rest else []), *rest[1:]])]


def test_the_role_of_kubernetes_allows_all_that_is_sent() -> None:
    sent: list[Request] = []
    with emulator() as (emulated, upstream):
        kubernetes = Kubernetes(emulated, upstream)

        def handle(request: Request) -> Answer:
            sent.append(request)
            return kubernetes.handle(request)

        with http_server(handle) as kubernetes.url:
            live(kubernetes.adapter(), kubernetes)
    documents = list(yaml.safe_load_all((DOCS / "kubernetes-role.yaml").read_text()))
    (rule,) = [rule for each in documents if each["kind"] == "Role" for rule in each["rules"]]
    # Whoever is logged in may ask what they may: https://kubernetes.io/docs/reference/access-authn-authz/authorization
    mine = [each for each in sent if not each.path.endswith("/selfsubjectaccessreviews")]
    assert all(f"/apis/{rule['apiGroups'][0]}/" in each.path for each in mine)
    assert {_verb(each) for each in mine} == set(rule["verbs"])


def _verb(request: Request) -> str:
    is_one = not request.path.endswith("/rayclusters")
    return _KUBERNETES.get(request.method, "get" if is_one else "list")
