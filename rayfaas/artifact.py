"""A parameter that is an artifact: a URI, or a name that its team may move, as `artifact://bert:prod`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from rayfaas.artifact_name import SCHEME, ArtifactName
from rayfaas.artifacts import reads
from rayfaas.context import calling
from rayfaas.errors import BadRequest

# More do not run at the same time in one process.
_MOST_CALLS = 1_000


class Found(NamedTuple):
    """What it leads to in a call."""

    uri: str
    version: str | None


class Artifact(str):
    """Text: a URI, or `artifact://bert:prod`, which is looked up when the function first asks what it leads to. In one
    call it leads to the same, and that the call read it, in which version, is in the lineage.

        @rayfaas.function()
        def embed(text: str, model: rayfaas.Artifact = rayfaas.Artifact("artifact://bert:prod")) -> list[float]:
            return load(model.path)(text)

    >>> Artifact("file:///data/a%20b.bin").path
    PosixPath('/data/a b.bin')
    """

    @property
    def uri(self) -> str:
        """Raises `NotFound`. In an `async def` function await `aio()` before."""
        return self._known().uri

    @property
    def version(self) -> str | None:
        """None where none is known."""
        return self._known().version

    @property
    def path(self) -> Path:
        """Of a file of this machine. Raises `BadRequest` for what is in a store."""
        parts = urlsplit(self.uri)
        if parts.scheme != "file":
            raise BadRequest(f"{self.uri} is no file of this machine: open it with fsspec, fsspec.open(model.uri).")
        return Path(unquote(parts.path))

    async def aio(self) -> Artifact:
        """Look it up; then `uri`, `version` and `path` are known."""
        if self._of_this_call() is None:
            self._note(dict(await _client().artifact.aio(self._name())) if self._is_name else self._as_it_is())
        return self

    def _known(self) -> Found:
        if (found := self._of_this_call()) is not None:
            return found
        return self._note(dict(_client().artifact(self._name())) if self._is_name else self._as_it_is())

    @property
    def _is_name(self) -> bool:
        return self.startswith(SCHEME)

    def _as_it_is(self) -> dict[str, Any]:
        return {"uri": str(self)}

    def _name(self) -> str:
        """In a call a name without a team is of the team whose code it is."""
        name, call = ArtifactName.parse(self), calling()
        return str(name if name.team or call is None else name._replace(team=call.function.partition("/")[0]))

    def _of_this_call(self) -> Found | None:
        return self._by_call.get(_call_id())

    @property
    def _by_call(self) -> dict[str | None, Found]:
        """A default value is the same object in each call, and calls may run at the same time."""
        by_call: dict[str | None, Found] = self.__dict__.setdefault("found", {})
        return by_call

    def _note(self, told: dict[str, Any]) -> Found:
        by_call = self._by_call
        found = by_call[_call_id()] = Found(told["uri"], told.get("version"))
        if len(by_call) > _MOST_CALLS:
            by_call.pop(next(iter(by_call)), None)
        if "name" in told:
            name = ArtifactName(told["team"], told["name"], told["alias"])
            reads(f"{SCHEME}{name}", version=str(told["revision"]))
        reads(found.uri, version=found.version)
        return found

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return {"type": "function-after", "function": {"type": "no-info", "function": cls}, "schema": handler(str)}


def _call_id() -> str | None:
    call = calling()
    return call.call_id if call else None


def _client() -> Any:
    from rayfaas.default import DEFAULT  # noqa: PLC0415 the client is loaded where one is needed

    return DEFAULT.get()
