"""A deployed function as its caller sees it: `remote`, `aio` and `stream`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sized
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from rayfaas.call_options import NO_OPTIONS, CallOptions
from rayfaas.default import DEFAULT
from rayfaas.errors import BadRequest
from rayfaas.map_options import MapOptions
from rayfaas.names import Target

if TYPE_CHECKING:
    from rayfaas.client import Client
    from rayfaas.mapping import Mapped
    from rayfaas.spawned import SpawnedCall
    from rayfaas.stream import Stream
    from rayfaas.validation import Validation

P = ParamSpec("P")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

LogListener = Callable[[dict[str, Any]], None]
"""Is told of each line that a call writes, as it is written: the line's fields, such as `text` and `stream`."""


class RemoteFunction(Generic[P, R_co]):
    """A function that was deployed, by anybody, in any version: what `rayfaas.get` returns.

    Arguments and results travel in the encoding that they need: numbers, text, bytes, lists, dicts, arrays, data frames
    and images arrive as what they are, dataclasses and pydantic models as dicts, which the function's hints turn back.
    Arguments of other types are pickled, where the token may deploy. `docs/wire.md` has the table.

    >>> embed = rayfaas.get("nlp/embed@prod")  # doctest: +SKIP
    >>> embed.remote("a text")  # doctest: +SKIP
    [0.12, 0.98]
    """

    def __init__(
        self,
        target: str,
        *,
        client: Client | None = None,
        options: CallOptions = NO_OPTIONS,
        on_log: LogListener | None = None,
    ) -> None:
        Target.parse(target)
        self._target, self._given_client, self._options, self._on_log = target, client, options, on_log

    @property
    def target(self) -> str:
        """How it is addressed: `[team/]name`, then nothing, `:version`, `@alias` or `@alias@moment`."""
        return self._target

    @overload
    def remote(self: RemoteFunction[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def remote(
        self: RemoteFunction[P, Iterator[T] | AsyncIterator[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> list[T]: ...
    @overload
    def remote(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it where it is deployed and wait for the result.

        Raises `FunctionError` with the remote traceback where the function raised, `CallError` where it could not be
        run to its end, `Unavailable` where no server answers.
        """
        return self._client.answer(self._target, args, kwargs, self._options, self._on_log)

    @overload
    def aio(
        self: RemoteFunction[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def aio(
        self: RemoteFunction[P, Iterator[T] | AsyncIterator[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, list[T]]: ...
    @overload
    def aio(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...
    def aio(self, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """`remote` for asyncio: `await embed.aio("a text")`. Cancelling it cancels the call."""
        return self._client.answer.aio(self._target, args, kwargs, self._options, self._on_log)

    @overload
    def stream(
        self: RemoteFunction[P, Iterator[T] | AsyncIterator[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Stream[T]: ...
    @overload
    def stream(self: RemoteFunction[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> Stream[T]: ...
    @overload
    def stream(self, /, *args: P.args, **kwargs: P.kwargs) -> Stream[R_co]: ...
    def stream(self, /, *args: Any, **kwargs: Any) -> Stream[Any]:
        """Call a generator and have its items as they are made, with `for` or with `async for`.

        The call starts with the first item that is asked for, and leaving the loop ends it.
        """
        return self._client.stream(self._target, args, kwargs, self._options, self._on_log)

    def spawn(self, /, *args: P.args, **kwargs: P.kwargs) -> SpawnedCall:
        """Have it called, and do not wait: the call survives whatever happens to the server and to this program.

        Returns when the server has it on disk; `spawned.result()` waits for what it comes to.
        """
        return self._client.spawn(self._target, args, kwargs, self._options)

    def validate(self, /, *args: P.args, **kwargs: P.kwargs) -> Validation:
        """A dry run: check target, rights and arguments, and call nothing. Raises what the call would be refused with.

        The arguments are checked by an executor of the version; where none is up, `unchecked` says so.

        >>> embed.validate("a text").version  # doctest: +SKIP
        7
        """
        return self._client.validate(self._target, args, kwargs, self._options)

    def map(
        self,
        inputs: Iterable[Any],
        *,
        concurrency: int = 32,
        ordered: bool = True,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> Mapped[Any]:
        """Call it for each input, `concurrency` at a time; the results in the order of the inputs, or as they come.

        `inputs` may be endless: memory holds `concurrency` of them. Errors are raised where their result would be, or
        returned there with `return_exceptions`. `progress` shows a bar.

        >>> for vector in embed.map(texts, ordered=False):  # doctest: +SKIP
        ...     index.add(vector)
        """
        singles = ((value,) for value in inputs)
        return self._map(singles, _length(inputs), MapOptions(concurrency, ordered, return_exceptions), progress)

    def starmap(
        self,
        inputs: Iterable[tuple[Any, ...]],
        *,
        concurrency: int = 32,
        ordered: bool = True,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> Mapped[Any]:
        """`map` for functions with several arguments: each input is a tuple of them."""
        tuples = (tuple(value) for value in inputs)
        return self._map(tuples, _length(inputs), MapOptions(concurrency, ordered, return_exceptions), progress)

    def _map(
        self, inputs: Iterable[tuple[Any, ...]], length: int | None, options: MapOptions, progress: bool
    ) -> Mapped[Any]:
        if options.concurrency < 1:
            raise BadRequest(f"concurrency must be 1 or more, not {options.concurrency}")
        if progress:
            inputs = import_module("rayfaas.progress").shown(inputs, length, self._target)
        return self._client.map(self._target, inputs, options, self._options)

    def with_options(
        self,
        *,
        alias: str | None = None,
        version: int | None = None,
        timeout_s: float | None = None,
        logs: bool = False,
        on_log: LogListener | None = None,
        retries: int | None = None,
        idempotency_key: str | None = None,
        pickle: bool | None = None,
        team: str | None = None,
        priority: int | str | None = None,
        webhook: str | None = None,
        cache: bool | None = None,
        client: Client | None = None,
    ) -> RemoteFunction[P, R_co]:
        """The same function, called in another way: `embed.with_options(alias="staging").remote("a text")`.

        `timeout_s` counts from when the server accepts the call, waiting for a free executor included. With `logs` what
        the call writes is written here too, as it comes; `on_log` gets the lines instead. The result is JSON then, so
        that an array is a list. Calls with the same `idempotency_key` run once: the others get what that one came to.
        `priority` (low, normal, high, or -10 to 10) says which calls of a version go first when they have to wait.
        `team` is the one for which the call is made; only admins may say another than their own. `retries` is for
        spawned calls, and so is `webhook`, a URL that is told of their end. `pickle` has `remote` and `aio` return the
        very objects that the function returned, such as a fitted model: only for functions whose code you trust,
        because reading a pickle runs code that its writer chose. With `cache=False` a function that has a cache
        computes again, and what it returns is kept for later calls.
        """
        given = {"timeout_s": timeout_s, "retries": retries, "team": team, "priority": priority, "webhook": webhook}
        given |= {"takes_pickle": pickle, "cache": cache}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return RemoteFunction(
            self._retarget(alias, version),
            client=client or self._given_client,
            options=dataclasses.replace(self._options, **changes, idempotency_key=idempotency_key),
            on_log=on_log or (_write_log if logs else self._on_log),
        )

    def _how(self) -> dict[str, Any]:
        """How it is called, as its constructor takes it."""
        return {"client": self._given_client, "options": self._options, "on_log": self._on_log}

    def _retarget(self, alias: str | None, version: int | None) -> str:
        if alias is None and version is None:
            return self.target
        if alias is not None and version is not None:
            raise BadRequest(f"A call goes to an alias or to a version, not to both ({alias!r} and {version!r}).")
        target = Target.parse(self.target)
        moment = target.moment if version is None else None
        return str(target._replace(alias=alias, version=version, moment=moment))

    @property
    def _client(self) -> Client:
        return self._given_client or DEFAULT.get()

    def __repr__(self) -> str:
        return f"<rayfaas.{type(self).__name__} {self.target}>"


class Remote(RemoteFunction[..., Any]):
    """What was deployed under a name: a function, or a class, whose methods are its attributes.

    A method whose name is taken, such as `stream`, is had by its own name: `rayfaas.get("Model.stream")`.

    >>> model = rayfaas.get("nlp/Model@prod")  # doctest: +SKIP
    >>> model.predict.remote("a text")  # doctest: +SKIP
    0.98
    """

    def __getattr__(self, name: str) -> RemoteFunction[..., Any]:
        target = Target.parse(self.__dict__["_target"]) if not name.startswith("_") else None
        if target is None or target.method is not None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return RemoteFunction(str(target._replace(method=name)), **self._how())

    def with_options(self, **options: Any) -> Remote:
        made = super().with_options(**options)
        return Remote(made.target, **made._how())

    def __repr__(self) -> str:
        return f"<rayfaas.RemoteFunction {self.target}>"


def _write_log(line: dict[str, Any]) -> None:
    text = str(line.get("text", ""))
    output = sys.stdout if line.get("stream") == "stdout" else sys.stderr
    output.write(text if text.endswith("\n") else f"{text}\n")
    output.flush()


def _length(inputs: Iterable[Any]) -> int | None:
    return len(inputs) if isinstance(inputs, Sized) else None


def get(target: str, *, timeout_s: float | None = None) -> Remote:
    """A deployed function or class, by its name: `embed`, `embed:7`, `nlp/embed@prod`, `Model`, `Model.predict`; or
    as of a moment, `embed@prod@2026-11-01T12:00Z`. With `timeout_s` its calls have at most so many seconds.

    Nothing is asked of the server before the first call. Raises `BadRequest` for what can't be a name.

    >>> get("nlp/embed@prod").remote("a text")  # doctest: +SKIP
    [0.12, 0.98]
    """
    return Remote(target, options=CallOptions(timeout_s=timeout_s))


def get_call(call_id: str) -> SpawnedCall:
    """The spawned call with this id, which another program may have made. Raises `BadRequest` for what is no UUID.

    >>> get_call("01890a5d-ac96-774b-bcce-b302099a8057").result()  # doctest: +SKIP
    {'accuracy': 0.98}
    """
    return DEFAULT.get().spawned(call_id)
