"""The table of systems, in the order in which they are told of."""

from __future__ import annotations

from benchmarks.systems import (
    bare_uvicorn,
    bentoml,
    functions_framework,
    litserve,
    rayfaas_server,
    serve_default,
    serve_haproxy,
)
from benchmarks.systems.system import System

SYSTEMS: tuple[System, ...] = (
    rayfaas_server.SYSTEM,
    serve_haproxy.SYSTEM,
    serve_default.SYSTEM,
    litserve.SYSTEM,
    bentoml.SYSTEM,
    functions_framework.SYSTEM,
    functions_framework.ASYNC_SYSTEM,
    bare_uvicorn.SYSTEM,
)
