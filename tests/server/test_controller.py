"""The controller over real links: who a peer is follows from its key, and what it may ask for from who it is."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_of_prometheus

from rayfaas import frames
from rayfaas.cloud.machine import Machine
from rayfaas.cloud.node import Node
from rayfaas.config import Home
from rayfaas.errors import BadRequest, ImportFailed, NotFound, QueryError, RayfaasError, Unauthenticated, Unavailable
from rayfaas.frames import Kind
from rayfaas.gateway.route import no_function
from rayfaas.link import Link, Service, dial_link
from rayfaas.names import new_id
from rayfaas.registry import Registry
from rayfaas.registry.grants import AccessRow, Grants
from rayfaas.server import routing
from rayfaas.server.boot import newcomer_key
from rayfaas.server.controller import Controller
from rayfaas.server.seats import node_key
from rayfaas.worker_group import Placement, WorkerGroup
from tests.registry.builders import GATEWAY, ended, line, living_segment, segment, started
from tests.server.parts import INTERFACE, closing_database, made
from tests.waiting import eventually

ADMIN = {"principal": "root", "team": "default", "role": "admin"}


_AGENTS = ("head", "ensure", "wake", "drain_node", "leave")


class Cluster:
    """A supervisor's or a gateway's side of a link; what it was asked and told is in `heard`."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.heard: list[tuple[str, dict[str, Any]]] = []
        methods = ("spawn", "drain", "set_gateways", "load", "nodes", "applications", "refuse", "executor_ended")
        self.service = Service({name: self._method(name) for name in (*methods, *_AGENTS, "held", "resume")})

    def _method(self, name: str) -> Any:
        async def answer(link: Link, **parameters: Any) -> Any:
            self.heard.append((name, parameters))
            answer = self.answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            if answer is None:
                return made() if name == "spawn" else {} if name == "applications" else None
            return answer

        return answer

    def heard_of(self, method: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.heard if name == method]


class Running:
    """A controller that serves, and the peers that dialled it."""

    def __init__(self, home: Home, registry: Registry | None = None) -> None:
        self.home = home
        self.registry = registry or Registry.open(home.database, home.journal)
        self.controller = self.make(self.registry)
        self.links: list[Link] = []
        self._polling: list[asyncio.Future[None]] = []
        self._stop = asyncio.Event()
        self._serving = asyncio.ensure_future(self.controller.serve(self._stop))

    def make(self, registry: Registry) -> Controller:
        return Controller(self.home, registry)

    async def up(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not self._serving.done():
            try:
                await self.dial({"role": "home"})
                return
            except OSError:
                await asyncio.sleep(0.002)
        raise AssertionError("the controller does not come up")

    async def down(self) -> None:
        for link in self.links:
            link.abort()
            await link.closed
        await asyncio.gather(*self._polling)
        with closing_database():
            self._stop.set()
            await self._serving

    async def dial(self, identity: dict[str, Any], key: bytes | None = None, peer: Cluster | None = None) -> Link:
        key = self.home.key_file.read_bytes() if key is None else key
        service = (peer or Cluster()).service
        link = await dial_link(self.home.controller_address, identity, key, service)
        self.links.append(link)
        return link

    async def gateway(self, peer: Cluster | None = None, slot: int = 0) -> Link:
        identity = {"role": "gateway", "name": f"gateway-{slot}", "instance": GATEWAY, "pid": 1}
        link = await self.dial({**identity, "executor_address": f"unix:/run/gateway-{slot}"}, peer=peer)
        self._polling.append(asyncio.ensure_future(_keep_polling(link)))
        return link

    async def join(self, cluster: str = "lab") -> bytes:
        """The session key of a cluster that has joined."""
        home = await self.dial({"role": "home"})
        token = await home.request("join_token", cluster=cluster)
        joining = await self.dial({"role": "join", "join": token["id"]}, token["secret"])
        joined = await joining.request("join")
        assert joined["cluster"] == cluster
        return bytes(joined["session_key"])

    async def supervisor(self, peer: Cluster, key: bytes | None = None, **changes: Any) -> Link:
        key = key or await self.join()
        link = await self.dial({"role": "supervisor", "cluster": "lab"}, key, peer)
        up = {"replica": "r", "node": "n", "application": "warm", "environment": "e1", "hosted": []}
        await link.request("supervisor_up", **{**up, **changes})
        return link


async def _keep_polling(link: Link) -> None:
    """As a gateway does: what changes is in force there at once, and who waits for that goes on."""
    since = 0
    with contextlib.suppress(Unavailable):
        while True:
            since = (await link.request("poll", since=since))["revision"]


@asynccontextmanager
async def running(home: Home, registry: Registry | None = None) -> AsyncIterator[Running]:
    server = Running(home, registry)
    await server.up()
    yield server
    await server.down()


@pytest.fixture
async def server(home: Home, registry: Registry) -> AsyncIterator[Running]:
    async with running(home, registry) as server:
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a gateway that does not poll again for an instant only."""
    monkeypatch.setattr(routing, "APPLY_S", 0.01)


async def deploy(gateway: Link, content: bytes = b"zip", **changes: Any) -> list[Any]:
    digest = hashlib.sha256(content).hexdigest()
    await gateway.request("put_bundle", digest=digest, archive=content, actor="ann")
    publish = {"bundle": digest, "entry": {"kind": "module", "module": "m", "name": "f"}, **changes}
    return [event async for event in gateway.stream("publish", team="red", name="f", publish=publish, actor="ann")]


# Who is who


async def test_without_the_key_nobody_is_anybody(server: Running) -> None:
    nobody: list[dict[str, Any]] = [
        {"role": "gateway"},
        {"role": "home"},
        {"role": "agent", "cluster": "lab"},
        {"role": "supervisor", "cluster": "lab"},
        {"role": "join", "join": "018f0000-0000-7000-8000-000000000000"},
        {"role": "controller"},
        {"role": "admin"},
        {"role": ["gateway"]},
        {"role": None},
        {},
    ]
    for identity in nobody:
        for key in (b"", b"\0" * 32, b"guess"):
            with pytest.raises(Unauthenticated):
                await server.dial(identity, key)


async def test_a_key_proves_its_own_role_and_cluster_and_no_other(server: Running) -> None:
    lab, attic = await server.join("lab"), await server.join("attic")
    home = await server.dial({"role": "home"})
    token = await home.request("join_token", cluster="next")
    refused: list[tuple[dict[str, Any], bytes | None]] = [
        ({"role": "gateway", "executor_address": "x"}, lab),
        ({"role": "home"}, lab),
        ({"role": "supervisor", "cluster": "lab"}, attic),
        ({"role": "agent", "cluster": "attic"}, lab),
        ({"role": "supervisor", "cluster": "nowhere"}, lab),
        ({"role": "supervisor"}, lab),
        ({"role": "supervisor", "cluster": "lab"}, None),
        ({"role": "agent", "cluster": "lab"}, None),
        ({"role": "join", "join": token["id"]}, None),
        ({"role": "join", "join": token["id"]}, lab),
        ({"role": "home"}, token["secret"]),
        ({"role": "supervisor", "cluster": "next"}, token["secret"]),
    ]
    for identity, key in refused:
        with pytest.raises(Unauthenticated):
            await server.dial(identity, key)
    for cluster, key in (("lab", lab), ("attic", attic)):
        await server.dial({"role": "supervisor", "cluster": cluster}, key)


async def test_a_request_before_the_handshake_is_not_answered(server: Running) -> None:
    reader, writer = await asyncio.open_unix_connection(str(server.home.controller_socket))
    parameters = {"principal": "eve", "team": "red", "role": "admin", "expires_in_s": None, "actor": "eve"}
    header = frames.encode_header({"method": "create_token"})
    writer.write(frames.encode(Kind.CALL, 1, header, msgspec.msgpack.encode(parameters)))
    messages = frames.Decoder().feed(await reader.read())
    writer.close()
    await writer.wait_closed()
    assert [message.kind for message in messages] == [Kind.HELLO, Kind.ERROR]
    assert await (await server.gateway()).request("tokens") == []


async def test_who_speaks_another_protocol_is_hung_up_on_and_nobody_else(server: Running) -> None:
    gateway = await server.gateway()
    for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b"\0" * 100):
        reader, writer = await asyncio.open_unix_connection(str(server.home.controller_socket))
        writer.write(noise)
        messages = frames.Decoder().feed(await asyncio.wait_for(reader.read(), 20))
        assert [message.kind for message in messages] == [Kind.HELLO, Kind.ERROR]
        writer.close()
        await writer.wait_closed()
    assert (await gateway.request("status"))["gateways"] == [{"name": "gateway-0", "pid": 1}]


# Who may do what

CONTROL_PLANE = {
    "poll", "load", "demand", "status", "has_bundle", "put_bundle", "publish", "move_alias", "functions", "function",
    "rollback", "alias_at", "aliases", "alias_history", "begin_canary", "canary", "abort_canary",
    "version", "version_bundle", "plan", "lineage", "scale", "delete", "why_miss",
    "versions", "interfaces", "sql", "export", "read_export", "usage", "metrics", "logs", "log_lines", "tokens",
    "create_token", "revoke_token", "artifacts", "artifact", "move_artifact",
    "reserve", "kept",
    "rotate_token", "teams", "team", "set_member", "remove_member", "protections", "protect", "unprotect",
    "release", "call", "outcome", "replay", "cancel_call", "type", "invite", "clusters", "remove_cluster", "nodes",
    "invite_gateway", "gateways", "remove_gateway",
    "schedules", "set_schedule", "remove_schedule", "suspend_schedule", "resume_schedule",
    "drain_node", "secrets", "set_secret", "delete_secret", "environments",
    "access", "set_access", "grant", "revoke_grant", "limits", "set_limit", "drop_limit",
    "deprecation", "deprecate", "end_deprecation",
}  # fmt: skip
MACHINES = {"start_cluster", "stop_cluster", "groups", "set_group", "delete_group", "warm", "hold_node", "end_node"}
ALARMS = {"alarm_webhook", "set_alarm_webhook", "drop_alarm_webhook"}
MAY = {
    "gateway": CONTROL_PLANE | MACHINES | ALARMS,
    "home": {"join_token", "status", "create_token", "backup"},
    "head": {"join_token", "head_is"},
    "join": {"join"},
    "join_gateway": {"join_gateway"},
    "agent": {"agent_up"},
    "supervisor": {"supervisor_up", "executor_ended", "leaving", "bundle"},
    "newcomer": {"enter"},
    "node": {"node_up", "beat", "taken_back"},
}


async def dial_as(server: Running, role: str) -> Link:
    if role == "gateway":
        return await server.gateway()
    if role in ("home", "head"):
        return await server.dial({"role": role})
    if role == "join":
        token = await (await server.dial({"role": "home"})).request("join_token", cluster="lab")
        return await server.dial({"role": "join", "join": token["id"]}, token["secret"])
    if role == "join_gateway":
        token_id, secret = server.registry.gateways.create_token("edge", "root")
        return await server.dial({"role": role, "join": token_id}, secret)
    if role in ("newcomer", "node"):
        node, key = await await_machine(server), server.home.key_file.read_bytes()
        prove = newcomer_key if role == "newcomer" else node_key
        return await server.dial({"role": role, "name": node.attempt}, prove(key, node.attempt))
    return await server.dial({"role": role, "cluster": "lab"}, await server.join())


async def await_machine(server: Running, cluster: str = "lab", **changes: Any) -> Node:
    """Have the keeper wait for a machine that boots."""
    machines = server.controller.parts.machines
    group = WorkerGroup(cluster=cluster, name="gpu", gpus=1, placements=(Placement(provider="memory"),))
    machines._keeper.groups = {(cluster, "gpu"): group}
    now = time.time()
    node = Node(
        id="n1", name="gpu-1", cluster=cluster, group="gpu", attempt="a1", provider="memory", machine=Machine("gpu"),
        made_at=now, changed_at=now, boot_at=now, sent=True, instance="i-1", state="BOOTING",
    )  # fmt: skip
    return await asyncio.to_thread(machines._book.save, msgspec.structs.replace(node, **changes))


async def refusal(link: Link, method: str) -> RayfaasError:
    """Ask with a parameter that no method has."""
    with pytest.raises(RayfaasError) as refused:
        _ = [item async for item in link.stream(method, no_such_parameter=1)]
    return refused.value


@pytest.mark.parametrize("role", MAY)
async def test_each_role_may_ask_for_its_own_methods_and_for_no_other(
    server: Running, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    link = await dial_as(server, role)
    answers = {method: await refusal(link, method) for method in server.controller.peers.methods}
    assert {method for method, error in answers.items() if "TypeError" in error.detail} == MAY[role]
    assert {method for method, error in answers.items() if isinstance(error, NotFound)} == set(answers) - MAY[role]
    assert set(answers) == set().union(*MAY.values())


async def test_a_supervisor_can_not_publish(server: Running) -> None:
    supervisor = await server.supervisor(Cluster())
    with pytest.raises(NotFound, match="no method 'put_bundle'"):
        await deploy(supervisor)
    for method in ("sql", "create_token", "join_token", "tokens", "publish", "__init__", "on_close", ""):
        with pytest.raises(NotFound, match="no method"):
            await supervisor.request(method)
    gateway = await server.gateway()
    assert (await gateway.request("functions"), await gateway.request("tokens")) == ([], [])


# Joining


async def test_a_join_token_lets_one_cluster_join_once(server: Running) -> None:
    home = await server.dial({"role": "home"})
    token = await home.request("join_token", cluster="lab")
    joining = [await server.dial({"role": "join", "join": token["id"]}, token["secret"]) for _ in range(3)]
    answers = await asyncio.gather(*(link.request("join") for link in joining), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Unauthenticated", "Unauthenticated", "dict"]
    with pytest.raises(Unauthenticated):
        await server.dial({"role": "join", "join": token["id"]}, token["secret"])


async def test_gateways_learn_of_a_cluster_that_joins(server: Running, impatient: None) -> None:
    gateway = await server.gateway()
    first = await gateway.request("poll", since=0)
    polling = asyncio.ensure_future(gateway.request("poll", since=first["revision"]))
    key = await server.join()
    assert (await polling)["sessions"] == {"lab": key}


async def test_a_cluster_that_joined_may_come_back_after_a_restart(home: Home) -> None:
    async with running(home) as first:
        key = await first.join()
    async with running(home) as second:
        await second.supervisor(Cluster(), key)
        assert (await (await second.gateway()).request("poll", since=0))["sessions"] == {"lab": key}


# Tokens


async def test_a_token_is_known_to_gateways_by_its_digest_when_it_is_made_and_not_after_it_is_revoked(
    server: Running, impatient: None
) -> None:
    gateway = await server.gateway()
    fields: dict[str, Any] = {"principal": "ann", "team": "red", "role": "viewer", "actor": "root"}
    made = await gateway.request("create_token", **fields, expires_in_s=60)
    told = await gateway.request("poll", since=0)
    (token,) = told["tokens"]
    assert token["digest"] == hashlib.sha256(made["token"].encode()).hexdigest()
    assert (token["principal"], token["team"], token["role"]) == ("ann", "red", "viewer")
    (listed,) = await gateway.request("tokens")
    assert listed["id"] == made["id"]
    assert token["digest"] not in str(listed)
    assert made["token"] not in f"{listed} {told}"
    await gateway.request("revoke_token", token_id=made["id"], actor="root")
    assert (await gateway.request("poll", since=told["revision"]))["tokens"] == []
    with pytest.raises(NotFound):
        await gateway.request("revoke_token", token_id=made["id"], actor="root")


async def test_tokens_outlive_a_restart(home: Home) -> None:
    async with running(home) as first:
        link = await first.dial({"role": "home"})
        fields: dict[str, Any] = {
            "principal": "ann",
            "team": "red",
            "role": "viewer",
            "actor": "root",
            "expires_in_s": None,
        }
        made = await link.request("create_token", **fields)
    async with running(home) as second:
        (token,) = (await (await second.gateway()).request("poll", since=0))["tokens"]
    assert token["digest"] == hashlib.sha256(made["token"].encode()).hexdigest()
    assert token["expires_at"] is None


# Deploying and calling


async def test_a_deploy_goes_from_a_gateway_through_a_supervisor_and_back(server: Running) -> None:
    gateway, peer = await server.gateway(), Cluster()
    supervisor = await server.supervisor(peer)
    events = await deploy(gateway)
    assert [event["event"] for event in events] == ["published", "live"]
    (order,) = [parameters["version"] for parameters in peer.heard_of("spawn")]
    assert (order["function"], order["version"], order["entry_module"]) == ("red/f", 1, "m")
    assert await supervisor.request("bundle", digest=order["bundle"]) == b"zip"
    (route,) = (await gateway.request("poll", since=0))["functions"]
    assert route["aliases"] == {"live": {"version": 1, "revision": 1}}
    assert (await gateway.request("function", team="red", name="f"))["created_by"] == "ann"
    (version,) = await gateway.request("versions", team="red", name="f")
    assert (version["state"], version["interface"]) == ("ACTIVE", INTERFACE)
    assert [(row["alias"], row["interface"]) for row in await gateway.request("interfaces")] == [("live", INTERFACE)]


async def test_what_was_deployed_is_routed_after_a_restart(home: Home, impatient: None) -> None:
    async with running(home) as first:
        await first.supervisor(Cluster())
        await deploy(await first.gateway())
    async with running(home) as second:
        gateway = await second.gateway()
        (route,) = (await gateway.request("poll", since=0))["functions"]
        assert (route["name"], route["aliases"]) == ("f", {"live": {"version": 1, "revision": 1}})
        moved = await gateway.request(
            "move_alias", team="red", name="f", alias="prod", move={"version": 1}, actor="ann"
        )
        assert moved["revision"] == 1


async def test_an_import_that_fails_in_a_supervisor_is_told_as_it_was_raised(server: Running) -> None:
    gateway = await server.gateway()
    await server.supervisor(Cluster(spawn=ImportFailed("no module named nmpy", traceback="Traceback: …")))
    with pytest.raises(ImportFailed, match="nmpy") as failed:
        await deploy(gateway)
    assert failed.value.extra["traceback"] == "Traceback: …"
    question: dict[str, Any] = {"sql": "SELECT state, failure FROM versions", "parameters": [], "actor": ADMIN}
    assert (await gateway.request("sql", **question))["rows"] == [["FAILED", "no module named nmpy"]]
    assert (await gateway.request("poll", since=0))["functions"] == []


async def test_a_deploy_that_is_not_valid_is_refused_with_its_faults(server: Running) -> None:
    gateway = await server.gateway()
    invalid: list[dict[str, Any]] = [
        {"bundle": "../../etc/passwd"},
        {"bundle": "A" * 64},
        {"bundle": None},
        {"entry": {"module": "m"}},
        {"entry": {"kind": "shell", "module": "m", "name": "f"}},
        {"spec": {"timeout_s": -1}},
        {"spec": {"concurrency": 10**9}},
        {"spec": {"shape": {"cpus": float("nan")}}},
        {"spec": {"scaling": {"max_replicas": 0}}},
        {"deadline_s": 0},
        {"unknown": 1},
    ]
    for changes in invalid:
        with pytest.raises(BadRequest) as refused:
            await deploy(gateway, **changes)
        assert refused.value.extra["errors"][0]["loc"][0] == next(iter(changes))
    assert await gateway.request("functions") == []


async def test_a_bundle_that_was_cut_off_is_refused(server: Running) -> None:
    gateway = await server.gateway()
    digest = hashlib.sha256(b"whole").hexdigest()
    with pytest.raises(BadRequest, match="SHA-256"):
        await gateway.request("put_bundle", digest=digest, archive=b"who", actor="ann")
    assert await gateway.request("has_bundle", digest=digest, actor="ann") is False


async def test_a_bundle_is_there_for_who_sent_it_for_teams_that_deployed_it_and_for_admins(server: Running) -> None:
    """Or whoever knows a digest, which everybody sees of a version, could deploy the code as theirs and read it."""
    gateway = await server.gateway()
    await server.supervisor(Cluster())
    await deploy(gateway, b"zip")
    digest = hashlib.sha256(b"zip").hexdigest()
    red, blue = {"red": "deployer"}, {"blue": "deployer"}

    async def has(actor: str, rights: dict[str, str]) -> bool:
        return bool(await gateway.request("has_bundle", digest=digest, actor=actor, rights=rights))

    assert [await has("eve", rights) for rights in (red, blue, {"red": "viewer"}, {"ops": "admin"}, {})] == [
        True, False, False, True, False,
    ]  # fmt: skip
    theft = {"bundle": digest, "entry": {"kind": "module", "module": "m", "name": "f"}}
    with pytest.raises(NotFound, match="send it first"):
        await anext(gateway.stream("publish", team="blue", name="f", publish=theft, actor="eve", rights=blue))
    await gateway.request("put_bundle", digest=digest, archive=b"zip", actor="eve")
    assert await has("eve", blue)


async def test_a_call_that_waits_has_its_version_started_where_it_was_deployed(home: Home) -> None:
    async with running(home) as first:
        await first.supervisor(Cluster())
        await deploy(await first.gateway())
    async with running(home) as second:
        peer = Cluster()
        await second.supervisor(peer)
        (await second.gateway()).notify("demand", key="red/f:1")
        await eventually(lambda: peer.heard_of("spawn"))


async def test_gateways_are_told_when_no_executor_will_come(server: Running) -> None:
    peers = [Cluster(), Cluster()]
    gateways = [await server.gateway(peer, slot) for slot, peer in enumerate(peers)]
    peer = Cluster()
    supervisor = await server.supervisor(peer)
    await deploy(gateways[0])
    executor = (await gateways[0].request("status"))["replicas"][0]["hosted"]
    assert executor == {"red/f:1": 1}
    supervisor.abort()
    await eventually(lambda: not supervisor.is_open)
    await server.supervisor(Cluster(spawn=ImportFailed("no module named nmpy")), await server.join())
    gateways[0].notify("demand", key="red/f:1")
    await eventually(lambda: all(peer.heard_of("refuse") for peer in peers))
    (refused,) = peers[1].heard_of("refuse")
    assert (refused["key"], refused["problem"]["code"]) == ("red/f:1", "import_failed")


# Supervisors


async def test_supervisors_are_told_where_the_gateways_are_now_and_whenever_one_comes(server: Running) -> None:
    early, late = Cluster(), Cluster()
    key = await server.join()
    await server.supervisor(early, key)
    for slot in (1, 0):
        await server.gateway(slot=slot)
    await server.supervisor(late, key)
    both = {"addresses": ["unix:/run/gateway-0", "unix:/run/gateway-1"], "away": []}
    await eventually(lambda: early.heard_of("set_gateways")[-1:] == [both])
    assert early.heard_of("set_gateways")[0] == {"addresses": [], "away": []}
    assert late.heard_of("set_gateways") == [both]


async def test_a_supervisor_that_comes_back_says_what_it_hosts_and_loses_it_when_it_goes(server: Running) -> None:
    gateway = await server.gateway()
    hosted = [{"version_key": "red/f:1", "executor": name} for name in ("a", "b")]
    supervisor = await server.supervisor(Cluster(), hosted=hosted)
    (replica,) = (await gateway.request("status"))["replicas"]
    assert (replica["cluster"], replica["application"], replica["hosted"]) == ("lab", "warm", {"red/f:1": 2})
    supervisor.abort()

    async def gone() -> None:
        while (await gateway.request("status"))["replicas"]:
            pass

    await asyncio.wait_for(gone(), 20)


async def test_gateways_are_told_how_an_executor_ended(server: Running) -> None:
    peer = Cluster()
    gateway = await server.gateway(peer)
    hosted = [{"version_key": "red/f:1", "executor": "a"}]
    supervisor = await server.supervisor(Cluster(), hosted=hosted)
    await supervisor.request("executor_ended", key="red/f:1", executor="a", death={"how": "was killed"})
    await eventually(lambda: peer.heard_of("executor_ended"))
    assert peer.heard_of("executor_ended") == [{"executor": "a", "death": {"how": "was killed"}}]
    assert (await gateway.request("status"))["replicas"][0]["hosted"] == {}


async def test_a_replica_that_is_leaving_takes_no_more_orders(server: Running) -> None:
    gateway, leaves, stays = await server.gateway(), Cluster(), Cluster()
    key = await server.join()
    supervisor = await server.supervisor(leaves, key)
    await supervisor.request("leaving")
    await server.supervisor(stays, key)
    await deploy(gateway)
    assert (leaves.heard_of("spawn"), len(stays.heard_of("spawn"))) == ([], 1)


async def test_a_supervisor_that_dies_in_a_deploy_does_not_fail_it(server: Running) -> None:
    gateway, comes = await server.gateway(), Cluster()
    key = await server.join()

    class Dies(Cluster):
        def _method(self, name: str) -> Any:
            async def die(link: Link, **_: Any) -> None:
                link.abort()

            return die if name == "spawn" else super()._method(name)

    await server.supervisor(Dies(), key)
    deploying = asyncio.ensure_future(deploy(gateway))
    await eventually(lambda: not server.links[-1].is_open)
    await server.supervisor(comes, key)
    assert (await deploying)[-1]["event"] == "live"
    assert len(comes.heard_of("spawn")) == 1


async def test_a_bundle_that_is_not_there_is_not_found(server: Running) -> None:
    supervisor = await server.supervisor(Cluster())
    with pytest.raises(NotFound):
        await supervisor.request("bundle", digest="0" * 64)


# A gateway that dies


async def test_a_change_that_is_being_written_comes_into_force_though_its_gateway_dies(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes, may_go_on, close = threading.Event(), threading.Event(), Grants.close

    def slow(grants: Grants, *of: str) -> AccessRow:
        writes.set()
        assert may_go_on.wait(20)
        return close(grants, *of)

    monkeypatch.setattr(Grants, "close", slow)
    parts = server.controller.parts
    await server.supervisor(Cluster())
    gateway = await server.gateway()
    await deploy(gateway)
    of: dict[str, Any] = {"team": "red", "name": "f", "access": "team", "actor": "ann", "reason": ""}
    asking = asyncio.ensure_future(gateway.request("set_access", **of))
    await asyncio.to_thread(writes.wait, 20)
    gateway.abort()
    with pytest.raises(Unavailable):
        await asking
    await eventually(lambda: not parts.gateways.all())
    may_go_on.set()
    await eventually(lambda: parts.catalog.existing("red/f").access.is_closed)


# Questions


async def test_what_was_recorded_before_a_question_is_in_its_answer(server: Running) -> None:
    gateway, call = await server.gateway(), started()
    with living_segment(server.home.journal, call, line("hello", call=call.call)):
        question: dict[str, Any] = {"sql": "SELECT state FROM calls WHERE call = ?", "parameters": [call.call]}
        answer = await gateway.request("sql", **question, actor=ADMIN)
        assert answer == {"columns": [{"name": "state", "type": "VARCHAR"}], "rows": [["RUNNING"]], "truncated": False}
        (row,) = await gateway.request("logs", function=None, call=call.call, limit=9, actor=ADMIN)
        assert (row["text"], row["stream"]) == ("hello", "stdout")
        assert (await gateway.request("call", call_id=call.call, actor=ADMIN))["state"] == "RUNNING"


async def test_who_is_no_admin_sees_its_own_team_only(server: Running) -> None:
    gateway = await server.gateway()
    segment(server.home.journal, started(), line("hello"))
    seen = {("red", "viewer"): 1, ("blue", "viewer"): 0, ("blue", "deployer"): 0, ("blue", "admin"): 1}
    for (team, role), rows in seen.items():
        actor = {"principal": "eve", "team": team, "role": role}
        answer = await gateway.request("sql", sql="SELECT call FROM calls", parameters=[], actor=actor)
        assert len(answer["rows"]) == rows
        usage = {"by": ["team"], "since_s": 1e9, "until_s": 0.0, "function": None, "team": None}
        assert len((await gateway.request("usage", usage=usage, actor=actor))["rows"]) == rows
        assert len(await gateway.request("logs", function=None, call=None, limit=9, actor=actor)) == rows


async def test_lines_come_in_batches_and_the_last_one_says_how_the_call_ended(server: Running) -> None:
    gateway, call = await server.gateway(), started()
    question: dict[str, Any] = {"function": None, "call": call.call, "limit": 2, "actor": ADMIN}
    with living_segment(server.home.journal, call, *(line(str(n), call=call.call) for n in range(3))):
        first = await gateway.request("log_lines", **question, after=-1)
        assert ([row["text"] for _, row in first["lines"]], first["more"], first["end"]) == (["0", "1"], True, None)
        second = await gateway.request("log_lines", **question, after=first["after"])
        assert ([row["text"] for _, row in second["lines"]], second["more"], second["end"]) == (["2"], False, None)
    segment(server.home.journal, ended(call), number=1)
    last = await gateway.request("log_lines", **question, after=second["after"])
    assert (last["lines"], last["end"]) == ([], {"call": call.call, "state": "SUCCEEDED", "code": None})


async def test_lines_of_a_call_that_the_asker_may_not_see_are_not_found(server: Running) -> None:
    gateway, call = await server.gateway(), started()
    segment(server.home.journal, call)
    eve = {"principal": "eve", "team": "blue", "role": "viewer"}
    for asked, actor in ((call.call, eve), (new_id(), ADMIN)):
        with pytest.raises(NotFound):
            await gateway.request("log_lines", function=None, call=asked, after=-1, limit=9, actor=actor)


async def test_sql_that_is_refused_is_the_askers_error(server: Running) -> None:
    gateway = await server.gateway()
    with pytest.raises(QueryError, match=r"store\.tokens"):
        await gateway.request("sql", sql="SELECT * FROM store.tokens", parameters=[], actor=ADMIN)


async def test_an_unknown_function_is_not_found(server: Running) -> None:
    gateway = await server.gateway()
    name = {"team": "red", "name": "nope"}
    questions: dict[str, dict[str, Any]] = {
        "function": name,
        "versions": name,
        "move_alias": {**name, "alias": "live", "move": {"version": 1}, "actor": "ann"},
        "rollback": {**name, "alias": "live", "message": "", "actor": "ann"},
        "aliases": name,
        "alias_history": {**name, "alias": None, "limit": 9},
        "alias_at": {**name, "alias": "live", "moment": 0.0},
        "canary": {**name, "alias": "live"},
        "begin_canary": {**name, "alias": "live", "plan": {"version": 1, "steps": [5]}, "actor": "ann"},
        "abort_canary": {**name, "alias": "live", "message": "", "actor": "ann"},
        "logs": {"function": "red/nope", "call": None, "limit": 9, "actor": ADMIN},
    }
    for method, parameters in questions.items():
        with pytest.raises(NotFound, match="red/nope"):
            await gateway.request(method, **parameters)


async def test_whoever_looks_is_told_the_same_of_every_function_that_is_not_there(server: Running) -> None:
    """As gateways say it of one that the asker may not see: another answer would tell that there is one."""
    gateway = await server.gateway()
    name = {"team": "red", "name": "nope"}
    looks: dict[str, dict[str, Any]] = {
        "function": name,
        "version": {**name, "version": 1},
        "versions": name,
        "aliases": name,
        "alias_history": {**name, "alias": "live", "limit": 9},
        "canary": {**name, "alias": "live"},
        "access": name,
        "protections": name,
        "logs": {"function": "red/nope", "call": None, "limit": 9, "actor": ADMIN},
        "log_lines": {"function": "red/nope", "call": None, "after": None, "limit": 9, "actor": ADMIN},
    }
    for method, parameters in looks.items():
        with pytest.raises(NotFound) as absent:
            await gateway.request(method, **parameters)
        assert absent.value.detail == no_function("red", "nope").detail, method


async def test_what_clusters_have_is_asked_of_their_agents(server: Running) -> None:
    gateway = await server.gateway()
    agent = await server.dial(
        {"role": "agent", "cluster": "lab"}, await server.join(), Cluster(nodes=[{"node": "n"}], applications={"a": 1})
    )
    await agent.request("agent_up")
    status = await gateway.request("status")
    assert status["clusters"] == [{"cluster": "lab", "nodes": [{"node": "n"}], "applications": {"a": 1}}]


# Its life


async def test_its_socket_is_its_owners_only_and_takes_the_place_of_a_dead_controllers(home: Home) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home.controller_socket))
    server = Running(home)
    await eventually(lambda: home.controller_socket.stat().st_mode & 0o777 == 0o600)
    await server.gateway()
    await server.down()


async def test_when_it_stops_it_loads_what_was_recorded_last(home: Home) -> None:
    call = started()
    async with running(home):
        with living_segment(home.journal, call):
            pass
    registry = Registry.open(home.database, home.journal)
    state = registry.query("SELECT state FROM calls", [], team=None).rows
    registry.close()
    assert state == [["INTERRUPTED"]]


# Figures


async def test_metrics_are_what_prometheus_reads(server: Running) -> None:
    journal = server.home.journal
    ours, theirs = started(), started(function="blue/g", owner="blue")
    segment(journal, ours, theirs, ended(ours, queue_us=300), ended(theirs, state="FAILED"))
    await server.supervisor(Cluster(), hosted=[{"version_key": "red/f:1", "executor": "e"}])
    gateway = await server.gateway()
    await gateway.request("load", load={"red/f:1": [2, 3, 0.5]})
    all_of_it = await figures(gateway, ADMIN)
    assert all_of_it["rayfaas_calls_total", "red/f", "SUCCEEDED", "1"] == 1
    assert all_of_it["rayfaas_calls_total", "blue/g", "FAILED", "1"] == 1
    assert all_of_it["rayfaas_call_duration_seconds_bucket", "red/f", "0.005", "1"] == 1
    assert all_of_it["rayfaas_call_duration_seconds_sum", "red/f", "1"] == 0.005
    assert all_of_it["rayfaas_call_queue_seconds_bucket", "red/f", "0.001", "1"] == 1
    assert all_of_it["rayfaas_calls_in_flight", "red/f", "1"] == 2
    assert all_of_it["rayfaas_calls_waiting", "red/f", "1"] == 3
    assert all_of_it["rayfaas_executors", "lab", "red/f", "1"] == 1
    assert all_of_it["rayfaas_gateways",] == 1
    of_a_team = await figures(gateway, {"principal": "bo", "team": "blue", "role": "viewer"})
    assert {labels[1] for labels in of_a_team if "calls" in labels[0]} == {"blue/g"}
    assert not any("red/f" in labels for labels in of_a_team)


async def figures(gateway: Link, actor: dict[str, str]) -> dict[tuple[str, ...], float]:
    """By name and the values of its labels, which are sorted, read by Prometheus' own parsers of both formats."""
    found = []
    for accept, parse in (("", text_of_prometheus), ("application/openmetrics-text; version=1.0.0", openmetrics)):
        answer = await gateway.request("metrics", accept=accept, actor=actor)
        samples = [sample for family in parse(answer["body"].decode()) for sample in family.samples]
        found.append({(each.name, *dict(sorted(each.labels.items())).values()): each.value for each in samples})
    assert found[0] == found[1]
    return found[0]
