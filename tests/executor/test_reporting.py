"""What can't be looked at of one call keeps nothing of another from being told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import msgspec
import pytest

from rayfaas.executor.channel import Channel
from rayfaas.executor.reporting import Ended, Reporter
from rayfaas.executor.touched_files import Period


class Told:
    """A channel that keeps which calls it was told of."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def send(self, kind: int, call: int, header: bytes, body: bytes) -> None:
        self.calls.append(msgspec.msgpack.decode(header)[0])


def test_a_call_that_can_not_be_looked_at_takes_no_other_with_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, told, now = tmp_path / "read", Told(), time.time_ns()
    path.write_text("x")
    reporter, channel = Reporter((), {}), cast(Channel, told)
    for call, sighting in (("one", (str(path), "r", 0)), ("broken", ("no event",)), ("two", (str(path), "r", 0))):
        reporter.put(Ended(channel, call, [sighting], Period(now, now, "/")))
    reporter.flush()
    assert told.calls == ["one", "two"]
    assert "TypeError" in capfd.readouterr().err
