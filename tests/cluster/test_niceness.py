"""What Ray runs beside a cluster gives way; what the cluster is made of does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rayfaas.cluster.niceness import NICENESS, let_extras_give_way

# What `ray start` begins, by what is told to each.
HEAD = """
import subprocess, sys, time
told = ["ray/dashboard/dashboard.py", "ray.util.client.server", "raylet"]
began = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", each]) for each in told]
print(*(each.pid for each in began), flush=True)
sys.stdin.read()
for each in began:
    each.kill()
    each.wait()
"""


@pytest.fixture
def head() -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HEAD], stdin=pipe, stdout=pipe, text=True) as head:
        yield head
        head.communicate(timeout=20)


def test_the_dashboard_and_its_like_give_way_and_the_rest_does_not(head: subprocess.Popen[str]) -> None:
    assert head.stdout is not None
    pids = [int(each) for each in head.stdout.readline().split()]
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    for _ in range(2):  # the second time there is nothing to do
        let_extras_give_way(head.pid)
        assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in pids] == [*[max(NICENESS, ours)] * 2, ours]


def test_one_that_has_ended_is_no_matter() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    let_extras_give_way(ended.pid)
