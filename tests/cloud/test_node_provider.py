"""Ray's autoscaler, by its own interface, on an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.providers import _get_node_provider_cls
from ray.autoscaler._private.util import hash_launch_conf, prepare_config, validate_config
from ray.autoscaler.node_launch_exception import NodeLaunchException
from ray.autoscaler.node_provider import NodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_HEAD,
    NODE_KIND_WORKER,
    STATUS_UNINITIALIZED,
    STATUS_UP_TO_DATE,
    TAG_RAY_LAUNCH_CONFIG,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)

from rayfaas.cloud.errors import Ambiguous, Capacity
from rayfaas.cloud.machine import Machine
from rayfaas.cloud.memory import MemoryCloud
from rayfaas.errors import BadRequest
from tests.cloud.conftest import Aws
from tests.cloud.test_aws import IMAGE, REGION

CONFIG = {"type": "gpu", "place": "zone-a"}
HASH: str = hash_launch_conf(CONFIG, {})  # type: ignore[no-untyped-call]


class World:
    """A cloud with a clock, and node providers as `ray up` and the head open them, each with a folder of its own."""

    def __init__(self, directory: Path) -> None:
        self.now = 0.0
        self.cloud = MemoryCloud(clock=lambda: self.now)
        self._directory = directory

    def provider(self, folder: str = "laptop", cluster: str = "lab", **changes: Any) -> NodeProvider:
        config = {
            "type": "external",
            "module": "rayfaas.cloud.node_provider.RayfaasNodeProvider",
            "adapter": "memory",
            "settings": {"cloud": self.cloud},
            "state": str(self._directory / folder),
        }
        opened: NodeProvider = _get_node_provider_cls(config)(config | changes, cluster)
        return opened

    @property
    def places(self) -> list[str]:
        return [each.place for each in self.cloud.up()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def tags(kind: str = NODE_KIND_WORKER, node_type: str = "ray.worker_GPU") -> dict[str, str]:
    """As Ray's launcher says them."""
    return {
        TAG_RAY_NODE_NAME: f"ray-lab-{kind}",
        TAG_RAY_NODE_KIND: kind,
        TAG_RAY_NODE_STATUS: STATUS_UNINITIALIZED,
        TAG_RAY_LAUNCH_CONFIG: HASH,
        TAG_RAY_USER_NODE_TYPE: node_type,
    }


def test_nodes_are_made_found_by_their_tags_and_ended(world: World) -> None:
    provider = world.provider()
    provider.create_node(CONFIG, tags(NODE_KIND_HEAD, "head"), 1)
    made = provider.create_node_with_resources_and_labels(CONFIG, tags(), 2, {"GPU": 1}, {})
    (head,) = provider.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_HEAD})
    workers = provider.non_terminated_nodes(tags())
    assert sorted(workers) == sorted(made or {})
    assert provider.node_tags(workers[0]) == tags()
    provider.terminate_nodes(workers)
    assert provider.non_terminated_nodes({}) == [head]
    assert [provider.is_terminated(each) for each in (*workers, head)] == [True, True, False]


def test_a_node_runs_and_has_addresses_when_it_has_booted(world: World) -> None:
    provider = world.provider()
    provider.create_node(CONFIG, tags(), 1)
    (node,) = provider.non_terminated_nodes({})
    assert (provider.is_running(node), provider.external_ip(node)) == (False, "")
    world.now = 100.0
    assert (provider.is_running(node), provider.is_terminated(node)) == (True, False)
    assert provider.internal_ip(node) == provider.external_ip(node) == "192.0.2.1"
    assert provider.get_node_id("192.0.2.1") == node


def test_tags_that_ray_sets_later_are_kept_for_the_next_process(world: World) -> None:
    provider = world.provider()
    provider.create_node(CONFIG, tags(), 1)
    (node,) = provider.non_terminated_nodes({})
    provider.set_node_tags(node, {TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE})
    assert world.provider().non_terminated_nodes({TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE}) == [node]


def test_another_computer_knows_kind_type_and_configuration_from_the_machine(world: World) -> None:
    laptop = world.provider()
    laptop.create_node(CONFIG, tags(NODE_KIND_HEAD, "head"), 1)
    laptop.create_node(CONFIG, tags(), 1)
    head = world.provider("head")
    (worker,) = head.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_WORKER, TAG_RAY_LAUNCH_CONFIG: HASH})
    told = head.node_tags(worker)
    assert (told[TAG_RAY_USER_NODE_TYPE], told[TAG_RAY_NODE_STATUS]) == ("ray.worker_GPU", STATUS_UNINITIALIZED)
    (itself,) = head.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_HEAD})
    assert head.node_tags(itself)[TAG_RAY_NODE_STATUS] == STATUS_UP_TO_DATE


def test_a_stopped_machine_is_none_for_ray_until_the_cluster_is_taken_down(world: World) -> None:
    provider = world.provider()
    provider.create_node(CONFIG, tags(), 1)
    (node,) = provider.non_terminated_nodes({})
    world.cloud.change(node, "STOPPED")
    assert (provider.non_terminated_nodes({}), provider.nodes_for_teardown({})) == ([], [node])


def test_other_clusters_and_other_owners_are_not_seen_and_not_touched(world: World) -> None:
    world.provider(cluster="other", owner="ray-up-lab").create_node(CONFIG, tags(), 1)
    world.provider(owner="somebody").create_node(CONFIG, tags(), 1)
    world.cloud.launch(Machine("gpu"), {})
    provider = world.provider()
    assert provider.nodes_for_teardown({}) == []
    with pytest.raises(Exception, match="left alone"):
        provider.terminate_node(world.cloud.instances()[-1].id)


def test_where_there_is_no_capacity_the_next_placement_is_taken(world: World) -> None:
    world.cloud.fail(Capacity, "create", place="zone-a")
    both = {"placements": [CONFIG, CONFIG | {"place": "zone-b", "spot": True}]}
    world.provider().create_node(both, tags(), 2)
    assert world.places == ["zone-b", "zone-b"]


def test_what_all_placements_refuse_is_told_to_ray(world: World) -> None:
    world.cloud.fail(Capacity, "create")
    with pytest.raises(NodeLaunchException, match=r"capacity.*zone-a"):
        world.provider().create_node(CONFIG, tags(), 1)


def test_after_a_lost_answer_no_other_placement_is_tried(world: World) -> None:
    world.cloud.fail(Ambiguous, "create", times=1, after=True)
    provider = world.provider()
    with pytest.raises(NodeLaunchException):
        provider.create_node({"placements": [CONFIG, CONFIG | {"place": "zone-b"}]}, tags(), 1)
    assert world.places == ["zone-a"]
    assert len(provider.non_terminated_nodes(tags() | {TAG_RAY_NODE_NAME: ""})) == 0
    assert len(provider.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_WORKER})) == 1


@pytest.mark.parametrize(
    ("config", "told"),
    [({"place": "zone-a"}, "type is missing"), ({"InstanceType": "g5.xlarge"}, "InstanceType is nothing that")],
)
def test_a_node_config_that_is_none_is_told(world: World, config: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        world.provider().create_node(config, tags(), 1)


def test_names_that_do_not_fit_on_a_machine_are_told(world: World) -> None:
    with pytest.raises(BadRequest, match="My_Lab"):
        world.provider(cluster="My_Lab")
    with pytest.raises(BadRequest, match="30 characters"):
        world.provider().create_node(CONFIG, tags(node_type="a" * 31), 1)
    world.provider().create_node(CONFIG, tags(node_type="a" * 30), 1)


def test_a_provider_without_an_adapter_is_told(world: World) -> None:
    with pytest.raises(BadRequest, match="adapter: aws"):
        world.provider(adapter=None)


def test_the_example_is_valid_for_ray_and_its_machines_for_the_adapter(aws: Aws, tmp_path: Path) -> None:
    config = prepare_config(yaml.safe_load(Path("docs/clouds/ray_up.yaml").read_text()))
    validate_config(config)
    provider = config["provider"] | {"state": str(tmp_path)}
    client = {"endpoint_url": aws.proxy}
    provider["settings"] = {"regions": [REGION], "image": IMAGE, "client": client, "session": aws.session}
    opened: NodeProvider = _get_node_provider_cls(provider)(provider, config["cluster_name"])
    for name, node_type in config["available_node_types"].items():
        kind = NODE_KIND_HEAD if name == config["head_node_type"] else NODE_KIND_WORKER
        opened.create_node(node_type["node_config"], tags(kind, name), 1)
    found = {opened.node_tags(each)[TAG_RAY_USER_NODE_TYPE]: each for each in opened.non_terminated_nodes({})}
    assert set(found) == {"head", "gpu"}
    opened.terminate_nodes(list(found.values()))
    assert opened.non_terminated_nodes({}) == []
