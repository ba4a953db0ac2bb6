"""The parts of one gateway, put together: the only place that knows all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from rayfaas.gateway.admission import Admission
from rayfaas.gateway.alarms import Alarms
from rayfaas.gateway.answers import Answers
from rayfaas.gateway.app import App
from rayfaas.gateway.applications import Applications
from rayfaas.gateway.cache.cache import Cache
from rayfaas.gateway.call_access import CallAccess
from rayfaas.gateway.calls import Calls
from rayfaas.gateway.config import GatewayConfig
from rayfaas.gateway.control import Control
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.deaths import Deaths
from rayfaas.gateway.direct import Direct
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.dry_run import DryRuns
from rayfaas.gateway.executors import ExecutorConnection, executor_key
from rayfaas.gateway.following import Following
from rayfaas.gateway.history import History
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.invoke import Invoke
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.mcp.endpoint import Mcp
from rayfaas.gateway.mcp.tool_calls import ToolCalls
from rayfaas.gateway.openapi.endpoints import OpenApi
from rayfaas.gateway.outcomes import Outcomes
from rayfaas.gateway.posts import Posts
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.shadows import Shadows
from rayfaas.gateway.spawned import Spawned
from rayfaas.gateway.standing import lost
from rayfaas.gateway.touches import Touches
from rayfaas.gateway.webhook_rules import WebhookRules
from rayfaas.gateway.webhooks import PAUSES_S, Webhooks
from rayfaas.strangers import Strangers


class Parts:
    """What a gateway process serves, without its sockets. `ending` is to be set when the process is told to end;
    `pauses_s` are those between attempts to tell a webhook."""

    def __init__(
        self, config: GatewayConfig, deaths: Deaths | None = None, pauses_s: Sequence[float] = PAUSES_S
    ) -> None:
        # What is known, and what is written down.
        deaths = deaths or Deaths()
        self.ending = asyncio.Event()
        self.access = CallAccess(config.keys.calls, config.url)
        self.routes = Routes(self.access)
        self.controller = ControllerLink(self.routes, deaths)
        self.dispatcher = Dispatcher(
            self.controller.demand,
            config.limits.max_queue,
            deaths,
            self.routes.weights,
            self.controller.progress.awaited,
        )
        self.controller.serve(self.dispatcher)
        self.journal = Journal(config.journal, config.name)
        self.recording = Recording(self.journal)
        self.cache = Cache(config.cache, config.cache_bytes, self.recording, self.journal, self.routes.editions)

        # Calls.
        self.in_flight = InFlight(self.dispatcher, self.recording)
        outcomes = Outcomes(self.dispatcher, self.recording, self.cache)
        posts = Posts(WebhookRules(config.webhook_networks), config.keys.webhooks)
        self.webhooks = Webhooks(posts, self.journal, self.controller, pauses_s)
        self.spawned = Spawned(
            self.routes, self.recording, self.in_flight, outcomes, self.journal, self.controller, self.webhooks
        )
        shadows = Shadows(self.dispatcher, self.recording, self.in_flight, outcomes, self.journal)
        admission = Admission(self.routes, History(self.routes, self.controller), self.recording)
        answers = Answers(self.dispatcher, self.recording, shadows, self.cache, self.controller.progress)
        invoke = Invoke(
            admission,
            self.recording,
            self.in_flight,
            answers,
            self.spawned,
            outcomes,
            DryRuns(self.dispatcher),
            config.limits.max_body,
        )
        self.direct = Direct(invoke, admission, self.dispatcher, self.recording, self.in_flight, answers, shadows)
        applications = Applications(
            admission, self.dispatcher, self.recording, self.in_flight, partial(lost, self.routes)
        )

        # The control plane.
        following = Following(self.controller, self.ending)
        self.calls = Calls(self.routes, self.controller, admission, self.spawned, self.in_flight, following)
        self.alarms = Alarms(self.routes, self.controller, posts)
        control = Control(self.routes, self.controller, following, posts.secret, self.alarms)
        openapi = OpenApi(self.routes, self.controller)
        tool_calls = ToolCalls(admission, self.recording, self.in_flight, outcomes)
        self.mcp = Mcp(self.routes, self.controller, tool_calls)
        self.app = App(invoke, admission, applications, self.calls, control, openapi, self.mcp, self.controller)

    def accept_executor(self, access: CallAccess, strangers: Strangers | None = None) -> ExecutorConnection:
        """Somebody dials who may be an executor. `access` is where it reaches this gateway."""
        return ExecutorConnection(
            self.dispatcher,
            lambda who: executor_key(self.routes.sessions, who),
            access.issue,
            Touches(self.journal, self.cache.hear),
            strangers,
        )

    async def close(self) -> None:
        """Write down what is on its way."""
        await self.mcp.close()
        await self.cache.close()
        self.journal.close()
