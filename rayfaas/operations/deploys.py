"""Deploys of functions and classes, from a program or a file: operations, as a client has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rayfaas.bundle import Bundle, bundle_function
from rayfaas.bundled import Bundled, bundled_functions
from rayfaas.declaration import Declaration
from rayfaas.declared import Declared
from rayfaas.deploy import Deployed, DeployOptions, OnEvent, deploy_over, publish_of
from rayfaas.errors import RayfaasError
from rayfaas.names import LIVE, check_team
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json
from rayfaas.planning import plan
from rayfaas.remembered import Remembered


class Deploys(Asker):
    """`_remembered` is what this user last knew of the aliases; None where nobody has a home.

    >>> [deployed.version for deployed in client.deploy_file("iris.py", alias="staging")]  # doctest: +SKIP
    [3]
    """

    _remembered: Remembered | None

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

        Each is deployed by itself. Raises the first error in the order of the file, after every deploy has ended.
        """
        bundled = bundled_functions(Path(path), names)
        options = DeployOptions(alias, team, message, force, breaking, deadline_s, upgrade)
        deploys = [self._publish_or_tell(each, options, on_event) for each in bundled]
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

    async def _publish_or_tell(self, bundled: Bundled, options: DeployOptions, on_event: OnEvent | None) -> Deployed:
        """Tells of an error, too, because only one of several can be raised."""
        try:
            return await self._publish(bundled.declaration, bundled.bundle, options, on_event)
        except RayfaasError as error:
            if on_event is not None:
                on_event({"event": "failed", "function": bundled.declaration.name, "detail": error.detail})
            raise

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
