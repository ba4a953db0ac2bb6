"""What the gateway asks of a body before it hands it on unread: is it many inputs, and may its sender send it?"""

from __future__ import annotations

from rayfaas.errors import Forbidden
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.route import Route
from rayfaas.wire import ARGUMENTS_JSON, ARGUMENTS_MSGPACK, JSON, NDJSON, is_pickle, media_type

# What most calls have: one input, and no code in it.
_PLAIN = frozenset((None, JSON.encode(), ARGUMENTS_JSON.encode(), ARGUMENTS_MSGPACK.encode()))
_MAY_SEND_CODE = ("deployer", "admin")


def has_many_inputs(headers: Headers) -> bool:
    """Whether each line of the body is an input of its own."""
    content_type = headers.get(b"content-type")
    return content_type not in _PLAIN and media_type(_text(content_type)) == NDJSON


def check_content(headers: Headers, principal: Principal, route: Route) -> None:
    """Raises `Forbidden` for a pickle of somebody who may not deploy the function: to read one is to run code of the
    sender's where the function's secrets are."""
    content_type = headers.get(b"content-type")
    if content_type in _PLAIN or not is_pickle(_text(content_type)):
        return
    if principal.role in _MAY_SEND_CODE:
        if principal.team == route.owner or principal.role == "admin":
            return
        raise Forbidden(
            f"The arguments are a pickle, which runs code where it is read: that is for team {route.owner!r}, and the "
            f"token is of team {principal.team!r}. Send what needs no pickle."
        )
    raise Forbidden(
        f"The arguments are a pickle, which runs code where it is read: that needs the role deployer, and the token's "
        f"is {principal.role}. Send numbers, text, bytes, lists, dicts, dataclasses, arrays or data frames, which need "
        "no pickle."
    )


def _text(content_type: bytes | None) -> str:
    return (content_type or b"").decode("latin-1")
