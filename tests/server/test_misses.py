"""Why a call was not given an earlier result: the first part that differs, in words."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayfaas.environment import Locked
from rayfaas.errors import NotFound
from rayfaas.records import CallStarted, Kept, LookedUp, Record
from rayfaas.registry import Registry
from rayfaas.server.bundles import BundleStore
from rayfaas.server.journals import Journals
from rayfaas.server.misses import Misses
from rayfaas.server.store import Store
from rayfaas.spec import Entry, Publish, Scaling, Shape, Spec
from tests.executor.replica import archive_of
from tests.registry.builders import ended, segment, started

ADMIN = {"principal": "root", "team": "default", "role": "admin"}
CODE = {"app.py": "from words import count\ndef f(a): return count(a)", "words.py": "def count(a): return 1"}


class World:
    """A registry with bundles, and the calls that a test makes in it."""

    def __init__(self, directory: Path) -> None:
        self._journal = directory / "journal"
        self._journal.mkdir()
        self._numbers = itertools.count()
        self._registry = Registry.open(directory / "registry.duckdb", self._journal)
        self.store, self._bundles = Store(self._registry), BundleStore(directory / "bundles")
        self._misses = Misses(self.store, Journals(self.store), self._bundles)

    def deploy(
        self, files: dict[str, str] | None = None, environment: str = "e", locked: Locked | None = None, **shape: Any
    ) -> int:
        archive = archive_of(files or CODE)
        digest = hashlib.sha256(archive).hexdigest()
        self._bundles.put(digest, archive)
        content = repr(sorted((files or CODE).items()))
        publish = Publish(
            bundle=digest,
            entry=Entry(module="app", name="f"),
            spec=Spec(cache=True, shape=Shape(**shape)),
            syntax_digest=hashlib.sha256(content.encode()).hexdigest(),
        )
        row, _ = self._registry.catalog.publish("red", "f", publish, "ann", environment, locked)
        self._registry.catalog.activate("red", "f", row.version, None, "live", "ann", "", {}, Scaling())
        return row.version

    def call(self, version: int, looked: LookedUp | None = None, kept: Kept | None = None, **end: Any) -> str:
        number = next(self._numbers)
        call: CallStarted = started(version=version, call=f"01900000-0000-7000-8000-{number:012d}")
        records: list[Record] = [call, ended(call, **end)]
        if looked is not None:
            looked.call = call.call
            records.append(looked)
        if kept is not None:
            kept.call = call.call
            records.append(kept)
        segment(self._journal, *records, number=number)
        return call.call

    async def why(self, call: str, team: str | None = None) -> tuple[str, str, str | None]:
        actor = ADMIN if team is None else {**ADMIN, "team": team, "role": "invoker"}
        told = await self._misses._why_miss(None, call, actor)  # type: ignore[arg-type]
        return told["part"], told["detail"], told["nearest"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def miss(accept: str = "", /, **arguments: str) -> LookedUp:
    return LookedUp("", "miss", accept, arguments)


async def test_code_names_the_function_and_its_module(world: World) -> None:
    one, other = world.deploy(), world.deploy({**CODE, "words.py": "def count(a): return 2", "new.txt": "x"})
    before, call = world.call(one, miss(a="1")), world.call(other, miss(a="1"))
    detail = f"The code of new.txt (new), words.count changed between version {one} and {other}."
    assert await world.why(call) == ("code", detail, before)


async def test_an_environment_names_the_package(world: World) -> None:
    one = world.deploy(environment="e1", locked=Locked("w", "3.12", ("torch==2.4",)), packages=("torch",))
    other = world.deploy(environment="e2", locked=Locked("w", "3.12", ("torch==2.5",)), packages=("torch",))
    before, call = world.call(one, miss(a="1")), world.call(other, miss(a="1"))
    assert await world.why(call) == ("environment", "Its environment changed: torch 2.4 → 2.5.", before)
    third = world.deploy(environment="e3")
    assert (await world.why(world.call(third, miss(a="1"))))[1].startswith("The server's Python or packages")


async def test_variables_of_the_declaration_are_settings(world: World) -> None:
    one, other = world.deploy(env={"LANG": "de"}), world.deploy(env={"LANG": "en"})
    before, call = world.call(one, miss(a="1")), world.call(other, miss(a="1"))
    assert await world.why(call) == ("settings", "Its declaration changed: env.LANG.", before)


async def test_a_secret_that_was_set_anew_is_named(world: World) -> None:
    version = world.deploy(secrets=("api", "db"))
    before, call = world.call(version, miss(a="1")), world.call(version, miss(a="1"))
    for team, name in (("red", "other"), ("blue", "api")):
        await world.store.write(world.store.registry.secrets.set, team, name, b"sealed", ["KEY"], "ann")
    assert (await world.why(call))[0] == "evicted"
    await world.store.write(world.store.registry.secrets.set, "red", "api", b"sealed", ["KEY"], "ann")
    assert await world.why(call) == ("secrets", "The secret api was set anew since then.", before)


async def test_the_argument_that_differs_is_named(world: World) -> None:
    version = world.deploy()
    world.call(version, miss(a="9", b="9"))
    before = world.call(version, miss(a="1", b="1"))
    world.call(version, miss(a="8", b="8"))
    assert await world.why(world.call(version, miss(a="1", b="2"))) == (
        "arguments",
        "It was called with another b.",
        before,
    )
    place = world.call(version, LookedUp("", "miss", "", {"a": "1", "*1": "3"}))
    assert (await world.why(place))[1] == "It was called with another argument at place 2, b."
    whole = world.call(version, LookedUp("", "miss", "", {"*": "3"}))
    assert "body, which is compared as a whole" in (await world.why(whole))[1]


async def test_a_call_with_the_same_arguments_is_nearer_than_one_of_the_same_code(world: World) -> None:
    one, other = world.deploy(), world.deploy({"app.py": "def f(a): return 3"})
    same = world.call(one, miss(a="1"))
    world.call(other, miss(a="2"))
    assert (await world.why(world.call(other, miss(a="1"))))[::2] == ("code", same)


async def test_the_encoding_of_the_result_counts(world: World) -> None:
    version = world.deploy()
    before, call = world.call(version, miss(a="1")), world.call(version, miss("application/json", a="1"))
    assert (await world.why(call))[::2] == ("encoding", before)


@pytest.mark.parametrize(
    ("look", "part", "detail"),
    [
        (LookedUp("", "bypass", "", {}), "bypassed", "Its caller asked for a new result: Cache-Control: no-cache."),
        (LookedUp("", "expired", "", {}), "expired", "The result that was there was older than"),
        (
            LookedUp("", "changed", "", {}, "file:///m", "sha256:1", "sha256:2"),
            "artifact",
            "file:///m was sha256:1 when the result was made, and is sha256:2 now.",
        ),
        (LookedUp("", "changed", "", {}, "file:///m", "sha256:1", ""), "artifact", "file:///m was sha256:1 when"),
        (miss(a="1"), "first", "It is the first call of red/f that the cache was asked for."),
        (None, "bypassed", "Nobody looked: the function has no cache"),
    ],
)
async def test_what_a_call_tells_by_itself(world: World, look: LookedUp | None, part: str, detail: str) -> None:
    told = await world.why(world.call(world.deploy(), look))
    assert told[0] == part
    assert told[1].startswith(detail)


async def test_an_equal_call_whose_result_is_gone(world: World) -> None:
    version = world.deploy()
    failed = world.call(version, miss(a="0"), state="FAILED", code="function_error")
    assert (await world.why(world.call(version, miss(a="0"))))[::2] == ("failed", failed)
    unkept = world.call(version, miss(a="1"), Kept("", "it read s3://b/k, and so on"))
    part, detail, nearest = await world.why(world.call(version, miss(a="1")))
    assert (part, nearest) == ("kept", unkept)
    assert detail == "The result of the equal call was not kept: it read s3://b/k, and so on."
    evicted = world.call(version, miss(a="2"), Kept(""))
    assert (await world.why(world.call(version, miss(a="2"))))[::2] == ("evicted", evicted)


async def test_a_hit_is_no_miss(world: World) -> None:
    version = world.deploy()
    computed = world.call(version, miss(a="1"))
    hit = world.call(version, state="CACHED", cached_from=computed)
    assert await world.why(hit) == ("none", f"It is a hit: call {computed} computed it.", computed)


async def test_calls_that_one_may_not_see_are_not_told_of(world: World) -> None:
    call = world.call(world.deploy(), miss(a="1"))
    with pytest.raises(NotFound):
        await world.why(call, "blue")
    assert (await world.why(call, "red"))[0] == "first"
