"""JSON: what any language speaks."""

from __future__ import annotations

from typing import Any, Literal

import pydantic_core

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire.kinds import plain


def decode_json(body: bytes) -> Any:
    try:
        return pydantic_core.from_json(body)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {error}") from None


def encode_json(value: Any, inf_nan_mode: Literal["null", "constants"] = "null") -> bytes:
    """JSON of a result or an argument. NaN and infinities become null, because JSON has no word for them.

    dataclasses, pydantic models, enums, dates, UUIDs, Decimals, sets and bytes (UTF-8) are understood, numpy scalars
    and arrays become numbers and lists, data frames lists of rows. Raises `ResultNotSerializable` for anything else.
    """
    try:
        return pydantic_core.to_json(value, inf_nan_mode=inf_nan_mode, fallback=plain)
    except (pydantic_core.PydanticSerializationError, ValueError, RecursionError) as error:
        raise ResultNotSerializable(
            f"{type(value).__name__} can't be written as JSON: {error}. Return numbers, text, lists, dicts, "
            "dataclasses, pydantic models or numpy arrays."
        ) from None
