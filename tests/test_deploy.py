"""A deploy sends a bundle only where it is not known, follows its events to the end, and tells its commit."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rayfaas.bundle import Bundle, bundle_file
from rayfaas.config import ClientConfig
from rayfaas.deploy import Deployed, DeployOptions, deploy, deploy_over, provenance, publish_of
from rayfaas.errors import (
    AccessError,
    BodyTooLarge,
    Conflict,
    DeployTimeout,
    Forbidden,
    ImportFailed,
    ProtocolError,
    RayfaasError,
    Unauthenticated,
    Unavailable,
    to_problem,
)
from rayfaas.remembered import Remembered
from rayfaas.spec import Publish, Spec
from rayfaas.transport import Transport
from tests.scripted_server import Handler, Reply, Request, ScriptedServer, refusing, routes, streaming

LIVE = {
    "event": "live",
    "function": "t/f",
    "version": 3,
    "alias": "live",
    "created": True,
    "took_ms": 12.5,
    "phases": {"import": 9.0},
}
VERSIONS = "POST /v1/functions/t/f/versions"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    (tmp_path / "service.py").write_text("import rayfaas\n@rayfaas.function\ndef f(): ...\n")
    return bundle_file(tmp_path / "service.py", "f")


@asynccontextmanager
async def talking(table: dict[str, Any], bundle: Bundle) -> AsyncIterator[tuple[Transport, ScriptedServer]]:
    """A server that knows the bundle if the table does not say otherwise."""
    known: dict[str, Any] = {f"HEAD /v1/bundles/{bundle.digest}": {}}
    with ScriptedServer(routes({**known, **table})) as server:
        transport = Transport(ClientConfig(server.url, "rf_x"))
        try:
            yield transport, server
        finally:
            await transport.aclose()


async def unknown(_: Request, reply: Reply) -> None:
    await reply.send(404)


async def deployed(handler: Handler, bundle: Bundle, **options: Any) -> Deployed:
    async with talking({VERSIONS: handler}, bundle) as (transport, _):
        return await deploy(transport, "t", "f", bundle, publish_of(bundle, Spec(), DeployOptions()), **options)


async def test_a_bundle_that_the_server_lacks_is_sent_whole(bundle: Bundle) -> None:
    path = f"/v1/bundles/{bundle.digest}"
    async with talking({f"HEAD {path}": unknown, f"PUT {path}": {}, VERSIONS: streaming(LIVE)}, bundle) as (
        transport,
        server,
    ):
        await deploy(transport, "t", "f", bundle, publish_of(bundle, Spec(), DeployOptions()))
    assert [request.method for request in server.requests] == ["HEAD", "PUT", "POST"]
    assert server.requests[1].body == bundle.archive
    assert server.requests[1].headers["content-type"] == "application/zip"


async def test_a_bundle_that_is_known_is_not_sent_again(bundle: Bundle) -> None:
    async with talking({VERSIONS: streaming(LIVE)}, bundle) as (transport, server):
        await deploy(
            transport, "t", "f", bundle, publish_of(bundle, Spec(timeout_s=7), DeployOptions("prod", message="why"))
        )
    assert [request.method for request in server.requests] == ["HEAD", "POST"]
    published = Publish.model_validate_json(server.requests[1].body)
    assert (published.bundle, published.syntax_digest, published.entry) == (
        bundle.digest,
        bundle.syntax_digest,
        bundle.entry,
    )
    assert (published.alias, published.provenance.message, published.spec.timeout_s) == ("prod", "why", 7.0)


async def test_what_it_came_to_is_told_and_so_is_what_happens_on_the_way(bundle: Bundle) -> None:
    events = [{"event": "published", "version": 3}, {"event": "progress", "phase": "environment"}, LIVE]
    told: list[dict[str, Any]] = []
    came = await deployed(streaming(*events), bundle, on_event=told.append)
    assert came == Deployed("t/f", 3, "live", True, 12.5, {"import": 9.0})
    assert told == events


async def test_code_that_does_not_import_there_is_the_users_own_traceback(bundle: Bundle) -> None:
    problem = to_problem(ImportFailed("No module named 'x'", traceback='File "service.py", line 1'))
    with pytest.raises(ImportFailed, match=r"line 1") as caught:
        await deployed(streaming({"event": "published"}, {"event": "error", "problem": problem}), bundle)
    assert caught.value.detail == "No module named 'x'"


async def test_a_deploy_that_is_refused_is_its_error(bundle: Bundle) -> None:
    with pytest.raises(AccessError, match="not yours"):
        await deployed(refusing(Forbidden("not yours")), bundle)
    with pytest.raises(DeployTimeout, match="too slow"):
        await deployed(refusing(DeployTimeout("too slow")), bundle)


async def test_a_deploy_whose_events_end_before_it_is_live_is_not_known_to_have_happened(bundle: Bundle) -> None:
    with pytest.raises(Unavailable, match="`rayfaas versions` shows what became of it"):
        await deployed(streaming({"event": "published"}), bundle)


async def test_a_connection_that_breaks_during_a_deploy_is_unavailable_and_nothing_is_sent_twice(
    bundle: Bundle,
) -> None:
    async def dies(_: Request, reply: Reply) -> None:
        await reply.begin()
        await reply.events({"event": "published"})
        await reply.hang_up()

    async with talking({VERSIONS: dies}, bundle) as (transport, server):
        with pytest.raises(Unavailable):
            await deploy(transport, "t", "f", bundle, publish_of(bundle, Spec(), DeployOptions()))
    assert [request.method for request in server.requests] == ["HEAD", "POST"]


async def test_a_bundle_that_is_refused_is_not_published(bundle: Bundle) -> None:
    digest = bundle.digest
    table = {f"HEAD /v1/bundles/{digest}": unknown, f"PUT /v1/bundles/{digest}": refusing(BodyTooLarge("too big"))}
    async with talking(table, bundle) as (transport, server):
        with pytest.raises(BodyTooLarge, match="too big"):
            await deploy(transport, "t", "f", bundle, publish_of(bundle, Spec(), DeployOptions()))
    assert [request.method for request in server.requests] == ["HEAD", "PUT"]


@pytest.mark.parametrize("refusal", [Unauthenticated("The token has expired."), Forbidden("This needs deployer.")])
async def test_who_may_not_deploy_is_told_why_and_sends_no_code(bundle: Bundle, refusal: RayfaasError) -> None:
    async def without_a_body(_: Request, reply: Reply) -> None:
        await reply.send(refusal.status)

    path = f"/v1/bundles/{bundle.digest}"
    table = {f"HEAD {path}": without_a_body, f"PUT {path}": refusing(refusal)}
    async with talking(table, bundle) as (transport, server):
        with pytest.raises(type(refusal), match=re.escape(refusal.detail)):
            await deploy(transport, "t", "f", bundle, publish_of(bundle, Spec(), DeployOptions()))
    assert [(request.method, request.body) for request in server.requests] == [("HEAD", b""), ("PUT", b"")]


async def test_a_server_that_is_no_rayfaas_is_told_at_the_first_request(bundle: Bundle) -> None:
    async def nginx(_: Request, reply: Reply) -> None:
        await reply.send(405, b"<html>", {"Content-Type": "text/html"})

    async with talking({f"HEAD /v1/bundles/{bundle.digest}": nginx}, bundle) as (transport, server):
        with pytest.raises(ProtocolError, match="405"):
            await deploy(transport, "t", "f", bundle, publish_of(bundle, Spec(), DeployOptions()))
    assert len(server.requests) == 1


# Where the code is from


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "service.py").write_text("x = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "service.py")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


def test_a_commit_and_whether_files_differ_from_it_are_told(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    clean = provenance(repository / "service.py", "why")
    assert (clean.git_commit, clean.git_dirty, clean.git_remote, clean.message) == (commit, False, None, "why")
    assert clean.python == platform.python_version()
    (repository / "untracked.txt").write_text("1")
    assert provenance(repository).git_dirty is False
    (repository / "service.py").write_text("x = 2\n")
    assert provenance(repository / "service.py").git_dirty is True


def test_a_directory_outside_of_a_repository_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = provenance(tmp_path)
    assert (found.git_commit, found.git_dirty, found.git_remote) == (None, None, None)


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert provenance(tmp_path).git_commit is None


def test_a_machine_without_git_deploys_all_the_same(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert provenance(repository).git_commit is None


@pytest.mark.parametrize(
    ("remote", "told"),
    [
        ("https://ada:secret@example.org/x.git", "https://example.org/x.git"),
        ("https://ghp_secret@example.org:8443/x.git", "https://example.org:8443/x.git"),
        ("https://ada:se@cret@example.org/x.git", "https://example.org/x.git"),
        ("https://example.org/x.git", "https://example.org/x.git"),
        ("git@example.org:team/x.git", "git@example.org:team/x.git"),
        ("/srv/git/x@y.git", "/srv/git/x@y.git"),
    ],
)
def test_no_credentials_of_a_remote_are_told(repository: Path, remote: str, told: str) -> None:
    git(repository, "remote", "add", "origin", remote)
    assert provenance(repository).git_remote == told


# Two people at once


def went_live(revision: int) -> Handler:
    return streaming({**LIVE, "revision": revision, "replaced": 2})


async def over(server: ScriptedServer, bundle: Bundle, remembered: Remembered | None) -> Deployed:
    transport = Transport(ClientConfig(server.url, "rf_x"))
    try:
        publish = publish_of(bundle, Spec(), DeployOptions())
        return await deploy_over(transport, remembered, "t", "f", bundle, publish)
    finally:
        await transport.aclose()


def published(server: ScriptedServer) -> list[int | None]:
    """What each request said that it was made from."""
    return [request.json()["expected"] for request in server.requests if request.method == "POST"]


async def test_a_deploy_says_what_the_last_one_from_here_came_to(bundle: Bundle, tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "home" / "deployed")
    with ScriptedServer(routes({f"HEAD /v1/bundles/{bundle.digest}": {}, VERSIONS: went_live(7)})) as server:
        assert (await over(server, bundle, remembered)).revision == 7
        assert (await over(server, bundle, remembered)).replaced == 2
        await over(server, bundle, remembered.blank())
        await over(server, bundle, None)
    assert published(server) == [None, 7, None, None]


@pytest.mark.parametrize(
    ("told", "attempts"),
    [
        ({}, 2),
        ({"git_dirty": True}, 1),
        ({"git_dirty": None}, 1),
        ({"git_commit": None}, 1),
        ({"git_commit": "0" * 40}, 1),
        ({"deployed": False}, 1),
    ],
)
async def test_what_somebody_else_deployed_from_a_commit_that_is_here_too_is_no_conflict(
    bundle: Bundle, tmp_path: Path, told: dict[str, Any], attempts: int
) -> None:
    commit = committed(bundle.path.parent)
    conflict = Conflict(
        "bob was faster", **{"revision": 9, "deployed": True, "git_commit": commit, "git_dirty": False, **told}
    )

    async def versions(request: Request, reply: Reply) -> None:
        await (went_live(10) if request.json()["expected"] == 9 else refusing(conflict))(request, reply)

    remembered = Remembered(tmp_path / "deployed")
    with ScriptedServer(routes({f"HEAD /v1/bundles/{bundle.digest}": {}, VERSIONS: versions})) as server:
        if attempts == 1:
            with pytest.raises(Conflict, match="bob was faster"):
                await over(server, bundle, remembered)
        else:
            assert (await over(server, bundle, remembered)).revision == 10
    assert published(server) == [None, 9][:attempts]


def committed(directory: Path) -> str:
    """Its commit, which has another after it."""
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x"],
        ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "y", "--allow-empty"],
    ):
        subprocess.run(["git", "-C", str(directory), *arguments], check=True)
    found = subprocess.run(["git", "-C", str(directory), "rev-parse", "HEAD~"], check=True, capture_output=True)
    return found.stdout.decode().strip()
