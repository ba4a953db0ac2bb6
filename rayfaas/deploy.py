"""One deploy: send the bundle if the server lacks it, publish, follow the events until the alias has moved."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from rayfaas import wire
from rayfaas.bundle import Bundle
from rayfaas.errors import AccessError, Conflict, NotFound, Unavailable, from_problem
from rayfaas.git import commit_of, git, holds
from rayfaas.later import Later
from rayfaas.names import LIVE, check_alias
from rayfaas.remembered import Remembered
from rayfaas.transport import Transport

if TYPE_CHECKING:
    from rayfaas import spec as models
    from rayfaas.spec import Provenance, Publish, Spec
else:
    models = Later("rayfaas.spec")

OnEvent = Callable[[dict[str, Any]], None]
"""Is told of each event of a deploy: `published`, `environment` (with what `changes` in it), `progress` (with `phase`
and `detail`), `live`; of those of a file also `failed` (with `detail`)."""

# How much longer than its own deadline the answer of a deploy may take.
_GRACE_S = 30.0
_ZIP = "application/zip"


@dataclass(frozen=True)
class Deployed:
    """What a deploy came to.

    `function` is `team/name`. `created` is False where this code had a version already. `took_ms` counts at the server;
    `phases` are its parts, in milliseconds. `revision` is the alias's, `replaced` the version that it led to before.
    `environment` is what is different in an environment of its own: nothing is a hit; None is the server's environment.
    """

    function: str
    version: int
    alias: str
    created: bool
    took_ms: float
    phases: dict[str, float]
    revision: int = 0
    replaced: int | None = None
    environment: list[str] | None = None


@dataclass(frozen=True)
class DeployOptions:
    """How a deploy is made. `force` goes over what somebody else deployed meanwhile, `breaking` over who is broken;
    `upgrade` resolves packages anew."""

    alias: str = LIVE
    team: str | None = None
    message: str | None = None
    force: bool = False
    breaking: bool = False
    deadline_s: float = 300.0
    upgrade: bool = False


async def deploy(
    transport: Transport, team: str, name: str, bundle: Bundle, publish: Publish, on_event: OnEvent | None = None
) -> Deployed:
    """Raises `ImportFailed` with the user's own traceback, another `DeployError`, or `Unavailable`."""
    await _send_bundle(transport, bundle)
    environment: list[str] | None = None
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
                if event.get("event") == "environment":
                    environment = event["changes"]
                if event.get("event") == "live":
                    return _deployed(event, environment)
    raise Unavailable("The connection broke during the deploy: `rayfaas versions` shows what became of it.")


async def deploy_over(
    transport: Transport,
    remembered: Remembered | None,
    team: str,
    name: str,
    bundle: Bundle,
    publish: Publish,
    on_event: OnEvent | None = None,
) -> Deployed:
    """Deploy over what this user last knew of the alias, and remember what it leads to then.

    What somebody else deployed meanwhile from a commit that is in the history of this code too is no `Conflict`.
    """
    if remembered is None:
        return await deploy(transport, team, name, bundle, publish, on_event)
    target = f"{team}/{name}@{publish.alias}"
    publish = publish.model_copy(update={"expected": remembered.revision(transport.url, target)})
    try:
        deployed = await deploy(transport, team, name, bundle, publish, on_event)
    except Conflict as conflict:
        if not _is_held(bundle.path, conflict):
            raise
        publish = publish.model_copy(update={"expected": conflict.extra.get("revision")})
        deployed = await deploy(transport, team, name, bundle, publish, on_event)
    if deployed.revision:
        remembered.remember(transport.url, target, deployed.revision)
    return deployed


def _is_held(path: Path, conflict: Conflict) -> bool:
    """Whether the code at `path` has in it what the other deploy was made of: all of that is in a commit."""
    commit = conflict.extra.get("git_commit")
    if (
        not conflict.extra.get("deployed")
        or conflict.extra.get("git_dirty") is not False
        or not isinstance(commit, str)
    ):
        return False
    return holds(path if path.is_dir() else path.parent, commit)


def publish_of(bundle: Bundle, spec: Spec, options: DeployOptions) -> Publish:
    """The body of the request that publishes a bundle."""
    return models.Publish(
        bundle=bundle.digest,
        entry=bundle.entry,
        spec=spec,
        syntax_digest=bundle.syntax_digest,
        provenance=provenance(bundle.path, options.message),
        alias=check_alias(options.alias),
        deadline_s=options.deadline_s,
        breaking=options.breaking,
        upgrade=options.upgrade,
    )


def provenance(path: Path, message: str | None = None) -> Provenance:
    """From which commit the code at `path` is; without git, or outside of a repository, only the rest."""
    directory = path if path.is_dir() else path.parent
    commit, is_dirty = commit_of(directory)
    remote = git(directory, "remote", "get-url", "origin") if commit else None
    return models.Provenance(
        git_commit=commit,
        git_dirty=is_dirty,
        git_remote=_without_credentials(remote) if remote else None,
        python=platform.python_version(),
        message=message,
    )


def told(deployed: Deployed) -> str:
    """A deploy in one line; one with an environment of its own in two."""
    same = "" if deployed.created else " (unchanged code)"
    was = f", it was {deployed.replaced}" if deployed.replaced not in (None, deployed.version) else ""
    target = f"{deployed.function}:{deployed.version}"
    line = f"{target} is {deployed.alias}{same}{was}, after {deployed.took_ms:.0f} ms"
    if deployed.environment is None:
        return line
    return f"{line}\n  environment: {', '.join(deployed.environment) or 'hit'}"


async def _send_bundle(transport: Transport, bundle: Bundle) -> None:
    path = f"/v1/bundles/{bundle.digest}"
    try:
        await transport.send("HEAD", path)
        return
    except NotFound:
        body = bundle.archive
    except AccessError:
        body = b""  # is refused as well, with the reason, for which an answer to HEAD has no place
    await transport.send("PUT", path, body=body, media=_ZIP, timeout_s=None)


def _deployed(event: dict[str, Any], environment: list[str] | None) -> Deployed:
    return Deployed(
        function=event["function"],
        version=event["version"],
        alias=event["alias"],
        created=event["created"],
        took_ms=event["took_ms"],
        phases=event["phases"],
        revision=event.get("revision", 0),
        replaced=event.get("replaced"),
        environment=environment,
    )


def _without_credentials(url: str) -> str:
    """`https://user:secret@host/x` without what is before the @."""
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
