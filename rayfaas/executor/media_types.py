"""In which media types a function is called and answers, as its type hints say: what OpenAPI tells of it."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any

from rayfaas.executor.coercion import is_open_file, kind_of_hint
from rayfaas.wire.kinds import IMAGE, TABULAR
from rayfaas.wire.media import ARROW, JPEG, JSON, MSGPACK, MULTIPART, OCTETS, PNG, WEBP

_FILE, _FILES, _TABLE, _OTHER = "file", "files", "table", "other"
_AS_BODY: Mapping[str, tuple[str, ...]] = {
    _FILE: (OCTETS,),
    _FILES: (OCTETS,),
    IMAGE: (PNG, JPEG),
    _TABLE: (ARROW,),
    _OTHER: (),
}
_AS_RESULT: Mapping[str, tuple[str, ...]] = {
    _FILE: (OCTETS, JSON, MSGPACK),
    _FILES: (JSON, MSGPACK),
    IMAGE: (PNG, JPEG, WEBP),
    _TABLE: (JSON, MSGPACK, ARROW),
    _OTHER: (JSON, MSGPACK),
}


def taken(parameters: list[inspect.Parameter], hints: Mapping[str, Any]) -> list[str]:
    """What a call's body may be. One with files may be a form; where one argument is enough it may be the body.

    >>> def hear(clip: bytes, speed: float = 1.0) -> str: ...
    >>> taken(list(inspect.signature(hear).parameters.values()), typing.get_type_hints(hear))
    ['application/json', 'application/msgpack', 'multipart/form-data', 'application/octet-stream']
    """
    kinds = {each.name: _kinds(hints.get(each.name)) for each in parameters}
    required = [each for each in parameters if each.default is each.empty and each.kind not in _OF_ANY_NUMBER]
    media = [MSGPACK] if any(kinds[each.name] == {IMAGE} for each in required) else [JSON, MSGPACK]
    if any(found & {_FILE, _FILES, IMAGE} for found in kinds.values()):
        media.append(MULTIPART)
    if parameters and parameters[0].kind in _FIRST and all(each is parameters[0] for each in required):
        media += [each for kind in sorted(kinds[parameters[0].name]) for each in _AS_BODY[kind]]
    return media


def given(hint: Any) -> list[str]:
    """What the result may be, the type first that it has for whoever takes anything."""
    return list(dict.fromkeys(media for kind in sorted(_kinds(hint)) for media in _AS_RESULT[kind]))


_OF_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_FIRST = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _kinds(hint: Any) -> set[str]:
    """Of a union those of its members, of a list those of its items."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _kinds(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return set().union(*(_kinds(each) for each in arguments if each is not types.NoneType))
    if origin is list:
        return {_FILES if _kinds(arguments[0]) & {_FILE, IMAGE} else _OTHER}
    kind = kind_of_hint(origin or hint)
    if kind is not None:
        return {_TABLE if kind in TABULAR else kind}
    is_file = is_open_file(hint) or (isinstance(hint, type) and issubclass(hint, bytes))
    return {_FILE} if is_file else {_OTHER}
