"""The document: OpenAPI 3.1 of this server, as a team sees it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from rayfaas.gateway.openapi.components import Components
from rayfaas.gateway.openapi.functions import Callee, function_paths
from rayfaas.gateway.openapi.parameters import shared_components
from rayfaas.gateway.openapi.paths import api_paths
from rayfaas.gateway.openapi.people import PRINCIPAL, TOKEN
from rayfaas.gateway.openapi.schemas import SCHEMAS

_DESCRIPTION = """\
Deployed functions, and what is around them.

Every answer to a call says which it was (`Rayfaas-Call-Id`, `Rayfaas-Version`). Errors are RFC 9457 problem documents
with a stable `code`. `Prefer: validate-only` on any call checks it, answers with a `DryRun`, and runs nothing.
"""


def document(callees: Iterable[Callee], asking_team: str) -> dict[str, Any]:
    """With a path for each alias of each function, written as short as the asking team may write it."""
    components = Components({**SCHEMAS, "Principal": PRINCIPAL, "Token": TOKEN})
    functions = function_paths(callees, asking_team, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "rayfaas", "version": version("rayfaas"), "description": _DESCRIPTION},
        "security": [{"bearer": []}],
        "paths": {**functions, **api_paths()},
        "components": {**shared_components(), "schemas": components.schemas},
    }
