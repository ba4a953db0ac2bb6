"""A function's arguments: bound to its signature, validated and coerced by its type hints, described as JSON schema."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    MutableSequence,
    Sequence,
)
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from rayfaas.application import is_application
from rayfaas.errors import ImportFailed, InvalidArguments
from rayfaas.executor.coercion import coerced, loosened
from rayfaas.executor.media_types import given, taken
from rayfaas.wire import Arguments

# Of what is wrong with a call's arguments: the others are counted.
_MOST_FAULTS = 100
_STREAMS = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator)
_LISTS = (list, Sequence, MutableSequence, Collection, Iterable)
_NOT_A_PLACE = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


class Signature:
    """Binds and validates the arguments of one function.

    >>> def area(width: float, height: float = 1.0) -> float: ...
    >>> Signature(area).bind(Arguments(("2",), {}))
    ((2.0,), {})
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature, self._hints = self._read(function)
        self._adapters = {
            name: adapter
            for name, parameter in self._signature.parameters.items()
            if (adapter := _adapter(self._hints.get(name), parameter)) is not None
        }
        self.first_hint = self._hints.get(next(iter(self._signature.parameters), ""))
        self._takes_nothing = not self._signature.parameters
        self._positional = _all_positional(self._signature)

    def _read(self, function: Callable[..., Any]) -> tuple[inspect.Signature, dict[str, Any]]:
        return inspect.signature(function), _type_hints(function)

    def bind(self, arguments: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments to call with. Raises `InvalidArguments` with the place of each fault."""
        if self._takes_nothing and not arguments.args and not arguments.kwargs:
            return (), {}
        if not arguments.args and arguments.kwargs.keys() == self._positional:
            # Every argument is there, by its name, as most callers have it: no need of `inspect`.
            self._validate_all(arguments.kwargs)
            return tuple(arguments.kwargs[name] for name in self._signature.parameters), {}
        try:
            bound = self._signature.bind(*arguments.args, **arguments.kwargs)
        except TypeError as error:
            raise self._misfit(f"{error}{self._unknown(str(error), arguments.kwargs)}") from None
        self._validate_all(bound.arguments)
        return bound.args, bound.kwargs

    def _validate_all(self, named: dict[str, Any]) -> None:
        faults: list[dict[str, Any]] = []
        for name, adapter in self._adapters.items():
            if name in named:
                named[name] = self._validate(name, adapter, named[name], faults)
        if faults:
            told = faults[:_MOST_FAULTS]
            text = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in told)
            more = f"; and {len(faults) - len(told)} more" if len(faults) > len(told) else ""
            raise InvalidArguments(f"The arguments do not fit {self}: {text}{more}", errors=told)

    def _validate(self, name: str, adapter: TypeAdapter[Any], value: Any, faults: list[dict[str, Any]]) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            for other in loosened(value):
                try:
                    return adapter.validate_python(other)
                except ValidationError:
                    pass  # what is told is what was wrong with the value as it came
            faults += [{"loc": [name, *e["loc"]], "msg": e["msg"], "type": e["type"]} for e in error.errors()]
        return None

    def _misfit(self, message: str) -> InvalidArguments:
        fault = {"loc": [], "msg": message, "type": "signature"}
        return InvalidArguments(f"The arguments do not fit {self}: {message}", errors=[fault])

    def _unknown(self, message: str, names: Iterable[str]) -> str:
        """What `inspect` leaves out where an argument is missing: it may have come under another name."""
        kinds = {parameter.kind for parameter in self._signature.parameters.values()}
        if not message.startswith("missing") or inspect.Parameter.VAR_KEYWORD in kinds:
            return ""
        unknown = ", ".join(repr(name) for name in names if not self.has(name))
        return f"; there is no argument {unknown}" if unknown else ""

    def __str__(self) -> str:
        return str(self._signature)

    def has(self, name: str) -> bool:
        """Whether a parameter has this name."""
        return name in self._signature.parameters

    def arguments_schema(self) -> dict[str, Any]:
        """JSON schema of the object of keyword arguments."""
        properties, required, closed = {}, [], True
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                closed = False
            elif parameter.kind is not parameter.VAR_POSITIONAL:
                properties[name] = _schema(self._adapters.get(name), parameter.default)
                if parameter.default is parameter.empty:
                    required.append(name)
        schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": not closed}
        return {**schema, "required": required} if required else schema

    def takes(self) -> list[str]:
        """The media types of its arguments."""
        return taken(list(self._signature.parameters.values()), self._hints)

    def gives(self) -> list[str]:
        """The media types of its result."""
        return given(self._hints.get("return"))

    def result_schema(self) -> dict[str, Any]:
        """JSON schema of the result, or of one item of the stream."""
        hint = self._hints.get("return")
        if _is_stream(hint):
            hint = (typing.get_args(hint) or (Any,))[0]
        return _schema(_make_adapter(hint), inspect.Parameter.empty, mode="serialization")


class ItemSignature(Signature):
    """Of a batched function, as its callers see it: they give one item of its list, and get one of its results.

    >>> def lengths(texts: list[str]) -> list[int]: ...
    >>> str(ItemSignature(lengths))
    '(texts: str) -> int'
    """

    def _read(self, function: Callable[..., Any]) -> tuple[inspect.Signature, dict[str, Any]]:
        signature, hints = super()._read(function)
        parameters = list(signature.parameters.values())
        if not _takes_a_list(parameters):
            raise ImportFailed(f"{function.__qualname__} is batched and must take one argument: the list of items.")
        first = parameters[0]
        hints = {name: _item_of(hints[name]) for name in (first.name, "return") if name in hints}
        empty = inspect.Parameter.empty
        item = first.replace(annotation=hints.get(first.name, empty), default=empty)
        return signature.replace(parameters=[item], return_annotation=hints.get("return", empty)), hints


def _takes_a_list(parameters: list[inspect.Parameter]) -> bool:
    if not parameters or parameters[0].kind in _NOT_A_PLACE:
        return False
    return all(each.default is not each.empty for each in parameters[1:])


def _item_of(hint: Any) -> Any:
    """What a list of this type holds."""
    if typing.get_origin(hint) not in _LISTS:
        return Any
    return (typing.get_args(hint) or (Any,))[0]


def _all_positional(signature: inspect.Signature) -> set[str] | None:
    """Its parameters, where each may be given by position and by name; None where one may not."""
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    return set(signature.parameters) if kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD} else None


def kind_of(function: Callable[..., Any]) -> str:
    """`sync`, `async`, `generator`, `async_generator`, or `asgi` for what makes an application."""
    if is_application(function):
        return "asgi"
    if inspect.isasyncgenfunction(function):
        return "async_generator"
    if inspect.iscoroutinefunction(function):
        return "async"
    return "generator" if inspect.isgeneratorfunction(function) else "sync"


def describe(function: Callable[..., Any], signature: Signature) -> dict[str, object]:
    """The interface that the registry keeps: kind, signature, JSON schemas, media types, docstring."""
    return {
        "kind": kind_of(function),
        "signature": str(signature),
        "arguments": signature.arguments_schema(),
        "result": signature.result_schema(),
        "takes": signature.takes(),
        "gives": signature.gives(),
        "doc": inspect.getdoc(function) or "",
    }


def _type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 hints in quotes are code, and code may do anything
        # A hint that only type checkers can resolve (TYPE_CHECKING imports) is no reason to refuse the function.
        return {n: h for n, h in getattr(function, "__annotations__", {}).items() if not isinstance(h, str)}


def _adapter(hint: Any, parameter: inspect.Parameter) -> TypeAdapter[Any] | None:
    if hint is None and parameter.annotation is not None:
        return None
    if parameter.kind is parameter.VAR_POSITIONAL:
        hint = tuple[hint, ...]
    elif parameter.kind is parameter.VAR_KEYWORD:
        hint = dict[str, hint]
    return _make_adapter(hint)


def _make_adapter(hint: Any) -> TypeAdapter[Any] | None:
    """None for a type that pydantic has no schema for (a numpy array, say): such a value is passed as it came."""
    if hint is None or hint is Any or hint is inspect.Parameter.empty:
        return None
    try:
        return TypeAdapter(coerced(hint))
    except Exception:  # noqa: BLE001 types may describe themselves to pydantic, in code of the user
        return None


def _schema(adapter: TypeAdapter[Any] | None, default: Any, mode: Any = "validation") -> dict[str, Any]:
    try:
        schema = adapter.json_schema(mode=mode) if adapter else {}
    except PydanticUserError:
        schema = {}
    if isinstance(default, str | int | float | bool | types.NoneType) and default is not inspect.Parameter.empty:
        schema = {**schema, "default": default}
    return schema


def _is_stream(hint: Any) -> bool:
    return typing.get_origin(hint) in _STREAMS
