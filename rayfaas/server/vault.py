"""The teams' secrets: sealed in the registry, opened only for the executors of functions that name them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rayfaas.editions import edition_of
from rayfaas.errors import BadRequest, Conflict, NotFound, Unavailable
from rayfaas.registry.rows import SecretRow
from rayfaas.server.catalog import Catalog, Version
from rayfaas.server.store import Store

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NONCE = 12
_SHOWN = ("team", "name", "keys", "revision", "set_at", "set_by")
# In bytes, of all values of one secret: an environment is no place for more.
MAX_SECRET = 64 << 10


class Vault:
    """AES-256-GCM with the home's key; the team and the name are authenticated with it, so that none can be put in the
    place of another."""

    def __init__(self, key: bytes, store: Store, catalog: Catalog) -> None:
        self._cipher, self._store, self._catalog = AESGCM(key), store, catalog
        self._secrets: dict[tuple[str, str], SecretRow] = {}

    async def read(self) -> None:
        """Know what the registry has, as it has it: sealed."""
        rows = await self._store.write(self._store.registry.secrets.all)
        self._secrets = {(row.team, row.name): row for row in rows}

    async def set(self, team: str, name: str, values: Mapping[str, str], actor: str, reason: str = "") -> list[Version]:
        """Keep it. Returns the versions that have executors with it, or may have. Raises `BadRequest`."""
        check_values(name, values)
        nonce = os.urandom(_NONCE)
        data = msgspec.json.encode(dict(values))
        sealed = nonce + self._cipher.encrypt(nonce, data, _address(team, name))
        await self._store.write(self._store.registry.secrets.set, team, name, sealed, sorted(values), actor, reason)
        await self.read()
        return self._users(team, name)

    async def delete(self, team: str, name: str, actor: str, reason: str = "") -> None:
        """Raises `Conflict` while functions that can be called by an alias name it."""
        served = {f"{f.team}/{f.name}" for f in self._catalog if f.team == team for v in f.served() if _names(v, name)}
        if served:
            using = ", ".join(sorted(served))
            raise Conflict(
                f"{using} would not start without the secret {name!r}. Set another value, or deploy them first."
            )
        await self._store.write(self._store.registry.secrets.delete, team, name, actor, reason)
        await self.read()

    def listed(self, team: str | None) -> list[dict[str, Any]]:
        """Names, keys and times of a team's, or of all; never values."""
        return [
            {
                "team": s.team,
                "name": s.name,
                "keys": s.keys,
                "revision": s.revision,
                "set_at": s.set_at,
                "set_by": s.set_by,
            }
            for s in self._secrets.values()
            if team is None or s.team == team
        ]

    @property
    def editions(self) -> dict[str, str]:
        """By `team/name`, what is another text for other values: it tells nothing of them."""
        return {f"{s.team}/{s.name}": f"{s.revision} {s.set_at.isoformat()}" for s in self._secrets.values()}

    def order(self, version: Version) -> dict[str, Any]:
        """As a supervisor takes it. Raises `NotFound` or `Unavailable`."""
        return version.order(self.open(version), edition_of(version.secrets, self.editions))

    def check(self, team: str, names: tuple[str, ...]) -> None:
        """Raises `NotFound` for a secret that the team does not have."""
        if missing := [name for name in names if (team, name) not in self._secrets]:
            raise NotFound(
                f"Team {team} has no secret {', '.join(map(repr, missing))}. Make it first: "
                f"rayfaas secrets set {missing[0]} KEY=VALUE"
            )

    def open(self, version: Version) -> dict[str, str]:
        """The environment variables of the secrets that a version names. Raises `NotFound` or `Unavailable`."""
        team = version.function.partition("/")[0]
        self.check(team, version.spec.shape.secrets)
        opened: dict[str, str] = {}
        for name in version.spec.shape.secrets:
            opened |= self._open(self._secrets[team, name])
        return opened

    def _open(self, secret: SecretRow) -> dict[str, str]:
        nonce, data = secret.sealed[:_NONCE], secret.sealed[_NONCE:]
        try:
            opened = self._cipher.decrypt(nonce, data, _address(secret.team, secret.name))
        except InvalidTag:
            raise Unavailable(
                f"The secret {secret.team}/{secret.name} was encrypted with another key than the secrets.key of this "
                "server. Put that back, or set the secret again."
            ) from None
        return msgspec.json.decode(opened, type=dict[str, str])

    def _users(self, team: str, name: str) -> list[Version]:
        functions = (function for function in self._catalog if function.team == team)
        return [version for f in functions for version in f.versions.values() if _names(version, name)]


def check_values(name: str, values: Any) -> None:
    """Raises `BadRequest`, which holds no value."""
    if not isinstance(values, Mapping) or not values:
        raise BadRequest(f'The secret {name!r} needs values: {{"values": {{"KEY": "value"}}}}.')
    for key, value in values.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise BadRequest(f"{key!r} is no name of an environment variable.")
        if not isinstance(value, str) or "\0" in value:
            raise BadRequest(f"The value of {key} must be text without a NUL.")
    if sum(len(value.encode("utf-8", "surrogatepass")) for value in values.values()) > MAX_SECRET:
        raise BadRequest(
            f"The secret {name!r} has over {MAX_SECRET:,} bytes. Keep large files elsewhere, and their key here."
        )


def _names(version: Version, name: str) -> bool:
    return name in version.spec.shape.secrets


def _address(team: str, name: str) -> bytes:
    return f"{team}/{name}".encode()
