"""What crosses the wire: how arguments and results become bytes, and back.

JSON is the default, for any language. A JSON object is keyword arguments, anything else is the single argument, no body
is none. The SDK sends positional and keyword arguments together as ARGUMENTS_JSON: `{"args": […], "kwargs": {…}}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pydantic_core

from rayfaas.errors import MalformedBody, ResultNotSerializable, UnsupportedMediaType

JSON = "application/json"
ARGUMENTS_JSON = "application/vnd.rayfaas.arguments+json"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"


class Arguments(NamedTuple):
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


_NOTHING = Arguments((), {})


def decode_arguments(content_type: str, body: bytes) -> Arguments:
    """Raises `MalformedBody` (with the place) or `UnsupportedMediaType`."""
    if not body:
        return _NOTHING
    media = content_type.partition(";")[0].strip().lower()
    if media in ("", JSON) or (media.endswith("+json") and media != ARGUMENTS_JSON):
        value = decode_json(body)
        return Arguments((), value) if isinstance(value, dict) else Arguments((value,), {})
    if media != ARGUMENTS_JSON:
        raise UnsupportedMediaType(f"Content-Type {media!r} is not understood. Send the arguments as {JSON}.")
    value = decode_json(body)
    if not isinstance(value, dict) or set(value) - {"args", "kwargs"}:
        raise MalformedBody(f'{ARGUMENTS_JSON} is {{"args": […], "kwargs": {{…}}}}')
    args, kwargs = value.get("args", []), value.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise MalformedBody("args must be a list and kwargs an object")
    return Arguments(tuple(args), kwargs)


def decode_json(body: bytes) -> Any:
    try:
        return pydantic_core.from_json(body)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {error}") from None


def encode_json(value: Any) -> bytes:
    """JSON of a result or an argument. NaN and infinities become null, because JSON has no word for them.

    dataclasses, pydantic models, enums, dates, UUIDs, Decimals, sets and bytes (UTF-8) are understood, numpy scalars
    and arrays become numbers and lists. Raises `ResultNotSerializable` for anything else.
    """
    try:
        return pydantic_core.to_json(value, inf_nan_mode="null", fallback=_plain)
    except (pydantic_core.PydanticSerializationError, ValueError, RecursionError) as error:
        raise ResultNotSerializable(
            f"{type(value).__name__} can't be written as JSON: {error}. Return numbers, text, lists, dicts, "
            "dataclasses, pydantic models or numpy arrays."
        ) from None


def _plain(value: Any) -> Any:
    # numpy scalars and arrays, and what imitates them, without importing numpy.
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    raise ValueError(f"no JSON for {type(value).__module__}.{type(value).__qualname__}")


def encode_arguments(args: Sequence[Any], kwargs: dict[str, Any]) -> bytes:
    return encode_json({"args": args, "kwargs": kwargs})
