"""What an executor runs: one function, or the methods of one instance of a class."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rayfaas.batching import Batching, batching_of
from rayfaas.errors import ImportFailed
from rayfaas.executor.complaint import complain
from rayfaas.executor.exceptions import format_traceback
from rayfaas.executor.loading import import_failed
from rayfaas.executor.signature import ItemSignature, Signature, describe, kind_of
from rayfaas.methods import enter_methods, exit_methods, public_methods

# How long the exit methods of a class may take together, before their process is killed.
EXIT_S = 10.0


class Callee(NamedTuple):
    """What a call calls. `kind` is `sync`, `async`, `generator`, `async_generator` or `asgi`."""

    function: Callable[..., Any]
    signature: Signature
    kind: str
    batching: Batching | None

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Callee:
        batching = batching_of(function)
        signature = Signature(function) if batching is None else ItemSignature(function)
        return cls(function, signature, kind_of(function), batching)

    @property
    def is_async(self) -> bool:
        return self.kind.startswith("async")

    def describe(self) -> dict[str, object]:
        batched = {} if self.batching is None else {"batched": vars(self.batching)}
        return {**describe(self.function, self.signature), **batched}


class Program:
    """`callees` are by method, a function's own under None; `exits` run at the end."""

    def __init__(
        self,
        callees: Mapping[str | None, Callee],
        exits: Sequence[Callable[[], Any]],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.callees, self._exits, self._loop = callees, exits, loop

    @classmethod
    def of(cls, found: Any) -> Program:
        """Of a class it makes the instance. Raises `ImportFailed` with the user's own traceback."""
        if not inspect.isclass(found):
            return cls({None: Callee.of(found)}, [])
        loop = asyncio.new_event_loop()
        instance = _make(found, loop)
        callees: dict[str | None, Callee] = {name: Callee.of(getattr(instance, name)) for name in public_methods(found)}
        if not callees:
            raise ImportFailed(f"{found.__name__} has no method that could be called.")
        return cls(callees, [getattr(instance, name) for name in exit_methods(found)], loop)

    def with_signatures(self, change: Callable[[Signature], Signature]) -> Program:
        """The same, with every signature changed."""
        callees = {name: each._replace(signature=change(each.signature)) for name, each in self.callees.items()}
        return Program(callees, self._exits, self._loop)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The one that enter methods, calls and exit methods share."""
        self._loop = self._loop or asyncio.new_event_loop()
        return self._loop

    @property
    def is_application(self) -> bool:
        """Whether its function makes an ASGI application."""
        function = self.callees.get(None)
        return function is not None and function.kind == "asgi"

    @property
    def needs_loop(self) -> bool:
        """Whether something of it is async, or batched."""
        callees = self.callees.values()
        return any(each.is_async or each.batching for each in callees) or any(
            inspect.iscoroutinefunction(each) for each in self._exits
        )

    def calls_at_once(self, concurrency: int) -> int:
        """How many calls it has use for at a time: those of a batch come together."""
        sizes = [each.batching.max_size for each in self.callees.values() if each.batching]
        return max(concurrency, *sizes) if sizes else concurrency

    def interface(self, doc: str) -> dict[str, object]:
        """As the registry keeps it."""
        if None in self.callees:
            return self.callees[None].describe()
        methods = {str(name): callee.describe() for name, callee in self.callees.items()}
        return {"kind": "class", "methods": methods, "doc": doc}

    def leave(self) -> None:
        """Run the exit methods. What one raises is in the process's output, and the next one runs all the same."""
        if not self._exits:
            return
        timer = threading.Timer(EXIT_S, _give_up)
        timer.daemon = True
        timer.start()
        for method in self._exits:
            try:
                _finish(method(), self.loop)
            except BaseException as error:  # noqa: BLE001 a border: what user code raises at the end ends nothing else
                sys.stderr.write(format_traceback(error))
        timer.cancel()


def _make(found: type, loop: asyncio.AbstractEventLoop) -> Any:
    try:
        instance = found()
        for name in enter_methods(found):
            _finish(getattr(instance, name)(), loop)
    except BaseException as error:  # whatever user code raises, SystemExit too
        raise import_failed(f"{found.__name__} could not be made", error) from error
    return instance


def _finish(returned: Any, loop: asyncio.AbstractEventLoop) -> None:
    if inspect.isawaitable(returned):
        loop.run_until_complete(_awaited(returned))


async def _awaited(returned: Any) -> None:
    await returned


def _give_up() -> None:
    complain(f"the exit methods took over {EXIT_S:.0f} s; the process ends without the rest")
    os.kill(os.getpid(), signal.SIGKILL)
