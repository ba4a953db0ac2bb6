"""What user code forks is a process of its own, as it is anywhere else; its executor goes on."""

from __future__ import annotations

import textwrap

import pytest

from tests.executor.replica import Replica

FORK = """
    import os, sys
    def forked():
        if (pid := os.fork()) == 0:
            print("born")
            {child}
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    {function}
"""
FUNCTIONS = {
    "sync": "def f(): return forked()",
    "async": "async def f(): return forked()",
    "plain": "class f:\n        async def other(self): ...\n        def g(self): return forked()",
}
CHILDREN = [
    ("sys.exit(7)", 7),
    ("sys.exit()", 0),
    ("sys.exit('the end')", 1),
    ("raise ValueError('in the child')", 1),
    ("return 'child'", 0),
    ("return 'child' * 1_000_000", 0),
]


@pytest.mark.parametrize(("child", "status"), CHILDREN)
@pytest.mark.parametrize("function", FUNCTIONS)
async def test_a_forked_process_ends_with_its_function_and_answers_nobody(
    replica: Replica, function: str, child: str, status: int
) -> None:
    source = textwrap.dedent(FORK).format(child=child, function=textwrap.dedent(FUNCTIONS[function]))
    version = await replica.deploy(source)
    for _ in range(2):
        call = version.method("g") if function == "plain" else version.call()
        assert await call.value() == status
        assert call.output() == "born\n"


async def test_what_a_forked_process_raises_is_told(replica: Replica) -> None:
    source = textwrap.dedent(FORK).format(child="raise ValueError('in the child')", function=FUNCTIONS["sync"])
    call = (await replica.deploy(source)).call()
    await call.value()
    assert "ValueError: in the child" in call.output("stderr")
