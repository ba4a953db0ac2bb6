"""Arguments are told to the gateway before the function begins, of versions that ask for it and of no others."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.errors import ImportFailed
from tests.executor.gateway import Call
from tests.executor.replica import Replica

ADD = "def f(a: int, b: int = 1, *, api_key: str = ''): return a + b"


async def recorded(call: Call) -> tuple[Any, bool, bool]:
    await call.ended()
    (told,) = call.recorded
    return told


async def test_they_are_recorded_as_they_were_bound(replica: Replica) -> None:
    version = await replica.deploy(ADD, record_arguments=True)
    assert await recorded(version.call("2")) == ({"a": 2}, True, False)
    assert await recorded(version.call(b=3, a=1)) == ({"a": 1, "b": 3}, True, False)
    assert await recorded(version.call(1, api_key="k")) == ({"a": 1, "api_key": "***"}, False, False)


async def test_those_that_are_named_are_recorded_and_no_others(replica: Replica) -> None:
    version = await replica.deploy(ADD, record_arguments=["b", "api_key"])
    assert await recorded(version.call(1, b=2, api_key="k")) == ({"b": 2, "api_key": "k"}, False, False)


async def test_the_values_of_the_executors_secrets_are_left_out(replica: Replica) -> None:
    version = await replica.deploy("def f(text): return text", record_arguments=True, secrets={"KEY": "hunter2222"})
    assert await recorded(version.call("it is hunter2222")) == ({"text": "it is ***"}, False, False)


async def test_those_of_a_call_that_ends_its_process_are_there(replica: Replica) -> None:
    version = await replica.deploy("import os\ndef f(n): os._exit(n)", record_arguments=True)
    call = version.call(9)
    await call.died()
    assert call.recorded == [({"n": 9}, True, False)]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("async def f(n): return n", {"n": 5}),
        ("def f(n): yield n", {"n": 5}),
        ("import rayfaas\n@rayfaas.batched(max_size=4)\ndef f(texts): return texts", {"texts": 5}),
    ],
)
async def test_whatever_kind_of_function_it_is(replica: Replica, source: str, shown: dict[str, Any]) -> None:
    version = await replica.deploy(source, record_arguments=True)
    assert await recorded(version.call(5)) == (shown, True, False)


async def test_what_can_not_be_given_by_name_is_not_whole(replica: Replica) -> None:
    version = await replica.deploy("def f(*values, **more): return 1", record_arguments=True)
    assert await recorded(version.call(1, 2, x=3)) == ({"values": [1, 2], "more": {"x": 3}}, False, False)


async def test_methods_of_a_class_are_recorded(replica: Replica) -> None:
    source = "class f:\n  def add(self, a): return a\n  def sub(self, b): return b"
    version = await replica.deploy(source, record_arguments=["b"])
    assert await recorded(version.method("add", 1)) == ({}, False, False)
    assert await recorded(version.method("sub", b=1)) == ({"b": 1}, True, False)


async def test_nothing_is_recorded_of_what_does_not_ask_and_of_what_does_not_fit(replica: Replica) -> None:
    plain, asking = await replica.deploy(ADD), await replica.deploy(ADD, record_arguments=True)
    wrong, checked = asking.call("x"), asking.executor.check(1)
    for call in (plain.call(1), wrong, checked):
        await call.ended()
        assert call.recorded == []


async def test_an_argument_that_breaks_what_looks_at_it_does_not_break_the_call(replica: Replica) -> None:
    source = """
        from pydantic import BaseModel
        class Odd(BaseModel):
            n: int
            def __getattribute__(self, name):
                if name == "model_extra":
                    raise RuntimeError("no")
                return super().__getattribute__(name)
        def f(odd: Odd): return odd.n
    """
    call = (await replica.deploy(source, record_arguments=True)).call({"n": 4})
    assert await call.value() == 4
    assert call.recorded == []


async def test_a_name_that_is_no_parameters_is_refused(replica: Replica) -> None:
    with pytest.raises(ImportFailed, match=r"record_arguments names c, and there is no such parameter"):
        await replica.deploy(ADD, record_arguments=["a", "c"])
