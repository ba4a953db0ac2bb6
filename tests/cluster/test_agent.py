"""A shape is asked of Ray in Ray's own words and units."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from rayfaas.spec import Shape

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Ray's own modules
    from rayfaas.cluster.agent import actor_options


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        (Shape(), {"num_cpus": 1.0, "num_gpus": 0.0}),
        (Shape(cpus=0.5, gpus=2), {"num_cpus": 0.5, "num_gpus": 2.0}),
        (Shape(accelerator="A10G", gpus=0.5), {"num_cpus": 1.0, "num_gpus": 0.5, "accelerator_type": "A10G"}),
        (Shape(resources={"lidar": 2}), {"num_cpus": 1.0, "num_gpus": 0.0, "resources": {"lidar": 2.0}}),
        (Shape(memory_mb=512), {"num_cpus": 1.0, "num_gpus": 0.0, "memory": 512 * 1024 * 1024}),
    ],
)
def test_a_shape_becomes_rays_options(shape: Shape, options: dict[str, Any]) -> None:
    assert actor_options(shape.model_dump(mode="json"), []) == options
