"""A controller that says what a test wants, at the other end of a real link."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from rayfaas.errors import NotFound, RayfaasError
from rayfaas.handshake import ServerSide
from rayfaas.link import Link, Method, Service
from rayfaas.server.routing import RouteTable
from tests.waiting import close, eventually

_PLAIN = (
    "status", "has_bundle", "put_bundle", "move_alias", "rollback", "alias_at", "aliases", "alias_history",
    "secrets", "set_secret", "delete_secret", "environments",
    "begin_canary", "canary", "abort_canary", "functions", "function", "versions", "interfaces", "sql", "export",
    "logs", "usage", "tokens", "create_token", "rotate_token", "revoke_token",
    "call", "replay", "cancel_call", "type", "log_lines",
    "invite_gateway", "gateways", "remove_gateway",
    "invite", "clusters", "remove_cluster", "nodes", "drain_node",
    "start_cluster", "stop_cluster",
    "groups", "set_group", "delete_group", "warm", "hold_node", "end_node", "scale", "delete",
    "version", "version_bundle", "plan",
    "lineage", "why_miss",
    "teams", "team", "set_member", "remove_member", "protections", "protect", "unprotect",
    "access", "set_access", "grant", "revoke_grant", "limits", "set_limit", "drop_limit",
    "deprecation", "deprecate", "end_deprecation",
    "alarm_webhook", "set_alarm_webhook", "drop_alarm_webhook", "metrics", "artifacts", "artifact", "move_artifact",
    "schedules", "set_schedule", "remove_schedule", "suspend_schedule", "resume_schedule",
)  # fmt: skip


class FakeController(Service):
    """`answers` are what its methods answer, or raise, or wait for; `asked` is what was asked of it."""

    def __init__(self, path: Path, key: bytes) -> None:
        methods: dict[str, Method] = {name: self._plain(name) for name in _PLAIN}
        methods |= {
            "poll": self._poll,
            "load": self._load,
            "demand": self._demand,
            "publish": self._publish,
            "reserve": self._reserve,
            "kept": self._kept,
            "outcome": self._outcome,
        }
        super().__init__(methods)
        self._path, self._key = path, key
        self._server: asyncio.Server | None = None
        self.reruns: list[bool] = []  # of each reservation, whether a failed call is to be run again
        self._reserved: dict[tuple[str, str, str], str] = {}
        self.table = RouteTable()
        self.links: list[Link] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {
            "status": {"clusters": [], "replicas": [], "scalings": {}},
            "teams": [],
            "functions": [],
            "environments": [],
            "metrics": {"content_type": "text/plain", "body": b""},
            "export": NotFound("there is no such view"),
        }
        self.events: list[Any] = []  # of a publish; an error among them is raised, an asyncio.Event is waited for
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.kept: dict[str, dict[str, str]] = {}  # what calls with a key were asked
        self.demanded: list[str] = []
        self.loads: list[dict[str, list[float]]] = []
        self.publish_ended = asyncio.Event()

    async def start(self) -> None:
        accept = lambda: Link(ServerSide(lambda who: self._key), self)  # noqa: E731
        self._server = await asyncio.get_running_loop().create_unix_server(accept, str(self._path))

    @property
    def listens(self) -> bool:
        return self._server is not None

    async def stop(self) -> None:
        assert self._server is not None
        server, self._server = self._server, None
        await close(server)
        self._path.unlink()
        for link in list(self.links):
            link.abort()
            await link.closed

    @property
    def link(self) -> Link:
        return self.links[-1]

    def asked_for(self, method: str) -> dict[str, Any]:
        """The parameters with which a method was asked for last."""
        return [parameters for name, parameters in self.asked if name == method][-1]

    # What is routable

    async def set_function(
        self,
        name: str,
        versions: Sequence[dict[str, Any]],
        aliases: dict[str, tuple[int, int] | dict[str, Any]],
        parked: bool = False,
        teams: Sequence[str] | None = None,
        max_replicas: int = 0,
        deprecation: dict[str, Any] | None = None,
    ) -> None:
        """`aliases` are version and revision by name, or whole. Returns when the gateway has it in force."""
        team, _, bare = name.partition("/")
        moved = {
            name: alias if isinstance(alias, dict) else {"version": alias[0], "revision": alias[1]}
            for name, alias in aliases.items()
        }
        route = {
            "team": team,
            "name": bare,
            "versions": list(versions),
            "aliases": moved,
            "parked": parked,
            "teams": teams,
            "max_replicas": max_replicas,
            "deprecation": deprecation,
        }
        await self.table.applied(await self.table.set_function(route))

    async def set_tokens(self, *tokens: tuple[str, str, str]) -> None:
        """Name, team and role; a name is its own token."""
        await self.table.applied(await self.table.set_tokens([token_route(*token) for token in tokens]))

    async def set_sessions(self, sessions: dict[str, bytes]) -> None:
        await self.table.applied(await self.table.set_sessions(sessions))

    # Its methods

    def on_open(self, link: Link) -> None:
        self.links.append(link)
        self.table.expect(link)

    def on_close(self, link: Link) -> None:
        self.links.remove(link)
        self.table.forget(link)

    def _plain(self, name: str) -> Method:
        async def method(link: Link, **parameters: Any) -> Any:
            self.asked.append((name, parameters))
            answer = self.answers.get(name)
            if isinstance(answer, RayfaasError):
                raise answer
            if isinstance(answer, asyncio.Event):
                return await answer.wait()
            return answer

        return method

    async def _poll(self, link: Link, since: int) -> dict[str, Any]:
        return await self.table.poll(link, since)

    async def _load(self, link: Link, load: dict[str, list[float]]) -> None:
        self.loads.append(load)

    async def _demand(self, link: Link, key: str) -> None:
        self.demanded.append(key)

    async def _publish(self, link: Link, **parameters: Any) -> AsyncIterator[Any]:
        self.asked.append(("publish", parameters))
        try:
            for event in self.events:
                if isinstance(event, RayfaasError):
                    raise event
                if isinstance(event, asyncio.Event):
                    await event.wait()
                else:
                    yield event
        finally:
            self.publish_ended.set()

    async def _reserve(
        self, link: Link, team: str, function: str, key: str, call_id: str, gateway: str, rerun_failed: bool = False
    ) -> str:
        self.reruns.append(rerun_failed)
        return self._reserved.setdefault((team, function, key), call_id)

    async def _kept(self, link: Link, call_id: str) -> dict[str, str] | None:
        return self.kept.get(call_id)

    async def _outcome(self, link: Link, call_id: str) -> dict[str, Any] | None:
        self.asked.append(("outcome", {"call_id": call_id}))
        return self.outcomes.get(call_id)

    async def is_linked(self) -> None:
        await eventually(lambda: self.links)


def version_route(number: int, **others: Any) -> dict[str, Any]:
    route = {
        "number": number,
        "code_digest": f"code{number}",
        "syntax_digest": f"syntax{number}",
        "environment_digest": "environment",
        "shape": "shape",
        "gpus": 0.0,
        "timeout_s": 30.0,
        "concurrency": 1,
    }
    return route | others


def token_route(name: str, team: str, role: str, expires_at: float | None = None) -> dict[str, Any]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {"digest": digest, "principal": name, "team": team, "role": role, "expires_at": expires_at}
