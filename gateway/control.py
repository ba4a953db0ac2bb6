"""The control plane over HTTP: each endpoint checks who may, then hands the request on to the controller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from rayfaas.durations import seconds_of
from rayfaas.errors import BadRequest, RayfaasError, to_problem
from rayfaas.gateway.access import Access
from rayfaas.gateway.alarms import Alarms
from rayfaas.gateway.artifacts import Artifacts
from rayfaas.gateway.clusters import Clusters
from rayfaas.gateway.code import Code
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.deprecations import Deprecations
from rayfaas.gateway.exports import Exports
from rayfaas.gateway.following import Following, last_seen
from rayfaas.gateway.formats import format_for
from rayfaas.gateway.functions import Functions
from rayfaas.gateway.gateways import Gateways
from rayfaas.gateway.limits import Limits
from rayfaas.gateway.lineage import question_of
from rayfaas.gateway.machines import Machines
from rayfaas.gateway.metrics import Metrics
from rayfaas.gateway.problems import encode
from rayfaas.gateway.protections import Protections
from rayfaas.gateway.releases import Releases
from rayfaas.gateway.requests import as_json, body_of, json_body, whole_number
from rayfaas.gateway.rights import actor_of, allow, allow_function, allow_in_person, allow_narrow, identify, mover_of
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.schedules import Schedules
from rayfaas.gateway.secrets import Secrets
from rayfaas.gateway.sight import Sight
from rayfaas.gateway.tables import ENCODINGS, media_for, table_response
from rayfaas.gateway.teams import Teams
from rayfaas.gateway.tokens import Tokens
from rayfaas.gateway.waiting import Waiting
from rayfaas.wire import NDJSON

MAX_BUNDLE = 256 << 20
# Lines of logs that may be asked for, and of them in one answer.
MOST_LINES, MOST_AT_ONCE = 999_999_999, 100_000


class Control:
    """The endpoints below /v1, and /metrics."""

    def __init__(
        self, routes: Routes, controller: ControllerLink, following: Following, webhook_secret: str, alarms: Alarms
    ) -> None:
        self._routes, self._controller, self._following = routes, controller, following
        self._webhook_secret, self._alarms = webhook_secret, alarms
        self._releases, self._access = Releases(routes, controller), Access(routes, controller)
        self._deprecations = Deprecations(routes, controller)
        self._code = Code(routes, controller)

    def routes(self) -> list[Route]:
        """The table of contents of the control plane."""
        function = "/v1/functions/{team}/{name}"
        return [
            Route("/v1/whoami", self.whoami),
            Route("/v1/status", self.status),
            Route("/v1/environments", self.environments),
            Route("/v1/bundles/{digest}", self.has_bundle, methods=["HEAD"]),
            Route("/v1/bundles/{digest}", self.put_bundle, methods=["PUT"]),
            Route("/v1/functions", self.functions),
            Route(function, self.function),
            Route(function + "/versions", self.versions, methods=["GET"]),
            Route(function + "/versions", self.publish, methods=["POST"]),
            *self._code.routes(),
            *self._releases.routes(),
            *Protections(self._routes, self._controller).routes(),
            *self._access.routes(),
            *self._deprecations.routes(),
            *Limits(self._routes, self._controller).routes(),
            *Functions(self._routes, self._controller).routes(),
            Route("/v1/sql", self.sql, methods=["POST"]),
            *Exports(self._routes, self._controller).routes(),
            Route("/v1/usage", self.usage),
            Route("/v1/lineage", self.lineage),
            Route("/v1/logs", self.logs),
            Route("/v1/webhook", self.webhook),
            *self._alarms.routes(),
            *Secrets(self._routes, self._controller).routes(),
            *Schedules(self._routes, self._controller).routes(),
            *Artifacts(self._routes, self._controller).routes(),
            *Tokens(self._routes, self._controller).routes(),
            *Teams(self._routes, self._controller).routes(),
            *Clusters(self._routes, self._controller).routes(),
            *Gateways(self._routes, self._controller).routes(),
            *Machines(self._routes, self._controller).routes(),
            *Waiting(self._routes, self._controller).routes(),
            *Metrics(self._routes, self._controller).routes(),
        ]

    async def whoami(self, request: Request) -> Response:
        principal = identify(self._routes, request)
        shown = {"principal": principal.name, "team": principal.team, "role": principal.role}
        functions = sorted(principal.functions) if principal.functions is not None else None
        return as_json({**shown, "teams": dict(principal.rights), "functions": functions})

    async def status(self, request: Request) -> Response:
        sight = Sight.of(self._routes, request)
        return as_json(sight.status(await self._controller.request("status")))

    async def environments(self, request: Request) -> Response:
        """What is built on each node, and what the zygotes there have loaded."""
        sight = Sight.of(self._routes, request)
        return as_json({"environments": sight.of_applications(await self._controller.request("environments"))})

    # Bundles

    async def has_bundle(self, request: Request) -> Response:
        principal = allow_narrow(self._routes, request, "deployer")
        known = await self._controller.request("has_bundle", digest=_digest(request), **mover_of(principal))
        return Response(status_code=200 if known else 404)

    async def put_bundle(self, request: Request) -> Response:
        principal = allow_narrow(self._routes, request, "deployer")
        digest = _digest(request)
        archive = await body_of(request, MAX_BUNDLE)
        await self._controller.request("put_bundle", digest=digest, archive=archive, actor=principal.name)
        return Response(status_code=201)

    # Functions

    async def functions(self, request: Request) -> Response:
        sight = Sight.of(self._routes, request)
        return as_json({"functions": sight.seen(await self._controller.request("functions"))})

    async def function(self, request: Request) -> Response:
        of = Sight.of(self._routes, request).function(request)
        return as_json(await self._controller.request("function", **of))

    async def versions(self, request: Request) -> Response:
        of = Sight.of(self._routes, request).function(request)
        return as_json({"versions": await self._controller.request("versions", **of)})

    async def publish(self, request: Request) -> Response:
        """Deploy events as NDJSON; a request that is refused at once is a problem document."""
        principal, path = allow_function(self._routes, request, "deployer")
        body = await json_body(request)
        events = self._controller.stream("publish", **path, publish=body, **mover_of(principal))
        first = await anext(events)
        return StreamingResponse(_event_lines(first, events), media_type=NDJSON)

    # The registry

    async def sql(self, request: Request) -> Response:
        """A table as JSON, or in the type that the Accept header asks for."""
        principal = allow_in_person(self._routes, request)
        media = media_for(request.headers.get("accept"))
        body = await json_body(request)
        sql, parameters = body.get("sql"), body.get("parameters", [])
        if not isinstance(sql, str) or not isinstance(parameters, list):
            raise BadRequest('Send {"sql": "SELECT …", "parameters": […]}.')
        if any(isinstance(each, int) and each.bit_length() > 63 for each in parameters):
            raise BadRequest("A parameter has more than 64 bits. Send it as text, and cast it in the query.")
        asked = {"sql": sql, "parameters": parameters, "actor": actor_of(principal), "encoding": ENCODINGS[media]}
        return table_response(await self._controller.request("sql", **asked), media)

    async def usage(self, request: Request) -> Response:
        """What calls came to: `?by=team,version&since=30d&until=1d&function=embed&team=nlp&cost=1`."""
        principal = allow_in_person(self._routes, request)
        query = request.query_params
        usage = {
            "by": [each.strip() for each in query.get("by", "function").split(",") if each.strip()],
            "since_s": seconds_of(query.get("since", "30d")),
            "until_s": seconds_of(query.get("until", "0s")),
            "function": query.get("function"),
            "team": query.get("team"),
            "cost": _flag(query, "cost"),
        }
        return as_json(await self._controller.request("usage", usage=usage, actor=actor_of(principal)))

    async def lineage(self, request: Request) -> Response:
        """What is upstream or downstream: `?of=s3://b/k&direction=downstream&depth=3&as_of=2026-11-27&version=…`."""
        principal = allow_in_person(self._routes, request)
        question = question_of(request.query_params)
        return as_json(await self._controller.request("lineage", question=question, actor=actor_of(principal)))

    async def logs(self, request: Request) -> Response:
        """The newest lines; with Accept text/event-stream or application/x-ndjson those that come after them too."""
        allow_in_person(self._routes, request)
        query = request.query_params
        limit = whole_number(query.get("limit", "1000"), MOST_LINES)
        if limit is None:
            raise BadRequest(f"limit is a number of lines, not {query['limit']!r}.")
        function, call = query.get("function"), query.get("call")
        asker = partial(self._asker_of_logs, request, function)
        format = format_for(dict(request.scope["headers"]))
        if format.is_stream:
            after = last_seen(request.headers.get("last-event-id"))
            return await self._following.response(format, function, call, after, limit, asker)
        rows = await self._controller.request(
            "logs", function=function, call=call, limit=min(limit, MOST_AT_ONCE), actor=asker()
        )
        return as_json({"logs": rows})

    def _asker_of_logs(self, request: Request, function: str | None) -> dict[str, str]:
        """Raises what there is against it now."""
        principal = allow_in_person(self._routes, request)
        if function is not None:
            team, _, name = function.partition("/")
            Sight(self._routes, principal).check(team, name)
        return actor_of(principal)

    async def webhook(self, request: Request) -> Response:
        """With what receivers of webhooks check their signatures."""
        allow(self._routes, request, "admin")
        return as_json({"secret": self._webhook_secret})


def _digest(request: Request) -> str:
    digest = str(request.path_params["digest"])
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise BadRequest("A bundle is addressed by its SHA-256, 64 hexadecimal digits.")
    return digest


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "0")
    if value not in ("0", "1"):
        raise BadRequest(f"{name} is 0 or 1, not {value!r}.")
    return value == "1"


async def _event_lines(first: Any, events: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    yield encode(first) + b"\n"
    try:
        async for event in events:
            yield encode(event) + b"\n"
    except RayfaasError as error:
        yield encode({"event": "error", "problem": to_problem(error)}) + b"\n"
