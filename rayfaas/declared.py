"""What a decorator made deployable: a function or a class of this program."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

from rayfaas.declaration import Declaration
from rayfaas.default import DEFAULT

if TYPE_CHECKING:
    from rayfaas.client import Client
    from rayfaas.deploy import Deployed
    from rayfaas.spec import Spec


class Declared:
    """The function or class that was decorated, and what its decorator says."""

    def __init__(self, wrapped: Any, declaration: Declaration) -> None:
        # Of a class only what names it: the rest of its namespace is its own.
        functools.update_wrapper(cast(Any, self), wrapped, updated=() if isinstance(wrapped, type) else ("__dict__",))
        self._wrapped, self._declaration = wrapped, declaration

    @property
    def wrapped(self) -> Any:
        """What was decorated."""
        return self._wrapped

    @property
    def declaration(self) -> Declaration:
        """What its decorator says."""
        return self._declaration

    @property
    def name(self) -> str:
        return self._declaration.name

    @property
    def team(self) -> str | None:
        """The team that it is declared for; None is the team of whoever deploys it."""
        return self._declaration.team

    @property
    def spec(self) -> Spec:
        return self._declaration.spec

    @property
    def include(self) -> tuple[str, ...]:
        """Globs of the data files that are deployed with it, relative to its file's directory."""
        return self._declaration.include

    def deploy(
        self,
        alias: str = "live",
        *,
        team: str | None = None,
        message: str | None = None,
        force: bool = False,
        breaking: bool = False,
        client: Client | None = None,
    ) -> Deployed:
        """Publish the code as it is on disk now and move `alias` to it; returns when new calls are answered by it.

        Code that was deployed before makes no new version. Raises `ImportFailed`, with your own traceback, where the
        code does not import on the server, `Conflict` where somebody else deployed since you did, unless `force` says
        to go over it, and `BreakingChange` where those who called it lately could not any more, unless it is meant to
        be `breaking`: then nothing changed there.
        """
        client = client or DEFAULT.get()
        return client.deploy(self, alias=alias, team=team, message=message, force=force, breaking=breaking)

    def __reduce__(self) -> str:
        # As for a plain function or class, a pickle says where to import it from.
        return str(self._wrapped.__qualname__)
