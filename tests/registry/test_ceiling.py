"""What a query takes at once, and nothing can interrupt, fails by itself, and the process has its memory again."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rayfaas.registry.ceiling import Ceiling, Memory


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    yield
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def limit() -> int:
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


def test_more_than_the_room_is_refused_by_the_system_while_it_is_held() -> None:
    ceiling = Ceiling(room_bytes=1 << 30)
    with ceiling.held():
        with pytest.raises(MemoryError):
            bytearray(16 << 30)
        assert len(bytearray(64 << 20)) == 64 << 20


def test_it_holds_until_the_last_query_is_over() -> None:
    ceiling = Ceiling()
    with ceiling.held():
        first = limit()
        with ceiling.held():
            assert limit() == first
        assert (limit(), ceiling.is_held) == (first, True)
    assert (limit(), ceiling.is_held) == (resource.RLIM_INFINITY, False)


def test_it_is_raised_once_where_a_query_has_nearly_all(monkeypatch: pytest.MonkeyPatch) -> None:
    ceiling = Ceiling()
    with ceiling.held():
        first = limit()
        ceiling.look()
        assert limit() == first
        monkeypatch.setattr(Memory, "now", lambda: Memory(first, 0))
        for _ in range(3):
            ceiling.look()
            assert limit() == first + (512 << 20)


def test_threads_that_come_and_go_leave_none_behind() -> None:
    ceiling = Ceiling()

    def come_and_go() -> None:
        for _ in range(50):
            with ceiling.held():
                ceiling.look()

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limit() == resource.RLIM_INFINITY


@pytest.mark.parametrize("text", [None, "VmSize: 1 kB", "nonsense"])
def test_where_the_system_does_not_tell_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "status").write_text(text)
    assert Memory.now(tmp_path / "status") == (0, 0)
    monkeypatch.setattr(Memory, "now", lambda: Memory(0, 0))
    with Ceiling().held():
        assert limit() == resource.RLIM_INFINITY


def test_what_an_allocator_keeps_beyond_what_is_in_use_is_not_added_to_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resident, kept = 1 << 30, 3 << 30
    monkeypatch.setattr(Memory, "now", lambda: Memory(resident + kept, resident))
    with Ceiling(room_bytes=4 << 30).held():
        assert limit() == resident + (4 << 30)
    with Ceiling(room_bytes=1 << 30).held():  # and there is always a little, or the rest of the process has none
        assert limit() == resident + kept + (512 << 20)
