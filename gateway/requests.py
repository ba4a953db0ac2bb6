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
MOST_MESSAGE = 4096
MOST_VERSION = 999_999_999
_MOST_DIGITS = 18
_carried = msgspec.msgpack.Encoder().encode  # as the link to the controller does it: not every JSON can be


def function_of(request: Request) -> dict[str, str]:
    """Team and name, as the path says them."""
    return {"team": check_team(request.path_params["team"]), "name": check_name(request.path_params["name"])}


def version_of(request: Request) -> int:
    """A version's number, as the path says it."""
    text = str(request.path_params["version"])
    number = whole_number(text, MOST_VERSION)
    if number is None:
        raise BadRequest(f"A version is a number, not {text!r}.")
    return number


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
    if not isinstance(message, str) or len(message) > MOST_MESSAGE:
        raise BadRequest(f"message is text, of {MOST_MESSAGE} characters at most.")
    return message


def reason_of(request: Request) -> str:
    """The same of a request without a body: what is too long is cut."""
    return request.query_params.get("message", "")[:MOST_MESSAGE]


def whole_number(text: str, most: int, least: int = 0) -> int | None:
    """None where it is none, or not one from `least` to `most`.

    >>> whole_number("12", 100), whole_number("-1", 100), whole_number("0000101", 100)
    (12, None, None)
    """
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        return None
    number = int(text)
    return number if least <= number <= most else None


def as_json(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type=JSON)
