"""The catalog: the functions, versions and aliases that can be called, in memory, as the registry has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rayfaas.errors import NotFound
from rayfaas.registry.rows import VersionRow
from rayfaas.spec import Entry, Scaling, Spec


@dataclass(frozen=True)
class Version:
    """One version of one function. `function` is `team/name`; `methods` are those of a class."""

    function: str
    number: int
    bundle: str
    entry: Entry
    spec: Spec
    syntax_digest: str
    environment_digest: str
    methods: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: VersionRow) -> Version:
        """As the registry has it."""
        return cls(
            f"{row.team}/{row.name}",
            row.version,
            row.bundle,
            row.entry,
            row.spec,
            row.syntax_digest,
            row.environment_digest,
            methods_of(row.interface),
        )

    @property
    def key(self) -> str:
        return f"{self.function}:{self.number}"

    @property
    def application(self) -> str:
        """The Serve application of the replicas that can run it: one for each shape of a function."""
        team, _, name = self.function.partition("/")
        return f"{team}--{name}--{self.spec.shape.digest}"

    def order(self) -> dict[str, Any]:
        """As a supervisor takes it (`cluster.supervisor.VersionOrder`)."""
        return {
            "function": self.function,
            "version": self.number,
            "bundle": self.bundle,
            "entry_kind": self.entry.kind,
            "entry_module": self.entry.module,
            "entry_name": self.entry.name,
            "concurrency": self.spec.concurrency,
            "env": self.spec.shape.env,
            "preload": list(self.spec.preload),
            "memory_mb": self.spec.shape.memory_mb,
        }

    def route(self) -> dict[str, Any]:
        """As a gateway takes it (`gateway.routes.VersionRoute`)."""
        return {
            "number": self.number,
            "code_digest": self.bundle,
            "syntax_digest": self.syntax_digest,
            "environment_digest": self.environment_digest,
            "shape": self.spec.shape.digest,
            "gpus": self.spec.shape.gpus,
            "timeout_s": self.spec.timeout_s,
            "concurrency": self.spec.concurrency,
            "retries": self.spec.retries,
            "retry_delay_s": self.spec.retry_delay_s,
            "retry_on": list(self.spec.retry_on),
            "methods": list(self.methods),
            "swap": self.spec.swap,
        }


def methods_of(interface: dict[str, Any] | None) -> tuple[str, ...]:
    """The methods that an interface tells of; a function has none."""
    return tuple((interface or {}).get("methods", ()))


@dataclass
class Function:
    """A function, its ACTIVE versions and its aliases: name → (version, revision of the alias).

    While it is `parked`, calls through its aliases wait at the gateways.
    """

    team: str
    name: str
    versions: dict[int, Version] = field(default_factory=dict)
    aliases: dict[str, tuple[int, int]] = field(default_factory=dict)
    scaling: Scaling = field(default_factory=Scaling)
    parked: bool = False

    def served(self) -> list[Version]:
        """The versions that an alias points at."""
        numbers = {version for version, _ in self.aliases.values()}
        return [self.versions[n] for n in sorted(numbers)]

    def route(self) -> dict[str, Any]:
        return {
            "team": self.team,
            "name": self.name,
            "versions": [version.route() for version in self.versions.values()],
            "aliases": {alias: {"version": v, "revision": r} for alias, (v, r) in self.aliases.items()},
            "parked": self.parked,
        }


class Catalog:
    """All functions, by `team/name`."""

    def __init__(self) -> None:
        self._functions: dict[str, Function] = {}

    def __iter__(self) -> Iterator[Function]:
        return iter(self._functions.values())

    def function(self, name: str) -> Function:
        """The function; an empty one is made where there is none."""
        found = self._functions.get(name)
        if found is None:
            team, _, short = name.partition("/")
            found = self._functions[name] = Function(team, short)
        return found

    def existing(self, name: str) -> Function:
        if name not in self._functions:
            raise NotFound(f"There is no function {name}. `rayfaas functions` lists those that exist.")
        return self._functions[name]

    def version(self, key: str) -> Version | None:
        name, _, number = key.rpartition(":")
        function = self._functions.get(name)
        return function.versions.get(int(number)) if function else None

    def is_served(self, key: str) -> bool:
        """Whether an alias points at it."""
        name, _, number = key.rpartition(":")
        function = self._functions.get(name)
        return function is not None and int(number) in {version for version, _ in function.aliases.values()}
