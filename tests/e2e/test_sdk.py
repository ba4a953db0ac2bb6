"""The SDK as its users write with it: decorated functions in files and notebooks, called in every way."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rayfaas
from rayfaas.errors import FunctionError, ImportFailed, InvalidArguments, NotFound, Unauthenticated, Unavailable
from tests.e2e.conftest import Server

Write = Callable[[str, str], Path]

SHOP = """
import asyncio
from collections.abc import AsyncIterator, Iterator
import rayfaas
import shop_prices

@rayfaas.function(team="shop")
def total(items: list[str], rebate: float = 0.0) -> float:
    return sum(shop_prices.PRICES[item] for item in items) * (1 - rebate)

@rayfaas.function(team="shop")
async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"

@rayfaas.function(team="shop")
def receipt(items: list[str]) -> Iterator[str]:
    for item in items:
        print("printing", item)
        yield f"{item}: {shop_prices.PRICES[item]}"

@rayfaas.function(team="shop")
def who() -> dict[str, object]:
    call = rayfaas.current_call()
    return {"function": call.function, "version": call.version, "team": call.team}
"""


@pytest.fixture
def client(server: Server) -> Iterator[rayfaas.Client]:
    with rayfaas.Client(server.url, server.token) as client:
        yield client


@pytest.fixture
def shop(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: rayfaas.Client) -> Any:
    """The module above, imported here, with its functions deployed."""
    write("shop_prices.py", "PRICES = {'tea': 3, 'milk': 1}\n")
    write("shop_service.py", SHOP)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("shop_service")
    client.deploy_file(tmp_path / "shop_service.py")
    yield module
    for name in ("shop_service", "shop_prices"):
        del sys.modules[name]


def test_a_decorated_function_runs_here_and_there(shop: Any, client: rayfaas.Client) -> None:
    assert shop.total(["tea"]) == shop.total.local(["tea"]) == 3
    there = shop.total.with_options(client=client)
    assert there.remote(["tea", "milk"], rebate=0.5) == 2.0
    assert asyncio.run(there.aio(["tea"])) == 3.0
    assert rayfaas.get("shop/total@live").with_options(client=client).remote(items=["milk"]) == 1.0


def test_deploying_what_did_not_change_makes_no_version(shop: Any, client: rayfaas.Client, tmp_path: Path) -> None:
    first = shop.total.deploy(client=client)
    assert (first.function, first.created) == ("shop/total", False)
    file = tmp_path / "shop_service.py"
    file.write_text(file.read_text() + "\n# a comment\n")
    second = shop.total.deploy(client=client, message="a comment", alias="staging")
    assert (second.version, second.created) == (first.version + 1, True)
    assert next(v["provenance"]["message"] for v in client.versions("shop/total")) == "a comment"
    aliases = {a["alias"]: a["version"] for a in client.function("shop/total")["aliases"]}
    assert aliases == {"live": first.version, "staging": second.version}


def test_items_stream_with_their_logs_and_leaving_the_loop_ends_the_call(shop: Any, client: rayfaas.Client) -> None:
    lines: list[str] = []
    receipt = shop.receipt.with_options(client=client, on_log=lambda line: lines.append(line["text"]))
    assert list(receipt.stream(["tea", "milk"])) == ["tea: 3", "milk: 1"]
    assert lines == ["printing tea\n", "printing milk\n"]
    assert shop.receipt.with_options(client=client).remote(["tea"]) == ["tea: 3"]

    with receipt.stream(["tea"] * 100_000) as stream:
        assert next(stream) == "tea: 3"

    async def first() -> str:
        async for item in receipt.stream(["milk"]):
            return str(item)
        return ""

    assert asyncio.run(first()) == "milk: 1"


def test_a_remote_exception_is_raised_here_with_its_traceback(shop: Any, client: rayfaas.Client) -> None:
    with pytest.raises(FunctionError) as caught:
        shop.total.with_options(client=client).remote(["gold"])
    assert (caught.value.exception, caught.value.message) == ("KeyError", "'gold'")
    assert "shop_service.py" in str(caught.value)
    with pytest.raises(InvalidArguments, match="items"):
        shop.total.with_options(client=client).remote(5)
    with pytest.raises(NotFound):
        rayfaas.get("shop/nothing").with_options(client=client).remote()


def test_many_calls_at_once_from_one_event_loop(shop: Any, client: rayfaas.Client) -> None:
    slow = shop.slow.with_options(client=client)

    async def all_of_them() -> list[str]:
        return list(await asyncio.gather(*(slow.aio(0.2) for _ in range(20))))

    assert asyncio.run(all_of_them()) == ["done"] * 20


def test_a_function_knows_the_call_that_it_answers(shop: Any, client: rayfaas.Client) -> None:
    version = shop.who.deploy(client=client).version
    assert shop.who.with_options(client=client).remote() == {
        "function": "shop/who",
        "version": version,
        "team": "default",
    }


def test_what_is_typed_into_a_shell_is_deployed_by_value(server: Server) -> None:
    script = """
import rayfaas
FACTOR = 3
def scaled(x):
    return x * FACTOR
@rayfaas.function
def triple(x: int) -> int:
    return scaled(x)
print(triple.deploy().version, triple.remote(14))
"""
    done = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, env=server.environ)
    assert done.stdout == "1 42\n", done.stderr


def test_a_script_deploys_its_own_function(server: Server, write: Write) -> None:
    script = write(
        "own.py",
        "import rayfaas\n\n@rayfaas.function\ndef own(x: int) -> int:\n    return x + 1\n\n"
        "if __name__ == '__main__':\n    own.deploy()\n    print(own.remote(1))\n",
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=server.environ)
    assert done.stdout == "2\n", done.stderr


def test_code_that_does_not_import_there_is_an_error_here(client: rayfaas.Client, write: Write) -> None:
    file = write("lame.py", "import rayfaas\nimport no_such\n\n@rayfaas.function\ndef lame():\n    pass\n")
    with pytest.raises(ImportFailed, match="No module named 'no_such'"):
        client.deploy_file(file)


def test_a_wrong_token_and_a_wrong_address_say_what_is_wrong(server: Server) -> None:
    with rayfaas.Client(server.url, "rf_wrong") as stranger, pytest.raises(Unauthenticated):
        stranger.functions()
    with rayfaas.Client("http://127.0.0.1:9", "rf_any") as nobody, pytest.raises(Unavailable, match="rayfaas up"):
        nobody.functions()
