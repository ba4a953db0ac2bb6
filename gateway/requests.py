"""What the endpoints of the control plane read from a request, and how they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rayfaas.errors import BadRequest, BodyTooLarge, MalformedBody
from rayfaas.gateway.problems import encode
from rayfaas.names import check_name, check_team
from rayfaas.wire import JSON

MAX_REQUEST = 4 << 20
_carried = msgspec.msgpack.Encoder().encode  # as the link to the controller does it: not every JSON can be


def function_of(request: Request) -> dict[str, str]:
    """Team and name, as the path says them."""
    return {"team": check_team(request.path_params["team"]), "name": check_name(request.path_params["name"])}


async def body_of(request: Request, limit: int) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"The body is over the limit of {limit:,} bytes.", limit=limit)
        chunks.append(chunk)
    return b"".join(chunks)


async def json_body(request: Request) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(await body_of(request, MAX_REQUEST))
        _carried(value)
    except OverflowError:
        raise BadRequest("A number has more than 64 bits. Send it as text.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(f"The body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedBody("The body must be a JSON object.")
    return value


def message_of(body: Mapping[str, Any]) -> str:
    """Why it is done, in the words of whoever does it."""
    message = body.get("message", "")
    if not isinstance(message, str) or len(message) > 4096:
        raise BadRequest("message is text, of 4096 characters at most.")
    return message


def as_json(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type=JSON)
