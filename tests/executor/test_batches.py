"""Calls of a batched function that come together are run together, and each gets its own answer."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.envelope import ErrorHeader
from rayfaas.errors import BadBatch, FunctionError, ImportFailed, InvalidArguments
from tests.executor.replica import Replica

# It answers its first item at once, so that tests know when a batch is being run.
GATE = """
    import os, time
    import rayfaas

    @rayfaas.batched(max_size=4, wait_ms={wait_ms})
    {is_async}def f(items: list[int]) -> list:
        if items == [0]:
            print("began", flush=True)
            while not os.path.exists({go!r}): time.sleep(0.001)
        return [[item, len(items)] for item in items]
"""


def gate(go: Any, wait_ms: float = 0, is_async: bool = False) -> str:
    return GATE.format(go=str(go), wait_ms=wait_ms, is_async="async " if is_async else "")


@pytest.mark.parametrize("is_async", [False, True])
async def test_calls_that_wait_are_run_together_up_to_the_size(replica: Replica, tmp_path: Any, is_async: bool) -> None:
    version = await replica.deploy(gate(tmp_path / "go", 300, is_async))
    ready = version.executor.ready_header
    assert ready is not None
    assert ready.concurrency == 4
    first = version.call(0)
    await first.until("began")
    others = [version.call(n) for n in range(1, 7)]
    (tmp_path / "go").touch()
    assert await first.value() == [0, 1]
    assert [await call.value() for call in others] == [[1, 4], [2, 4], [3, 4], [4, 4], [5, 2], [6, 2]]
    assert [(await call.ended()).batch_size for call in (first, *others)] == [1, 4, 4, 4, 4, 2, 2]


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


async def test_a_cancelled_caller_is_left_out_of_a_batch_that_has_not_begun(replica: Replica, tmp_path: Any) -> None:
    version = await replica.deploy(gate(tmp_path / "go"))
    first = version.call(0)
    await first.until("began")
    others = [version.call(n) for n in (1, 2, 3)]
    others[1].cancel()
    (tmp_path / "go").touch()
    assert await first.value() == [0, 1]
    assert [await others[n].value() for n in (0, 2)] == [[1, 2], [3, 2]]


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


async def test_a_batch_goes_on_while_one_caller_waits(replica: Replica, tmp_path: Any) -> None:
    source = gate(tmp_path / "go").replace("items == [0]", "items == [1, 2]").replace("wait_ms=0", "wait_ms=60000")
    version = await replica.deploy(source.replace("max_size=4", "max_size=2"))
    calls = [version.call(1), version.call(2)]
    await calls[0].until("began")
    calls[0].cancel()
    (tmp_path / "go").touch()
    assert await calls[1].value() == [2, 2]


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
