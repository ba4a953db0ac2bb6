"""An artifact as a parameter: text for everybody, and in a call what its name leads to then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from rayfaas import artifact
from rayfaas.artifact import Artifact
from rayfaas.artifact_name import ArtifactName
from rayfaas.context import CallContext, enter_call
from rayfaas.errors import BadRequest


class Names:
    """A client that knows what names lead to; `asked` are those that were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.artifact = self

    def __call__(self, name: str) -> dict[str, Any]:
        self.asked.append(name)
        told = ArtifactName.parse(name)._asdict()
        return {**told, "uri": f"file:///m/{len(self.asked)}", "version": "v", "revision": len(self.asked)}

    async def aio(self, name: str) -> dict[str, Any]:
        return self(name)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    client = Names()
    monkeypatch.setattr(artifact, "_client", lambda: client)
    yield client
    enter_call(None)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    read: list[tuple[str, str | None]] = []
    monkeypatch.setattr(artifact, "reads", lambda uri, version=None: read.append((uri, version)))
    return read


def enter(call: str) -> None:
    enter_call(CallContext(call, call, None, "nlp/embed", 1, "ann", "vision", 4e9))


async def test_it_leads_to_the_same_in_one_call_and_is_looked_up_in_the_next(
    names: Names, said: list[tuple[str, str | None]]
) -> None:
    given = Artifact("artifact://bert:prod")
    enter("one")
    assert (given.uri, given.version, given.path) == ("file:///m/1", "v", Path("/m/1"))
    enter("two")
    assert (await given.aio()).uri == "file:///m/2"
    assert names.asked == ["nlp/bert:prod"] * 2
    assert said == [("artifact://nlp/bert:prod", "1"), ("file:///m/1", "v"), ("artifact://nlp/bert:prod", "2"),
                    ("file:///m/2", "v")]  # fmt: skip


async def test_calls_at_the_same_time_do_not_disturb_each_other(
    names: Names, said: list[tuple[str, str | None]]
) -> None:
    given = Artifact("artifact://bert:prod")
    both_know = asyncio.Event()

    async def answer(call: str) -> str:
        enter(call)
        await given.aio()
        if len(names.asked) == 2:
            both_know.set()
        await both_know.wait()
        return given.uri

    assert list(await asyncio.gather(answer("one"), answer("two"))) == ["file:///m/1", "file:///m/2"]
    assert len(names.asked) == 2


def test_what_ended_calls_found_is_not_kept_for_ever(names: Names, said: list[tuple[str, str | None]]) -> None:
    given = Artifact("s3://models/bert")
    for number in range(artifact._MOST_CALLS + 10):
        enter(str(number))
        assert given.uri == given
    assert len(given._by_call) == artifact._MOST_CALLS


def test_a_uri_is_what_it_is(names: Names, said: list[tuple[str, str | None]]) -> None:
    given = Artifact("s3://models/bert")
    assert (given.uri, given.version, names.asked) == ("s3://models/bert", None, [])
    assert said == [("s3://models/bert", None)]
    with pytest.raises(BadRequest, match="fsspec"):
        _ = given.path


def test_as_a_parameter_it_is_text() -> None:
    adapter = TypeAdapter(Artifact)
    given = adapter.validate_python("artifact://bert:prod")
    assert (type(given), given) == (Artifact, "artifact://bert:prod")
    assert adapter.json_schema()["type"] == "string"
    assert adapter.dump_json(given) == b'"artifact://bert:prod"'


@pytest.mark.parametrize("text", ["", ":prod", "bert:", "a/b/c:prod", "UP/bert:prod", "artifact://bert@prod"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        ArtifactName.parse(text)
