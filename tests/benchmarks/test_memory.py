"""Processes are named without what only one machine knows."""

from __future__ import annotations

from benchmarks.machine import cpu_model
from benchmarks.memory import ProcessMemory, short_name, total_pss_mb


def test_names_have_no_folders_and_no_values() -> None:
    command = ["/opt/venv/bin/gcs_server", "--log_dir=/tmp/x/logs", "--node-ip-address=10.0.0.1", "run/here.py"]
    assert short_name(command, "gcs") == "gcs_server --log_dir --node-ip-address here.py"


def test_a_process_without_a_command_line_has_its_own_name() -> None:
    assert short_name([], "kworker") == "kworker"


def test_shared_pages_are_counted_once() -> None:
    assert total_pss_mb([ProcessMemory(1, "a", 30.0, 10.0), ProcessMemory(2, "b", 30.0, 5.5)]) == 15.5


def test_the_model_of_the_processor_is_read() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: AMD EPYC\n") == "AMD EPYC"
    assert cpu_model("processor\t: 0\n") == ""
