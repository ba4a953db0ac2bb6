"""What the operations of a client share: asking for JSON, and names of functions as paths."""

from __future__ import annotations

from typing import Any

from rayfaas.errors import ProtocolError
from rayfaas.names import check_name, check_team
from rayfaas.operation import Speaker

Json = dict[str, Any]


class Asker(Speaker):
    """Base of what has operations that ask the control plane."""

    async def _path_of(self, name: str) -> str:
        return f"/v1/functions/{await self._full_name(name)}"

    async def _full_name(self, name: str) -> str:
        team, _, short = name.rpartition("/")
        return f"{check_team(team or await self._own_team())}/{check_name(short)}"

    async def _own_team(self) -> str:
        team = (await self._get("/v1/whoami")).get("team")
        if not isinstance(team, str):
            raise not_understood()
        return team

    async def _get(self, path: str) -> Json:
        return object_of(await self._transport.get(path))


def object_of(value: Any) -> Json:
    """Raises `ProtocolError` where an answer is none."""
    if not isinstance(value, dict):
        raise not_understood()
    return value


def given(**fields: Any) -> Json:
    """Those that were said: None is what was not.

    >>> given(since="30d", until=None)
    {'since': '30d'}
    """
    return {name: value for name, value in fields.items() if value is not None}


def list_of(value: Any, name: str) -> list[Json]:
    """The list in the member `name` of an answer. Raises `ProtocolError`."""
    found = object_of(value).get(name)
    if not isinstance(found, list):
        raise not_understood()
    return found


def not_understood() -> ProtocolError:
    return ProtocolError("The answer is not what a rayfaas server says. Is RAYFAAS_URL another server's address?")
