"""Each call has its own context, and code outside of calls has none."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import threading
import time

import pytest

from rayfaas.context import Access, CallContext, current_call, enter_call


def call(name: str, deadline: float = 0.0) -> CallContext:
    return CallContext(name, "root", None, "nlp/embed", 7, "ann", "nlp", deadline)


def test_code_outside_of_a_call_has_no_call() -> None:
    assert current_call() is None


def test_a_call_does_not_leave_the_context_that_it_entered() -> None:
    context = contextvars.copy_context()
    context.run(enter_call, call("one"))
    assert current_call() is None
    assert context.run(current_call) == call("one")


async def test_tasks_and_the_threads_they_wait_for_have_calls_of_their_own() -> None:
    async def answer(name: str) -> tuple[str, str]:
        enter_call(call(name))
        await asyncio.sleep(0)
        here, there = current_call(), await asyncio.to_thread(current_call)
        assert here is not None
        assert there is not None
        return here.call_id, there.call_id

    names = ["one", "two", "three"]
    assert await asyncio.gather(*map(answer, names)) == [(name, name) for name in names]
    assert current_call() is None


def test_a_thread_begins_without_a_call() -> None:
    found: list[CallContext | None] = []

    def run() -> None:
        enter_call(call("one"))
        thread = threading.Thread(target=lambda: found.append(current_call()))
        thread.start()
        thread.join()

    contextvars.copy_context().run(run)
    assert found == [None]


def test_what_remains_until_the_deadline_is_never_negative() -> None:
    assert call("late", deadline=1.0).remaining_s() == 0.0
    assert 0.0 < call("early", deadline=time.time() + 100).remaining_s() <= 100.0


def test_a_context_can_not_be_changed_and_shows_no_token() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        call("one").team = "other"  # type: ignore[misc]
    access = Access("http://gateway", "a secret token")
    assert "secret" not in repr(access)
    assert "secret" not in repr(dataclasses.replace(call("one"), access=lambda: access))
