"""A check: the arguments are looked at as for a call, and the function is not entered."""

from __future__ import annotations

import pytest

from rayfaas.envelope import ResultHeader
from rayfaas.errors import FunctionError, InvalidArguments
from tests.executor.replica import Replica

KINDS = {
    "sync": "def f(n: int):\n    print('entered', flush=True)\n    return n\n",
    "generator": "def f(n: int):\n    print('entered', flush=True)\n    yield n\n",
    "async": "async def f(n: int):\n    print('entered', flush=True)\n    return n\n",
    "async generator": "async def f(n: int):\n    print('entered', flush=True)\n    yield n\n",
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_check_says_whether_the_arguments_do_and_does_not_enter_the_function(
    replica: Replica, kind: str
) -> None:
    version = await replica.deploy(KINDS[kind])
    good, bad = version.executor.check("1"), version.executor.check("one")
    end = await good.ended()
    assert isinstance(end, ResultHeader)
    assert (good.body, good.items, end.started_us) == (b"", [], 0)
    error = await bad.error()
    assert (type(error), error.extra["errors"][0]["loc"]) == (InvalidArguments, ["n"])
    called = version.call(1)
    await called.ended()
    assert called.output() == "entered\n"
    assert (good.output(), bad.output()) == ("", "")


async def test_a_check_of_a_batched_function_is_answered_without_a_batch(replica: Replica) -> None:
    source = """
        import rayfaas
        @rayfaas.batched(max_size=4, wait_ms=1)
        def f(n: list[int]) -> list[int]:
            raise AssertionError("entered")
    """
    version = await replica.deploy(source)
    assert isinstance(await version.executor.check("1").ended(), ResultHeader)
    assert isinstance(await version.executor.check("one").error(), InvalidArguments)


async def test_a_check_of_a_type_that_raises_is_answered_as_the_call_would_be(replica: Replica) -> None:
    source = """
        from typing import Annotated
        from pydantic import AfterValidator
        def refuse(value):
            raise KeyError(value)
        def f(n: Annotated[int, AfterValidator(refuse)]): ...
    """
    version = await replica.deploy(source)
    for error in (await version.executor.check(1).error(), await version.call(1).error()):
        assert (type(error), error.detail) == (FunctionError, "KeyError: 1")
