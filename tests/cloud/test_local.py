from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rayfaas.cloud.local import LocalAdapter
from rayfaas.cloud.machine import Machine
from tests.cloud.conformance import OWNER, Conformance, Failing, claim


class Local:
    machine = Machine("box", boot_script="exec sleep 600")

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def adapter(self, owner: str = OWNER) -> LocalAdapter:
        return LocalAdapter(owner, self.directory)

    def fail(self, failing: Failing) -> None:
        raise AssertionError(f"nothing here fails as {failing}")

    def heal(self) -> None:
        """Nothing to do."""

    def settle(self) -> None:
        deadline = time.monotonic() + 10
        while any(each in ("STOPPING", "TERMINATING") for each in self.states()):
            assert time.monotonic() < deadline
            os.sched_yield()

    def states(self) -> list[str]:
        folders = sorted(self.directory.glob("rf-*"))
        return [self.adapter().get(folder.name).state for folder in folders]

    def vanish(self, instance_id: str) -> None:
        self.adapter().terminate(instance_id)
        self.settle()

    def count(self) -> int:
        return len([state for state in self.states() if state != "GONE"])

    def end_all(self) -> None:
        for folder in self.directory.glob("rf-*"):
            found = self.adapter().get(folder.name)
            self.adapter(found.tags["rayfaas-owner"]).terminate(found.id) if found.tags else None
        self.settle()


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Local]:
    local = Local(tmp_path / "machines")
    yield local
    local.end_all()


class TestLocal(Conformance):
    never = frozenset({"capacity", "quota", "credentials", "throttled", "down", "lost"})

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[Local]:
        local = Local(tmp_path / "machines")
        yield local
        local.end_all()


def test_a_machine_is_found_by_a_process_that_did_not_make_it(provider: Local) -> None:
    made = provider.adapter().create(provider.machine, claim())
    pid = os.fork()
    if not pid:
        os._exit(0 if provider.adapter().get(made.id).state == "RUNNING" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_machine_whose_processes_ended_is_stopped(provider: Local) -> None:
    made = provider.adapter().create(Machine("box", boot_script="exit 3"), claim())
    deadline = time.monotonic() + 10
    while provider.adapter().get(made.id).state != "STOPPED":
        assert time.monotonic() < deadline
        os.sched_yield()
    assert provider.adapter().start(made.id).state in ("RUNNING", "STOPPED", "BOOTING")


def test_one_that_does_not_end_is_killed(provider: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rayfaas.cloud.local.END_S", 0.0)
    ready = provider.directory / "ready"
    script = f"trap '' TERM; touch {ready}; while true; do read x < /dev/zero; done"
    made = provider.adapter().create(Machine("box", boot_script=script), claim())
    while not ready.exists():
        os.sched_yield()
    provider.adapter().stop(made.id)
    provider.settle()
    assert provider.adapter().get(made.id).state == "STOPPED"


def test_an_id_that_leaves_the_folder_is_nobody(provider: Local) -> None:
    assert provider.adapter().get("../elsewhere").state == "GONE"


def test_a_process_that_has_the_number_of_one_that_ended_is_left_alone(provider: Local) -> None:
    made = provider.adapter().create(provider.machine, claim())
    file = provider.directory / made.id / "process.json"
    text = file.read_text()
    file.write_text(text.replace('"began": ', '"began": 1'))
    provider.adapter().stop(made.id)
    assert provider.adapter().get(made.id).state == "STOPPED"
    pid = int(text.partition('"pid": ')[2].partition(",")[0])
    os.kill(pid, 0)
    os.kill(pid, signal.SIGKILL)


def test_a_group_that_has_the_number_of_one_that_was_killed_is_left_alone(provider: Local) -> None:
    made = provider.adapter().create(provider.machine, claim())
    provider.adapter().stop(made.id)
    provider.settle()
    other = subprocess.run(
        ["sh", "-c", "sleep 600 > /dev/null & echo $$ $!"], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    leader, member = map(int, other.stdout.split())
    file = provider.directory / made.id / "process.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pid": leader}))
    assert provider.adapter().get(made.id).state == "STOPPED"
    assert Path(f"/proc/{member}/cmdline").read_bytes().startswith(b"sleep")
    os.kill(member, signal.SIGKILL)
