"""What supervisors of one node share, and what they know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rayfaas.cluster.environments import DEFAULT_LIMIT_BYTES, Environments
from rayfaas.cluster.scratch import Scratch


@dataclass(frozen=True)
class Node:
    """`pass_env` are variables that functions may see besides the usual ones; `ray` those with which one that asks for
    it joins the cluster."""

    environments: Environments
    scratch: Scratch
    pass_env: tuple[str, ...] = ()
    ray: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def below(
        cls,
        cache: Path,
        environ: Mapping[str, str],
        pass_env: tuple[str, ...] = (),
        ray: Mapping[str, str] | None = None,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
    ) -> Node:
        """In the directory `cache`."""
        environments = Environments(cache / "environments", environ, limit_bytes)
        return cls(environments, Scratch(cache / "scratch"), pass_env, ray or {})
