from __future__ import annotations

from rayfaas.cluster.ray_node import RayNode


def test_a_node_says_of_which_launch_it_is_and_what_it_has() -> None:
    node = RayNode("192.0.2.10:6379", "a1", cpus=0.5, gpus=2, memory_mb=1024, resources='{"big": 1}')
    command = " ".join(node.command("--node-name", "gpu-1"))
    assert "start --block --disable-usage-stats --address 192.0.2.10:6379" in command
    assert "--labels rayfaas-attempt=a1,rayfaas-gpu=yes" in command
    assert '--num-cpus 0.5 --num-gpus 2 --resources {"big": 1} --memory 1073741824 --node-name gpu-1' in command


def test_one_without_a_gpu_is_not_told_apart_by_one() -> None:
    command = RayNode("h:1", "a1").command()
    assert command[command.index("--labels") + 1] == "rayfaas-attempt=a1"
    assert "--memory" not in command
