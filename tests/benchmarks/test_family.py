"""Processes are counted by what they are."""

from __future__ import annotations

import os

import psutil
import pytest

from benchmarks.family import Kin, family, role_of, total


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("python -m rayfaas.server.gateway --slot 0", "gateway"),
        ("ray::ServeReplica:rayfaas:Agent", "agent"),
        ("ray::ServeReplica:default--f--1:rayfaas-supervisor", "other replicas"),
        ("python -m rayfaas.executor.zygote 7", "zygotes and executors"),
        ("bash", "other"),
    ],
)
def test_a_process_has_a_role(line: str, role: str) -> None:
    assert role_of(line) == role


def test_what_processes_have_adds_up() -> None:
    found = family([psutil.Process(os.getpid())])
    assert (found["other"].processes, found["gateway"]) == (1, Kin())
    assert total(found) == found["other"]
    assert found["other"].pss_mb > 1
