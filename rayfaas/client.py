"""A client of one rayfaas server: what decorated functions, `rayfaas.get` and the command line speak through."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec

from rayfaas import wire
from rayfaas.archive import Archive
from rayfaas.asker import Json, list_of, not_understood, object_of
from rayfaas.bundle import Bundle, bundle_function
from rayfaas.bundled import Bundled, bundled_functions
from rayfaas.call import Call
from rayfaas.call_options import NO_OPTIONS, CallOptions
from rayfaas.config import ClientConfig, Home
from rayfaas.declaration import Declaration
from rayfaas.declared import Declared
from rayfaas.deploy import Deployed, DeployOptions, OnEvent, deploy_over, publish_of
from rayfaas.errors import NotFound
from rayfaas.following import followed
from rayfaas.functions import Functions
from rayfaas.graph import Direction, Graph
from rayfaas.limiting import Limiting
from rayfaas.map_options import MapOptions
from rayfaas.mapping import Mapped
from rayfaas.names import LIVE, check_call, check_cluster, check_gateway, check_name, check_team
from rayfaas.operation import Speaker, operation
from rayfaas.people import People
from rayfaas.planning import plan
from rayfaas.releases import Releases
from rayfaas.remembered import Remembered
from rayfaas.remote import LogListener
from rayfaas.session import Sessions
from rayfaas.sharing import Sharing
from rayfaas.spawned import SpawnedCall
from rayfaas.stream import Stream
from rayfaas.validation import Validation
from rayfaas.waiting import shown
from rayfaas.wire import JSON
from rayfaas.worker_group import WorkerGroup


@dataclass(frozen=True)
class Table:
    """The answer to a query: `types` are SQL's. `truncated` says that the server had more rows than it sends."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool

    @classmethod
    def of(cls, answer: Any) -> Table:
        """As the server sends it."""
        table = object_of(answer)
        columns = list_of(table, "columns")
        return cls(
            tuple(column["name"] for column in columns),
            tuple(column["type"] for column in columns),
            tuple(map(tuple, list_of(table, "rows"))),
            bool(table.get("truncated")),
        )

    def dicts(self) -> list[dict[str, Any]]:
        """Each row by the names of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Client(Releases, Functions, Sharing, Limiting, People):
    """Speaks to the server at `url` with `token`.

    Without them it is the one that RAYFAAS_URL and RAYFAAS_TOKEN name, else the one that this user started. Every
    operation is called plainly (`client.functions()`) or awaited (`await client.functions.aio()`).

    >>> with Client() as client:  # doctest: +SKIP
    ...     client.sql("SELECT count(*) FROM calls").rows
    ((3,),)
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        given = {"RAYFAAS_URL": url, "RAYFAAS_TOKEN": token}
        environ = {**os.environ, **{name: value for name, value in given.items() if value is not None}}
        self.config = ClientConfig.from_env(environ)
        self._remembered: Remembered | None = Remembered(Home.from_env(environ).deployed)
        super().__init__(Sessions(self.config))

    @classmethod
    def of_calls(cls, url: str, token: Callable[[], str]) -> Client:
        """The client of an executor's process: `token` gives the one of the call that asks."""
        client = cls.__new__(cls)
        client.config, client._remembered = ClientConfig(url, None), None
        Speaker.__init__(client, Sessions(client.config, token))
        return client

    def close(self) -> None:
        """End its connections; calls under way are cancelled. Safe to repeat."""
        self._sessions.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Calls

    @operation
    def answer(
        self,
        target: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: CallOptions = NO_OPTIONS,
        on_log: LogListener | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Call a function and wait for its result; of a generator, the list of its items. What a call waits for is
        shown on stderr, where that is a terminal.

        `on_log` is called on the client's own thread, and can't make calls with this client.
        """
        return self._answer(Call(target, args, kwargs, options), on_log)

    async def _answer(self, call: Call, on_log: LogListener | None) -> Any:
        if on_log is not None:
            return await call.answer(self._transport, on_log)
        async with shown(self._transport, call.target):
            return await call.answer(self._transport)

    @operation
    def spawn(
        self,
        target: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: CallOptions = NO_OPTIONS,
    ) -> Coroutine[Any, Any, SpawnedCall]:
        """Have a function called, whatever happens; returns when the server has the call on disk."""
        return self._spawn(Call(target, args, kwargs, options))

    async def _spawn(self, call: Call) -> SpawnedCall:
        return SpawnedCall(self._sessions, await call.spawn(self._transport))

    @operation
    def validate(
        self, target: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: CallOptions = NO_OPTIONS
    ) -> Coroutine[Any, Any, Validation]:
        """A dry run: raises what the call would be refused with, and runs nothing."""
        return Call(target, args, kwargs, options).validate(self._transport)

    @operation
    async def why_miss(self, call_id: str) -> Json:
        """Why a call of a function with `cache=` was not given an earlier result: the first `part` that differs from
        the `nearest` call before it, and a `detail`."""
        return await self._get(f"/calls/{check_call(call_id)}/why-miss")

    def spawned(self, call_id: str) -> SpawnedCall:
        """The spawned call with this id. Nothing is asked of the server before its first operation.

        Raises `BadRequest` where it is no id of a call.
        """
        return SpawnedCall(self._sessions, check_call(call_id))

    def map(
        self,
        target: str,
        inputs: Iterable[tuple[Any, ...]],
        map_options: MapOptions,
        options: CallOptions = NO_OPTIONS,
    ) -> Mapped[Any]:
        """Call a function for each tuple of arguments."""

        def call(args: tuple[Any, ...]) -> Coroutine[Any, Any, Any]:
            return Call(target, args, {}, options).answer(self._transport)

        return Mapped(self._sessions, call, inputs, map_options)

    def stream(
        self,
        target: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: CallOptions = NO_OPTIONS,
        on_log: LogListener | None = None,
        on_debug: LogListener | None = None,
    ) -> Stream[Any]:
        """Call a function and have its items as they are made.

        With `on_debug` its breakpoints stop it: it is told what the debugger says (`call`, `text`, and whether it
        `waits` for a line), and answers with `type`. Its timeout is an hour then.
        """
        call = Call(target, args, kwargs, options)
        events = call.events(self._transport, on_log is not None, on_debug is not None)
        return Stream(self._sessions, events, on_log, on_debug)

    @operation
    async def type(self, call_id: str, line: str) -> None:
        """Type a line into the debugger of a call."""
        await self._transport.send(
            "POST", f"/calls/{check_call(call_id)}/debug", body=line.encode(), media="text/plain"
        )

    # Deploys

    @operation
    async def deploy(
        self,
        function: Declared,
        *,
        alias: str = LIVE,
        team: str | None = None,
        message: str | None = None,
        force: bool = False,
        breaking: bool = False,
        deadline_s: float = 300.0,
        upgrade: bool = False,
        on_event: OnEvent | None = None,
    ) -> Deployed:
        """Publish a function or class of this program; see `Function.deploy`."""
        bundle = bundle_function(function)
        options = DeployOptions(alias, team, message, force, breaking, deadline_s, upgrade)
        return await self._publish(function.declaration, bundle, options, on_event)

    @operation
    async def deploy_file(
        self,
        path: str | Path,
        names: Sequence[str] = (),
        *,
        alias: str = LIVE,
        team: str | None = None,
        message: str | None = None,
        force: bool = False,
        breaking: bool = False,
        deadline_s: float = 300.0,
        upgrade: bool = False,
        on_event: OnEvent | None = None,
    ) -> list[Deployed]:
        """Publish the decorated functions and classes in a file, or those of them that `names` says, all at once.

        With `upgrade` their packages are resolved anew.

        Raises the first error in the order of the file, after every deploy has ended.
        """
        bundled = bundled_functions(Path(path), names)
        options = DeployOptions(alias, team, message, force, breaking, deadline_s, upgrade)
        deploys = [self._publish(each.declaration, each.bundle, options, on_event) for each in bundled]
        ended = await asyncio.gather(*deploys, return_exceptions=True)
        deployed = []
        for end in ended:
            if isinstance(end, BaseException):
                raise end
            deployed.append(end)
        return deployed

    @operation
    async def deploy_bundled(
        self, bundled: Bundled, options: DeployOptions, on_event: OnEvent | None = None
    ) -> Deployed:
        """Publish what `bundled_functions` found in a file."""
        return await self._publish(bundled.declaration, bundled.bundle, options, on_event)

    @operation
    async def plan_file(
        self, path: str | Path, names: Sequence[str] = (), *, alias: str = LIVE, team: str | None = None
    ) -> list[Json]:
        """What `deploy_file` would change, reuse and take, and who called it lately. Nothing is changed."""
        plans = []
        for each in bundled_functions(Path(path), names):
            owner = await self._owner(each.declaration, team)
            publish = publish_of(each.bundle, each.declaration.spec, DeployOptions(alias))
            where = owner, each.declaration.name
            plans.append(await plan(self._transport, self._remembered, *where, each.bundle, publish))
        return plans

    # What is there

    @operation
    async def whoami(self) -> Json:
        """`principal`, `team` and `role` of the token."""
        return await self._get("/v1/whoami")

    @operation
    async def status(self) -> Json:
        """What runs: the gateways, the clusters with their nodes, the replicas with what they host."""
        return await self._get("/v1/status")

    @operation
    async def functions(self) -> list[Json]:
        """Every deployed function with its aliases."""
        return list_of(await self._get("/v1/functions"), "functions")

    @operation
    async def function(self, name: str) -> Json:
        """One function; `name` is `team/name`, or `name` of the token's team."""
        return await self._get(await self._path_of(name))

    @operation
    async def versions(self, name: str) -> list[Json]:
        """The versions of a function, newest first, with state, author, commit and interface."""
        return list_of(await self._get(f"{await self._path_of(name)}/versions"), "versions")

    @operation
    async def version(self, name: str, version: int | str) -> Json:
        """One version, by its number or by an alias that leads to it."""
        return await self._version(name, version)

    @operation
    async def archive(self, name: str, version: int | str) -> Archive:
        """The files of a version as they were deployed. For tokens of the function's team, and for admins."""
        found = await self._version(name, version)
        path = f"/v1/functions/{found['team']}/{found['name']}/versions/{found['version']}/bundle"
        answer = await self._transport.send("GET", path, timeout_s=None)
        return Archive(answer.content, str(found["bundle"]))

    # The registry

    @operation
    async def sql(self, query: str, parameters: Iterable[Any] = ()) -> Table:
        """One SELECT on calls, logs, functions, versions, aliases, deploys and more; `?` stand for the parameters.

        Raises `QueryError`.
        """
        return Table.of(await self._transport.post("/v1/sql", {"sql": query, "parameters": list(parameters)}))

    @operation
    async def save_sql(self, query: str, file: BinaryIO, media: str, parameters: Iterable[Any] = ()) -> bool:
        """Write the answer to a SELECT into a file, as `text/csv` or another type that the server has. Whether there
        were more rows than it sends."""
        body = wire.encode_json({"sql": query, "parameters": list(parameters)})
        accept = {"Accept": media}
        headers = await self._transport.download("POST", "/v1/sql", file, body=body, media=wire.JSON, headers=accept)
        return bool(headers.get("Rayfaas-Truncated") == "true")

    @operation
    async def export(self, view: str, file: BinaryIO, day: str | None = None) -> int:
        """Write a view, or of calls, logs and lineage a day (2026-11-27) of it, into a file as Parquet. Its rows."""
        query = {} if day is None else {"day": day}
        path = f"/v1/export/{quote(view, safe='')}"
        headers = await self._transport.download("GET", path, file, query=query, timeout_s=None)
        return int(headers.get("Rayfaas-Rows", "0"))

    @operation
    async def usage(
        self,
        function: str | None = None,
        by: Iterable[str] = ("function",),
        since: str = "30d",
        until: str = "0s",
        team: str | None = None,
        cost: bool = False,
    ) -> Table:
        """What calls came to: their number, errors, times, bytes, CPU- and GPU-seconds, of `function` or all.

        `by` groups them: function, version, alias, caller, team, owner, flow, day, … `since` and `until` are how long
        ago (90m, 12h, 30d). `team` is that of the callers. With `cost` it tells `usd`, their part of what the machines
        cost, and in rows with `idle`, which names machines, what those cost that no call held.
        """
        asked = {"by": ",".join(by), "since": since, "until": until, "function": function, "team": team}
        asked |= {"cost": "1"} if cost else {}
        query = {name: value for name, value in asked.items() if value is not None}
        return Table.of(await self._transport.get("/v1/usage", query))

    @operation
    async def lineage(
        self,
        of: str,
        direction: Direction = "upstream",
        depth: int = 10,
        as_of: str | None = None,
        version: str | None = None,
    ) -> Graph:
        """What led to, or came of, an artifact (its URI), a call (its id) or a version of a function (`embed:3`).

        `depth` counts calls; what was recorded after `as_of`, an ISO 8601 time, does not count. `version` is the
        artifact's, the newest where none is said.

        >>> client.lineage("s3://shop/forecast.parquet").nodes  # doctest: +SKIP
        """
        asked = {"of": of, "direction": direction, "depth": depth, "as_of": as_of, "version": version}
        query = {name: value for name, value in asked.items() if value is not None}
        try:
            return msgspec.convert(await self._transport.get("/v1/lineage", query), Graph)
        except msgspec.ValidationError:
            raise not_understood() from None

    @operation
    async def logs(self, function: str | None = None, call: str | None = None, limit: int = 1000) -> list[Json]:
        """The newest lines that calls printed or logged, the oldest of them first."""
        wanted = {"function": await self._full_name(function) if function else None, "call": call, "limit": limit}
        query = {name: value for name, value in wanted.items() if value is not None}
        return list_of(await self._transport.get("/v1/logs", query), "logs")

    def follow(self, function: str | None = None, call: str | None = None, lines: int = 100) -> Stream[Json]:
        """The newest `lines` that calls printed or logged, and those to come, as they come, for ever; or all those of
        one call, until it ends.

        >>> for line in client.follow(call=spawned.id):  # doctest: +SKIP
        ...     print(line["text"], end="")
        """
        if call is not None:
            return self.spawned(check_call(call)).follow()
        if function is not None:
            return Stream(self._sessions, self._follow(function, lines), None)
        return Stream(self._sessions, followed(self._transport, "/v1/logs", {"limit": lines}), None)

    @operation
    async def listen(self, function: str, on_log: LogListener) -> None:
        """Tell `on_log`, on the client's own thread, of what calls of a function write from now on, for ever."""
        async with contextlib.aclosing(self._follow(function, 0)) as batches:
            async for batch in batches:
                for event in batch:
                    on_log(event["item"])

    # Environments and secrets

    @operation
    async def environments(self) -> list[Json]:
        """What is built on each node, and what the zygotes there have loaded."""
        return list_of(await self._get("/v1/environments"), "environments")

    @operation
    async def set_secret(
        self, name: str, values: Mapping[str, str], team: str | None = None, restart: bool = False
    ) -> Json:
        """Keep variables for functions that name the secret; executors that start from now on have them.

        With `restart` those that run finish their calls and are replaced.
        """
        path = f"/v1/secrets/{check_team(team or await self._own_team())}/{check_name(name)}"
        body = wire.encode_json({"values": dict(values), "restart": restart})
        await self._transport.send("PUT", path, body=body, media=wire.JSON)
        return {"name": name, "keys": sorted(values)}

    @operation
    async def secrets(self) -> list[Json]:
        """The secrets of your team, with the names of their variables; what those hold can't be asked for."""
        return list_of(await self._get("/v1/secrets"), "secrets")

    @operation
    async def delete_secret(self, name: str, team: str | None = None) -> None:
        """Raises `Conflict` while functions that can be called by an alias name it."""
        path = f"/v1/secrets/{check_team(team or await self._own_team())}/{check_name(name)}"
        await self._transport.send("DELETE", path)

    # Tokens

    @operation
    async def webhook_secret(self) -> str:
        """With what receivers of webhooks check their signatures; for admins."""
        return str((await self._get("/v1/webhook")).get("secret"))

    @operation
    async def alarm_webhook(self) -> Json:
        """Where alarms of machines are told: `url`, how many are `waiting`, `problem` of the last; for admins."""
        return object_of(await self._get("/v1/webhook/alarms"))

    @operation
    async def set_alarm_webhook(self, url: str) -> Json:
        """Have alarms told to `url` from now on. It hears a trial; `problem` is what went wrong with that."""
        return object_of(await self._transport.put("/v1/webhook/alarms", {"url": url}))

    @operation
    async def drop_alarm_webhook(self) -> None:
        """Have alarms told to nobody."""
        await self._transport.send("DELETE", "/v1/webhook/alarms")

    # Clusters

    @operation
    async def clusters(self) -> list[Json]:
        """Every cluster that has joined, and whether it is connected."""
        return list_of(await self._get("/v1/clusters"), "clusters")

    @operation
    async def invite(self, cluster: str | None = None) -> Json:
        """A `token` with which a cluster can join, once, within `expires_in_s`; for admins."""
        body = {} if cluster is None else {"cluster": check_cluster(cluster)}
        return object_of(await self._transport.post("/v1/clusters", body))

    @operation
    async def remove_cluster(self, cluster: str, now: bool = False) -> None:
        """Returns when its calls have finished and it is not known any more; with `now` they are cut."""
        path = f"/v1/clusters/{check_cluster(cluster)}"
        await self._transport.send("DELETE", path, query={"now": "true"} if now else None, timeout_s=None)

    @operation
    async def gateways(self) -> list[Json]:
        """Those that are connected, and those of other machines that are away."""
        return list_of(await self._get("/v1/gateways"), "gateways")

    @operation
    async def invite_gateway(self, gateway: str | None = None) -> Json:
        """A `token` with which a gateway on another machine can join, once, within `expires_in_s`; for admins."""
        body = {} if gateway is None else {"gateway": check_gateway(gateway)}
        return object_of(await self._transport.post("/v1/gateways", body))

    @operation
    async def remove_gateway(self, gateway: str) -> None:
        """A gateway of another machine is not let in any more."""
        await self._transport.send("DELETE", f"/v1/gateways/{check_gateway(gateway)}")

    @operation
    async def nodes(self) -> list[Json]:
        """The nodes of all clusters that are connected."""
        return list_of(await self._get("/v1/nodes"), "nodes")

    @operation
    async def drain_node(self, node: str) -> Json:
        """Have everything leave a node, in order. `node` is its id, or its beginning."""
        return object_of(await self._transport.post(f"/v1/nodes/{quote(node, safe='')}/drain", {}))

    @operation
    async def start_cluster(self, cluster: str, length: str) -> None:
        """Have a cluster up for `length` (`2h`), head and all, whether anybody calls or not."""
        await self._transport.post(f"/v1/clusters/{check_cluster(cluster)}/start", {"for": length})

    @operation
    async def stop_cluster(self, cluster: str, now: bool = False) -> None:
        """Stop a cluster's machines and its head; who calls starts them again. Raises `Conflict` where it is in use,
        unless `now`: then its calls have ten minutes."""
        await self._transport.post(f"/v1/clusters/{check_cluster(cluster)}/stop", {"now": now})

    # Machines

    @operation
    async def groups(self, cluster: str) -> list[Json]:
        """The worker groups of a cluster, each with its `nodes`, the machines that there are or were asked for."""
        return list_of(await self._get(f"/v1/clusters/{check_cluster(cluster)}/groups"), "groups")

    @operation
    async def set_group(self, group: WorkerGroup) -> None:
        """Have a worker group, or change the one with its name; for admins."""
        path = f"/v1/clusters/{group.cluster}/groups/{group.name}"
        body = group.model_dump_json(exclude={"cluster", "name"}).encode()
        await self._transport.send("PUT", path, body=body, media=JSON)

    @operation
    async def delete_group(self, cluster: str, name: str) -> None:
        """Its machines end when nothing is on them."""
        await self._transport.send("DELETE", f"/v1/clusters/{check_cluster(cluster)}/groups/{quote(name, safe='')}")

    @operation
    async def warm(self, cluster: str, name: str, number: int, length: str) -> None:
        """Have so many machines of a group up for `length` (`2h`), whether anybody calls or not."""
        path = f"/v1/clusters/{check_cluster(cluster)}/groups/{quote(name, safe='')}/warm"
        await self._transport.post(path, {"number": number, "for": length})

    @operation
    async def hold(self, cluster: str, machine: str, length: str) -> None:
        """A machine is not stopped for `length`."""
        path = f"/v1/clusters/{check_cluster(cluster)}/machines/{quote(machine, safe='')}/hold"
        await self._transport.post(path, {"for": length})

    @operation
    async def stop(self, cluster: str, machine: str, now: bool = False) -> None:
        """Stop a machine when nothing is on it; with `now` its calls have ten minutes."""
        path = f"/v1/clusters/{check_cluster(cluster)}/machines/{quote(machine, safe='')}/stop"
        await self._transport.send("POST", path, body=b'{"now": %s}' % (b"true" if now else b"false"), media=JSON)

    # Inside

    async def _follow(self, function: str, lines: int) -> AsyncGenerator[list[Json], None]:
        query = {"function": await self._full_name(function), "limit": lines}
        async with contextlib.aclosing(followed(self._transport, "/v1/logs", query)) as batches:
            async for batch in batches:
                yield batch

    async def _publish(
        self, declaration: Declaration, bundle: Bundle, options: DeployOptions, on_event: OnEvent | None
    ) -> Deployed:
        owner = await self._owner(declaration, options.team)
        publish = publish_of(bundle, declaration.spec_at(bundle.path), options)
        remembered = self._remembered
        if options.force and remembered is not None:
            remembered = remembered.blank()
        return await deploy_over(self._transport, remembered, owner, declaration.name, bundle, publish, on_event)

    async def _owner(self, declaration: Declaration, team: str | None) -> str:
        return check_team(team or declaration.team or await self._own_team())

    async def _version(self, name: str, version: int | str) -> Json:
        path = await self._path_of(name)
        if isinstance(version, str):
            aliases = list_of(await self._get(path), "aliases")
            found = next((alias["version"] for alias in aliases if alias["alias"] == version), None)
            if found is None:
                known = ", ".join(str(alias["alias"]) for alias in aliases) or "none"
                raise NotFound(f"{name} has no alias {version}. It has: {known}.")
            version = int(found)
        return await self._get(f"{path}/versions/{version}")
