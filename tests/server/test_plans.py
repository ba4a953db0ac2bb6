"""A plan tells what a deploy would change, reuse and take, and changes nothing."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.server.journals import Journals
from rayfaas.server.plans import Plans
from rayfaas.server.store import Store
from rayfaas.spec import Planned, Provenance, Shape, Spec
from tests.server.parts import member
from tests.server.test_deploys import Server
from tests.server.test_guard import called


@pytest.fixture
async def server(home: Home, store: Store) -> Server:
    server = Server(home, store)
    await server.fleet.join(member(server.warm))
    return server


def digests(files: dict[str, str]) -> dict[str, str]:
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}


def bundle(server: Server, files: dict[str, str]) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    server.bundles.put(digest, buffer.getvalue())
    return digest


async def plan(server: Server, files: dict[str, str], **changes: Any) -> dict[str, Any]:
    publish = server.request("ignored", **{"bundle": bundle(server, files), **changes})
    plans = Plans(server.store, server.bundles, server.fleet, Journals(server.store).load)
    return await plans.plan("red", "f", Planned(publish=publish, files=digests(files)))


OLD = {"a.py": "1", "b.py": "1"}
NEW = {"b.py": "2", "c.py": "1"}


async def test_the_first_deploy_has_nothing_before_it(server: Server) -> None:
    found = await plan(server, OLD)
    assert (found["before"], found["revision"], found["created"], found["version"]) == (None, 0, True, None)
    assert (found["callers"], found["settings"]) == ([], [])
    assert found["expected"] == {"seconds": None, "deploys": 0, "of": "all"}
    assert await server.states() == []


async def test_what_changes_and_what_is_reused_is_told(server: Server) -> None:
    await server.deploy("x", bundle=bundle(server, OLD), provenance=Provenance(git_commit="c0ffee", message="why"))
    spec = Spec(timeout_s=7, shape=Shape(gpus=1))
    found = await plan(server, NEW, spec=spec)
    before = found["before"]
    assert (before["version"], before["by"], before["git_commit"], before["message"]) == (1, "ann", "c0ffee", "why")
    assert found["files"] == {"added": ("c.py",), "removed": ("a.py",), "changed": ("b.py",)}
    assert {each["field"]: each["after"] for each in found["settings"]} == {"timeout_s": 7.0, "shape.gpus": 1.0}
    reused = {key: found[key] for key in ("bundle_known", "environment_known", "shape_known", "created", "starts")}
    assert reused == {
        "bundle_known": True, "environment_known": True, "shape_known": False, "created": True, "starts": True,
    }  # fmt: skip
    assert (found["revision"], found["expected"]["deploys"], found["expected"]["of"]) == (1, 1, "function")
    assert found["expected"]["seconds"] > 0


async def test_identical_content_is_the_version_that_exists(server: Server) -> None:
    await server.deploy("x", bundle=bundle(server, OLD))
    found = await plan(server, OLD)
    assert (found["version"], found["created"], found["starts"]) == (1, False, False)


async def test_who_called_it_lately_is_told(server: Server, home: Home) -> None:
    await server.deploy("x", bundle=bundle(server, OLD))
    for principal, days_ago in (("eva", 1), ("eva", 2), ("bob", 3), ("zoe", 31)):
        called(home, days_ago, principal=principal, team="blue")
    found = await plan(server, NEW)
    assert [(each["principal"], each["team"], each["calls"]) for each in found["callers"]] == [
        ("eva", "blue", 2),
        ("bob", "blue", 1),
    ]


async def test_a_bundle_that_is_gone_or_no_archive_has_no_files(server: Server) -> None:
    await server.deploy("no archive")
    assert (await plan(server, NEW))["files"]["added"] == ("b.py", "c.py")
