"""What needs no GPU is kept off the nodes that have one, as long as there are others that are large enough."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from rayfaas.spec import Shape

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Ray's own modules
    from ray._private.label_utils import validate_label_selector

    from rayfaas.cluster.agent import actor_options
    from rayfaas.cluster.nodes import away_from_gpus

GB = 1 << 30


def node(name: str, alive: bool = True, kind: str = "", **resources: float) -> dict[str, Any]:
    labels = {"ray.io/accelerator-type": kind} if kind else {}
    return {"NodeID": name, "Alive": alive, "Resources": resources, "Labels": labels}


PLAIN = node("aa", CPU=4, memory=8 * GB)
GPU = node("bb", CPU=8, GPU=1, memory=64 * GB)
LABELLED = node("cc", CPU=8, GPU=1, memory=64 * GB, kind="A10G")


def test_nodes_with_gpus_are_excluded_by_name_and_those_to_come_by_their_label() -> None:
    selector = away_from_gpus([PLAIN, GPU, LABELLED, node("dd", alive=False, GPU=1)], 1, 0)
    assert selector["ray.io/node-id"] == "!in(bb)"
    assert "A10G" in selector["ray.io/accelerator-type"]
    assert selector["ray.io/accelerator-type"].startswith("!in(")
    assert validate_label_selector(selector) is None


def test_without_an_unlabelled_one_no_node_is_named_so_that_nothing_changes_when_nodes_come() -> None:
    assert away_from_gpus([PLAIN], 1, 0) == away_from_gpus([PLAIN, LABELLED], 1, 0)
    assert "ray.io/node-id" not in away_from_gpus([PLAIN, LABELLED], 1, 0)


@pytest.mark.parametrize(
    ("nodes", "cpus", "memory"),
    [
        ([GPU], 1, 0),  # a workstation
        ([PLAIN, GPU], 8, 0),
        ([PLAIN, GPU], 1, 16 * GB),
        ([{**PLAIN, "Alive": False}, GPU], 1, 0),
        ([node("head", CPU=0), GPU], 1, 0),
        ([], 1, 0),
    ],
)
def test_where_no_other_node_is_large_enough_they_may_be_there(
    nodes: list[dict[str, Any]], cpus: float, memory: int
) -> None:
    assert away_from_gpus(nodes, cpus, memory) == {}


def test_a_function_with_a_gpu_is_kept_off_nothing() -> None:
    assert "label_selector" not in actor_options(Shape(gpus=0.5).model_dump(mode="json"), [PLAIN, GPU])
    assert "label_selector" in actor_options(Shape().model_dump(mode="json"), [PLAIN, GPU])
