"""One deploy: send the bundle if the server lacks it, publish, follow the events until the alias has moved."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from rayfaas import wire
from rayfaas.bundle import Bundle
from rayfaas.errors import NotFound, Unavailable, from_problem
from rayfaas.git import commit_of, git
from rayfaas.spec import Provenance, Publish, Spec
from rayfaas.transport import Transport

OnEvent = Callable[[dict[str, Any]], None]
"""Is told of each event of a deploy: `published`, `progress` (with `phase` and `detail`), `live`."""

# How much longer than its own deadline the answer of a deploy may take.
_GRACE_S = 30.0
_ZIP = "application/zip"


@dataclass(frozen=True)
class Deployed:
    """What a deploy came to.

    `function` is `team/name`. `created` is False where this code had a version already. `took_ms` counts at the server;
    `phases` are its parts, in milliseconds.
    """

    function: str
    version: int
    alias: str
    created: bool
    took_ms: float
    phases: dict[str, float]


async def deploy(
    transport: Transport, team: str, name: str, bundle: Bundle, publish: Publish, on_event: OnEvent | None = None
) -> Deployed:
    """Raises `ImportFailed` with the user's own traceback, another `DeployError`, or `Unavailable`."""
    await _send_bundle(transport, bundle)
    async with transport.events(
        f"/v1/functions/{team}/{name}/versions",
        body=wire.encode_json(publish.model_dump(mode="json")),
        media=wire.JSON,
        timeout_s=publish.deadline_s + _GRACE_S,
    ) as batches:
        async for batch in batches:
            for event in batch:
                if event.get("event") == "error":
                    raise from_problem(event["problem"])
                if on_event is not None:
                    on_event(event)
                if event.get("event") == "live":
                    return _deployed(event)
    raise Unavailable("The connection broke during the deploy: `rayfaas versions` shows what became of it.")


def publish_of(bundle: Bundle, spec: Spec, alias: str, message: str | None) -> Publish:
    """The body of the request that publishes a bundle."""
    return Publish(
        bundle=bundle.digest,
        entry=bundle.entry,
        spec=spec,
        syntax_digest=bundle.syntax_digest,
        provenance=provenance(bundle.path, message),
        alias=alias,
    )


def provenance(path: Path, message: str | None = None) -> Provenance:
    """From which commit the code at `path` is; without git, or outside of a repository, only the rest."""
    directory = path if path.is_dir() else path.parent
    commit, is_dirty = commit_of(directory)
    remote = git(directory, "remote", "get-url", "origin") if commit else None
    return Provenance(
        git_commit=commit,
        git_dirty=is_dirty,
        git_remote=_without_credentials(remote) if remote else None,
        python=platform.python_version(),
        message=message,
    )


async def _send_bundle(transport: Transport, bundle: Bundle) -> None:
    path = f"/v1/bundles/{bundle.digest}"
    try:
        await transport.send("HEAD", path)
    except NotFound:
        await transport.send("PUT", path, body=bundle.archive, media=_ZIP, timeout_s=None)


def _deployed(event: dict[str, Any]) -> Deployed:
    return Deployed(
        function=event["function"],
        version=event["version"],
        alias=event["alias"],
        created=event["created"],
        took_ms=event["took_ms"],
        phases=event["phases"],
    )


def _without_credentials(url: str) -> str:
    """`https://user:secret@host/x` without what is before the @."""
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
