"""A node provider for `ray up`: Ray's own autoscaler, on the adapters of this package.

    provider:
        type: external
        module: rayfaas.cloud.node_provider.RayfaasNodeProvider
        adapter: aws
        settings: {regions: [us-east-1]}

Never together with the keeper on one cluster. What kind of node a machine is, of which type, and from which launch
configuration stands on the machine, so whoever asks the provider knows; what Ray says of it later is kept in a file of
the machine that asks.
"""

from __future__ import annotations

import base64
import os
import secrets
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ray.autoscaler.node_launch_exception import NodeLaunchException
from ray.autoscaler.node_provider import NodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_HEAD,
    STATUS_UNINITIALIZED,
    STATUS_UP_TO_DATE,
    TAG_RAY_LAUNCH_CONFIG,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)

from rayfaas.cloud.adapter import Adapter
from rayfaas.cloud.errors import CloudError
from rayfaas.cloud.machine import Claim, Instance, InstanceState, Machine
from rayfaas.cloud.node_tags import NodeTags
from rayfaas.cloud.providers import open_adapter
from rayfaas.config import Home
from rayfaas.errors import BadRequest

# As Ray sees it: a stopped machine is none that it can use.
_LIVE: tuple[InstanceState, ...] = ("REQUESTED", "BOOTING", "RUNNING", "UNKNOWN")
# A name on a machine has 63 characters.
LONGEST_TYPE = 30
_MACHINE = ("type", "place", "image", "spot", "disk_gb", "lifetime_s", "options")


class RayfaasNodeProvider(NodeProvider):
    """Of one cluster. `adapter` of the configuration is a provider's name, `settings` are those of its adapter, `owner`
    is with what its machines are tagged, `ray-up-` and the cluster's name if not said. Called from several threads.
    """

    def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None:
        super().__init__(provider_config, cluster_name)
        self._owner = provider_config.get("owner") or f"ray-up-{cluster_name}"
        Claim(self._owner, cluster_name, "head", "check")  # raises where a name can't be on a machine
        self._adapter = _opened(provider_config, self._owner)
        directory = provider_config.get("state") or Home.from_env(os.environ).path / "ray_up"
        self._tags = NodeTags(Path(directory).expanduser() / f"{cluster_name}.json")
        self._seen: dict[str, Instance] = {}
        self._lock = threading.Lock()

    # What there is

    def non_terminated_nodes(self, tag_filters: dict[str, str]) -> list[str]:
        return [each.id for each in self._find(_LIVE) if self._has(each.id, tag_filters)]

    def nodes_for_teardown(self, tag_filters: dict[str, str]) -> list[str]:
        """Stopped ones too: their disks are paid for."""
        return [each.id for each in self._find((*_LIVE, "STOPPING", "STOPPED")) if self._has(each.id, tag_filters)]

    def is_running(self, node_id: str) -> bool:
        return self._current(node_id).state == "RUNNING"

    def is_terminated(self, node_id: str) -> bool:
        return self._current(node_id).state not in _LIVE

    def node_tags(self, node_id: str) -> dict[str, str]:
        claim = self._known(node_id).claim
        return {**(_told_by(claim) if claim is not None else {}), **self._tags.of(node_id)}

    def set_node_tags(self, node_id: str, tags: dict[str, str]) -> None:
        self._tags.update(node_id, tags)

    def external_ip(self, node_id: str) -> str:
        return self._current(node_id).address or ""

    def internal_ip(self, node_id: str) -> str:
        node = self._current(node_id)
        return node.private_address or node.address or ""

    # What there is to be

    def create_node(self, node_config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        """`node_config` is a `rayfaas.cloud.Machine`, or has several as `placements`: the next where one isn't free."""
        places = [_machine(each) for each in node_config.get("placements") or [node_config]]
        made = [self._create(places, tags) for _ in range(count)]
        return {each.id: {"type": each.type, "place": each.place} for each in made}

    def terminate_node(self, node_id: str) -> None:
        try:
            self._note(self._adapter.terminate(node_id))
        finally:
            self._tags.forget(node_id)

    # Inside

    def _create(self, places: Iterable[Machine], tags: Mapping[str, str]) -> Instance:
        refusals = []
        for machine in places:
            try:
                made = self._adapter.create(machine, self._claim(tags))
            except CloudError as error:
                refusals.append(error)
                if error.then != "next":
                    break
            else:
                self._tags.update(made.id, tags)
                return self._note(made)
        last = refusals[-1]
        told = "; ".join(each.detail for each in refusals)
        raise NodeLaunchException(last.code.removeprefix("cloud_"), told, (type(last), last, last.__traceback__))

    def _claim(self, tags: Mapping[str, str]) -> Claim:
        kind, node_type = tags[TAG_RAY_NODE_KIND], tags.get(TAG_RAY_USER_NODE_TYPE, "")
        if len(node_type) > LONGEST_TYPE:
            raise BadRequest(f"The node type {node_type!r} does not fit on a machine: use {LONGEST_TYPE} characters.")
        node = "-".join(each for each in (kind, _encoded(node_type), secrets.token_hex(3)) if each)
        attempt = f"{tags.get(TAG_RAY_LAUNCH_CONFIG, '0')}-{secrets.token_hex(5)}"
        return Claim(self._owner, self.cluster_name, node, attempt)

    def _find(self, states: tuple[InstanceState, ...]) -> list[Instance]:
        found = [each for each in self._adapter.find() if each.claim and each.claim.cluster == self.cluster_name]
        with self._lock:
            self._seen = {each.id: each for each in found}
        return [each for each in found if each.state in states]

    def _has(self, node_id: str, tags: Mapping[str, str]) -> bool:
        return tags.items() <= self.node_tags(node_id).items()

    def _known(self, node_id: str) -> Instance:
        """As it was when all were looked for; else as it is."""
        with self._lock:
            found = self._seen.get(node_id)
        return found or self._note(self._adapter.get(node_id))

    def _current(self, node_id: str) -> Instance:
        """One that boots is asked for again: it will run, and have an address."""
        found = self._known(node_id)
        return found if found.state == "RUNNING" else self._note(self._adapter.get(node_id))

    def _note(self, instance: Instance) -> Instance:
        with self._lock:
            self._seen[instance.id] = instance
        return instance


def _opened(config: Mapping[str, Any], owner: str) -> Adapter:
    if not isinstance(config.get("adapter"), str):
        raise BadRequest("provider.adapter is missing: write which provider it is, as `adapter: aws`.")
    return open_adapter(config["adapter"], owner, config.get("settings"))


def _machine(config: Mapping[str, Any]) -> Machine:
    unknown = sorted(set(config) - set(_MACHINE))
    if unknown or not config.get("type"):
        told = f"{', '.join(unknown)} is nothing that" if unknown else "type is missing:"
        raise BadRequest(f"{told} a node_config has {', '.join(_MACHINE)}, or placements with several of these.")
    return Machine(**config)


def _told_by(claim: Claim) -> dict[str, str]:
    """Ray's tags, as far as they stand on the machine."""
    kind, *middle, _ = claim.node.split("-")
    launch_config = claim.attempt.partition("-")[0]
    return {
        TAG_RAY_NODE_NAME: claim.node,
        TAG_RAY_NODE_KIND: kind,
        TAG_RAY_USER_NODE_TYPE: _decoded("".join(middle)),
        TAG_RAY_LAUNCH_CONFIG: launch_config,
        # Who asks on the head knows by that that it is up; a worker of which nobody knows is set up again.
        TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE if kind == NODE_KIND_HEAD else STATUS_UNINITIALIZED,
    }


def _encoded(text: str) -> str:
    """Letters and digits only, as all providers take them.

    >>> _decoded(_encoded("ray.worker_Default"))
    'ray.worker_Default'
    """
    return base64.b32encode(text.encode()).decode().rstrip("=").lower()


def _decoded(text: str) -> str:
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8)).decode()
