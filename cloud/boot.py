"""The boot script: what a machine of a provider does to be a node of a cluster.

The same text for the same machine: a launch that is asked for twice has to be the same launch.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from typing import Any

from rayfaas.errors import BadRequest

UV = "https://astral.sh/uv/install.sh"

# These run the script as root, at the first start at least: as a service it comes back with the machine.
_SERVICES = ("aws", "azure", "gcp", "lambda_labs")
_POWER_OFF = "systemctl poweroff"
# These tell a spot machine some time before they take it back.
_NOTICES = ("aws", "azure", "gcp")


@dataclass(frozen=True)
class BootSettings:
    """`[boot]` of clouds.toml; `[boot.aws]` goes before it for machines of aws.

    `python` has rayfaas and Ray already, as in an image that was made for it; where it is not said, both are installed,
    rayfaas from `wheel` (a path on the machine, or a URL) if that is said, from `index` if that is. `shutdown` is the
    command that ends the machine, `metadata` where its provider tells it of itself.
    """

    python: str = ""
    wheel: str = ""
    index: str = ""
    uv: str = UV
    shutdown: str | None = None
    metadata: str = ""

    @classmethod
    def of(cls, table: Mapping[str, Any], provider: str) -> BootSettings:
        """Raises `BadRequest` that names what is wrong.

        >>> BootSettings.of({"python": "python3", "aws": {"python": "/opt/rayfaas/bin/python"}}, "aws").python
        '/opt/rayfaas/bin/python'
        """
        own = table.get(provider, {})
        if not isinstance(own, Mapping):
            raise BadRequest(f"clouds.toml: [boot.{provider}] is to be a table.")
        given = {**{name: value for name, value in table.items() if not isinstance(value, Mapping)}, **own}
        known = [each.name for each in fields(cls)]
        for name, value in given.items():
            if name not in known or not isinstance(value, str):
                raise BadRequest(f"clouds.toml: {name} under [boot] is to be text, one of {', '.join(known)}.")
        return cls(**given)


@dataclass(frozen=True)
class Versions:
    """What the server has, and a node therefore has to have."""

    python: str
    rayfaas: str
    ray: str


@dataclass(frozen=True)
class Newcomer:
    """A machine that is to be a node. `join` is the token with which it comes in, `resources` are arguments of
    its guard (`rayfaas.cluster.guard`)."""

    attempt: str
    join: str
    resources: tuple[str, ...]


def boot_script(provider: str, spot: bool, newcomer: Newcomer, settings: BootSettings, versions: Versions) -> str:
    """For a machine of a provider."""
    is_service = provider in _SERVICES
    guard = ["--attempt", newcomer.attempt, *newcomer.resources]
    if spot and provider in _NOTICES:
        guard += ["--notices", provider]
    if settings.metadata:
        guard += ["--metadata", settings.metadata]
    shutdown = settings.shutdown if settings.shutdown is not None else _POWER_OFF if is_service else ""
    variables = {
        "join": newcomer.join,
        "python": settings.python,
        "python_version": versions.python,
        "requirements": shlex.join(_requirements(settings, versions)),
        "index": settings.index,
        "uv": settings.uv,
        "guard": shlex.join(guard),
        "shutdown": shutdown,
        "service": "yes" if is_service else "no",
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    body = resources.files("rayfaas.cloud").joinpath("boot.sh").read_text("utf-8")
    return "\n".join(["#!/bin/sh", *lines, body])


def _requirements(settings: BootSettings, versions: Versions) -> list[str]:
    wheel = f"file://{settings.wheel}" if settings.wheel.startswith("/") else settings.wheel
    return [f"rayfaas[server] @ {wheel}" if wheel else f"rayfaas[server]=={versions.rayfaas}", f"ray=={versions.ray}"]
