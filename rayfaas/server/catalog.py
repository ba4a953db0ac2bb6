"""The catalog: the functions, versions and aliases that can be called, in memory, as the registry has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec

from rayfaas.compatibility import Places, places_of
from rayfaas.environment import Locked, digest_of
from rayfaas.errors import NotFound
from rayfaas.registry.deprecations import DeprecationRow
from rayfaas.registry.grants import AccessRow
from rayfaas.registry.rows import AliasRow, VersionRow
from rayfaas.spec import Entry, Scaling, Spec


@dataclass(frozen=True)
class Version:
    """One version of one function. `function` is `team/name`; `methods` are those of a class; `environment` is the lock
    of its own, where it does not run in the server's. `places` are the names of its arguments by place."""

    function: str
    number: int
    bundle: str
    entry: Entry
    spec: Spec
    syntax_digest: str
    environment_digest: str
    methods: tuple[str, ...] = ()
    environment: Locked | None = None
    places: Places = field(default_factory=dict)

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
            row.environment,
            places_of(row.interface),
        )

    def described(self, interface: dict[str, Any] | None) -> Version:
        """With what an executor of it has told."""
        return replace(self, methods=methods_of(interface), places=places_of(interface))

    @property
    def key(self) -> str:
        return f"{self.function}:{self.number}"

    @property
    def application(self) -> str:
        """The Serve application of the replicas that can run it: one for each shape of a function."""
        team, _, name = self.function.partition("/")
        return f"{team}--{name}--{self.spec.shape.digest}"

    @property
    def secrets(self) -> list[str]:
        """Those that it names, as `team/name`."""
        team, _, _ = self.function.partition("/")
        return [f"{team}/{name}" for name in sorted(self.spec.shape.secrets)]

    def order(self, secrets: Mapping[str, str] | None = None, edition: str = "") -> dict[str, Any]:
        """As a supervisor takes it (`cluster.supervisor.VersionOrder`), with values of its secrets."""
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
            "environment": None if self.environment is None else msgspec.to_builtins(self.environment),
            "secrets": dict(secrets or {}),
            "edition": edition,
            "ray": self.spec.shape.ray,
            "record_arguments": recorded if (recorded := self.spec.record_arguments) is True else list(recorded or ()),
        }

    @cached_property
    def route(self) -> dict[str, Any]:
        """As a gateway takes it (`gateway.snapshot.VersionRoute`)."""
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
            "cache": None if self.spec.cache is None else self._cache(),
        }

    def _cache(self) -> dict[str, Any]:
        """What makes results of two versions the same (`gateway.snapshot.CacheRoute`)."""
        shape = self.spec.shape
        settings = [self.entry.model_dump(mode="json"), shape.env, sorted(shape.secrets)]
        return {
            "code": self.syntax_digest or self.bundle,
            "settings": digest_of(settings),
            "ttl_s": self.spec.cache_ttl_s,
            "places": self.places,
            "secrets": self.secrets,
        }


def methods_of(interface: dict[str, Any] | None) -> tuple[str, ...]:
    """The methods that an interface tells of; a function has none."""
    return tuple((interface or {}).get("methods", ()))


@dataclass
class Function:
    """A function, its ACTIVE versions and its aliases.

    While it is `parked`, calls through its aliases wait at the gateways. `kept` is what the canary of an alias may
    return to. `scaling` is in force, `declared` what the last deploy asked for. `gone` says that and why it was
    deleted, `deleted` the same of versions.
    """

    team: str
    name: str
    versions: dict[int, Version] = field(default_factory=dict)
    aliases: dict[str, AliasRow] = field(default_factory=dict)
    kept: dict[str, frozenset[int]] = field(default_factory=dict)
    scaling: Scaling = field(default_factory=Scaling)
    access: AccessRow = field(default_factory=AccessRow)
    declared: Scaling = field(default_factory=Scaling)
    parked: bool = False
    gone: str = ""
    deleted: dict[int, str] = field(default_factory=dict)
    deprecation: DeprecationRow | None = None

    def activate(self, version: Version, alias: AliasRow, scaling: Scaling, declared: Scaling) -> None:
        """A deploy has succeeded, and `alias` leads to its version."""
        self.versions[version.number] = version
        self.aliases[alias.alias] = alias
        self.kept.pop(alias.alias, None)
        self.scaling, self.declared = scaling, declared
        self.gone = ""
        self.deleted.pop(version.number, None)

    def end(self, why: str) -> None:
        """It is deleted: nothing of it can be called."""
        self.gone, self.deprecation = why, None
        self.versions, self.aliases, self.kept, self.deleted = {}, {}, {}, {}

    def reached_by(self, alias: str) -> list[Version]:
        """The versions that calls through one alias get."""
        row = self.aliases.get(alias)
        return [self.versions[n] for n in sorted(row.versions)] if row is not None else []

    def served(self) -> list[Version]:
        """The versions that calls through an alias may reach, or may again."""
        return [self.versions[n] for n in sorted(self.leads_to())]

    def leads_to(self, besides: str | None = None) -> set[int]:
        """The numbers of those; of all aliases `besides` one."""
        numbers = {n for name, alias in self.aliases.items() if name != besides for n in alias.versions}
        return numbers.union(*(kept for name, kept in self.kept.items() if name != besides))

    def route(self) -> dict[str, Any]:
        return {
            "team": self.team,
            "name": self.name,
            "versions": [version.route for version in self.versions.values()],
            "aliases": {name: alias_route(alias) for name, alias in self.aliases.items()},
            "parked": self.parked,
            "teams": sorted({self.team, *self.access.grants}) if self.access.is_closed else None,
            "max_replicas": self.scaling.max_replicas,
            "gone": self.gone,
            "deleted": self.deleted,
            "deprecation": None if self.deprecation is None else deprecation_route(self.deprecation),
        }


def deprecation_route(row: DeprecationRow) -> dict[str, Any]:
    """As a gateway takes it (`gateway.snapshot.DeprecationRoute`)."""
    sunset_s = None if row.sunset_at is None else int(row.sunset_at.timestamp())
    return {"at_s": int(row.deprecated_at.timestamp()), "sunset_s": sunset_s, "successor": row.successor}


def alias_route(alias: AliasRow) -> dict[str, Any]:
    """As a gateway takes it (`gateway.snapshot.AliasRoute`)."""
    route: dict[str, Any] = {"version": alias.version, "revision": alias.revision}
    if (split := alias.split) is not None:
        route |= {"arms": [(arm.version, arm.weight) for arm in split.arms], "sticky": split.sticky}
        route["shadow"] = (split.shadow.version, split.shadow.share) if split.shadow is not None else None
    return route


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

    def has(self, name: str) -> bool:
        return name in self._functions

    def existing(self, name: str) -> Function:
        function = self._functions.get(name)
        if function is None or function.gone:
            why = function.gone if function is not None else f"There is no function {name}."
            raise NotFound(f"{why} `rayfaas functions` lists those that exist.")
        return function

    def version(self, key: str) -> Version | None:
        name, _, number = key.rpartition(":")
        function = self._functions.get(name)
        return function.versions.get(int(number)) if function else None

    def is_served(self, key: str) -> bool:
        """Whether calls through an alias may reach it."""
        name, _, number = key.rpartition(":")
        function = self._functions.get(name)
        return function is not None and int(number) in function.leads_to()
