"""Calls of a batched function that come together are run together, and each gets its own answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfaas.envelope import ErrorHeader
from rayfaas.errors import BadBatch, FunctionError, ImportFailed, InvalidArguments
from tests.executor.replica import Replica

# A batch that begins with 0 is held until the test lets it go. Only full batches are run: none depends on the time.
GATE = """
    import os, time
    import rayfaas

    @rayfaas.batched(max_size={size}, wait_ms=60000)
    {define} f(items: list[int]) -> list:
        if items[0] == 0:
            print("began", flush=True)
            while not os.path.exists({go!r}): time.sleep(0.001)
        return [[item, len(items)] for item in items]
"""


def gate(go: Path, size: int, define: str = "def") -> str:
    return GATE.format(go=str(go), size=size, define=define)


@pytest.mark.parametrize("define", ["def", "async def"])
async def test_calls_that_wait_are_run_together_up_to_the_size(replica: Replica, tmp_path: Path, define: str) -> None:
    version = await replica.deploy(gate(tmp_path / "go", 4, define))
    ready = version.executor.ready_header
    assert ready is not None
    assert ready.concurrency == 4
    calls = [version.call(n) for n in range(4)]
    await calls[0].until("began")
    calls += [version.call(n) for n in range(4, 12)]
    (tmp_path / "go").touch()
    assert [await call.value() for call in calls] == [[n, 4] for n in range(12)]
    assert [(await call.ended()).batch_size for call in calls] == [4] * 12


async def test_a_full_batch_does_not_wait_and_one_that_is_not_goes_when_its_time_is_over(replica: Replica) -> None:
    hour = "import rayfaas\n@rayfaas.batched(max_size=2, wait_ms=60000)\ndef f(items): return [len(items)] * len(items)"
    version = await replica.deploy(hour)
    assert [await call.value() for call in [version.call(1), version.call(2)]] == [2, 2]
    version = await replica.deploy(hour.replace("60000", "1"))
    assert await version.call(1).value() == 1


async def test_an_item_that_does_not_fit_fails_alone(replica: Replica) -> None:
    source = (
        "import rayfaas\n@rayfaas.batched(max_size=3, wait_ms=200)\ndef f(items: list[int]) -> list[int]: return items"
    )
    version = await replica.deploy(source)
    wrong, right = version.call("x"), [version.call(n) for n in (1, "2", 3)]
    assert isinstance(await wrong.error(), InvalidArguments)
    assert [await call.value() for call in right] == [1, 2, 3]
    assert await version.call(items=4).value() == 4


@pytest.mark.parametrize(
    ("body", "kind", "detail"),
    [
        ("return items[1:]", BadBatch, "given 2 items and returned 1 results"),
        ("return tuple(items)", BadBatch, "not tuple"),
        ("return None", BadBatch, "not NoneType"),
        ("raise ValueError('all of them')", FunctionError, "ValueError: all of them"),
        ("raise StopIteration", FunctionError, "StopIteration"),
        ("raise SystemExit(3)", FunctionError, "SystemExit: 3"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_goes_wrong_with_a_batch_goes_wrong_for_all_of_it(
    replica: Replica, body: str, kind: type[FunctionError], detail: str, is_async: bool
) -> None:
    if is_async and "StopIteration" in body:
        pytest.skip("Python makes a RuntimeError of it")
    define = "async def" if is_async else "def"
    source = f"import rayfaas\n@rayfaas.batched(max_size=2, wait_ms=60000)\n{define} f(items):\n    {body}"
    version = await replica.deploy(source)
    for call in [version.call(1), version.call(2)]:
        end = await call.ended()
        assert isinstance(end, ErrorHeader)
        assert end.batch_size == 2
        error = await call.error()
        assert type(error) is kind
        assert detail in error.detail


async def test_one_result_that_cannot_be_sent_fails_alone(replica: Replica) -> None:
    source = "import rayfaas\n@rayfaas.batched(max_size=2, wait_ms=60000)\ndef f(items): return [1, object()]"
    version = await replica.deploy(source)
    first, second = version.call(1), version.call(2)
    assert await first.value() == 1
    assert (await second.error()).code == "result_not_serializable"


async def test_a_cancelled_caller_is_left_out_of_a_batch_that_has_not_begun(replica: Replica, tmp_path: Path) -> None:
    version = await replica.deploy(gate(tmp_path / "go", 2))
    held = [version.call(n) for n in (0, 1)]
    await held[0].until("began")
    gone = version.call(2)
    gone.cancel()
    others = [version.call(n) for n in (3, 4)]
    (tmp_path / "go").touch()
    assert [await call.value() for call in (*held, *others)] == [[0, 2], [1, 2], [3, 2], [4, 2]]
    assert isinstance(await gone.error(), FunctionError)


SPIN = """
    import asyncio, time
    import rayfaas

    @rayfaas.batched(max_size=2, wait_ms=60000)
    {define} f(items):
        if items == [1, 2]:
            print("began", flush=True)
            while True: {step}
        return items
"""


@pytest.mark.parametrize(("define", "step"), [("def", "time.sleep(0.001)"), ("async def", "await asyncio.sleep(0)")])
@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_batch_is_interrupted_when_all_its_callers_are_gone(
    replica: Replica, define: str, step: str, concurrency: int
) -> None:
    version = await replica.deploy(SPIN.format(define=define, step=step), concurrency=concurrency)
    calls = [version.call(1), version.call(2)]
    await calls[0].until("began")
    await calls[1].until("began")  # what a batch prints is of every call in it
    for call in calls:
        call.cancel()
    for call in calls:
        assert isinstance(await call.error(), FunctionError)
    assert [await call.value() for call in [version.call(3), version.call(4)]] == [3, 4]


async def test_a_batch_goes_on_while_one_caller_waits(replica: Replica, tmp_path: Path) -> None:
    version = await replica.deploy(gate(tmp_path / "go", 2))
    calls = [version.call(n) for n in (0, 1)]
    await calls[0].until("began")
    calls[0].cancel()
    (tmp_path / "go").touch()
    assert await calls[1].value() == [1, 2]


async def test_methods_are_batched_each_for_itself(replica: Replica) -> None:
    source = """
        import rayfaas
        @rayfaas.cls
        class f:
            def __init__(self): self.factor = 10
            @rayfaas.batched(max_size=2, wait_ms=60000)
            def times(self, numbers: list[int]) -> list[int]:
                return [self.factor * n for n in numbers]
            @rayfaas.batched(max_size=2, wait_ms=60000)
            async def minus(self, numbers: list[int]) -> list[int]:
                return [n - self.factor for n in numbers]
            def plain(self, n: int) -> list[int]:
                return self.times([n])
    """
    version = await replica.deploy(source)
    calls = [version.method(name, n) for n in (1, 2) for name in ("times", "minus", "plain")]
    assert [await call.value() for call in calls] == [10, -9, [10], 20, -8, [20]]
    interface: Any = version.imported.interface
    told = interface["methods"]["times"]
    assert (told["signature"], told["batched"]) == ("(numbers: int) -> int", {"max_size": 2, "wait_ms": 60000})
    assert told["arguments"]["properties"] == {"numbers": {"type": "integer"}}
    assert told["result"] == {"type": "integer"}


async def test_a_batch_of_several_callers_speaks_for_none_of_them(replica: Replica) -> None:
    source = """
        import rayfaas
        class f:
            @rayfaas.batched(max_size=2, wait_ms=60000)
            def who(self, items):
                call = rayfaas.current_call()
                return [call and call.principal] * len(items)
    """
    version = await replica.deploy(source)
    same = [version.method("who", 1, who="ann"), version.method("who", 2, who="ann")]
    assert [await call.value() for call in same] == ["ann", "ann"]
    others = [version.method("who", 1, who="ann"), version.method("who", 2, who="bob")]
    assert [await call.value() for call in others] == [None, None]


@pytest.mark.parametrize("parameters", ["", "*, items", "a, b", "*items"])
async def test_a_batched_function_takes_one_list(replica: Replica, parameters: str) -> None:
    with pytest.raises(ImportFailed, match="must take one argument: the list of items"):
        await replica.deploy(f"import rayfaas\n@rayfaas.batched\ndef f({parameters}): ...")


async def test_a_call_that_is_drained_while_it_waits_is_answered(replica: Replica) -> None:
    source = "import rayfaas\n@rayfaas.batched(max_size=8, wait_ms=100)\ndef f(items): return items"
    version = await replica.deploy(source)
    call = version.call(1)
    replica.supervisor.drain(version.order.key)
    assert await call.value() == 1
    assert (await replica.death_of(version)).how == "exited with code 0"
