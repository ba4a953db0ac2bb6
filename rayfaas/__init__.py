"""rayfaas: deploy a Python function and have a shared, versioned, observable service.

    import rayfaas

    @rayfaas.function()
    def area(width: float, height: float) -> float:
        return width * height

    area(2, 3)            # runs here
    area.deploy()         # is a service now
    area.remote(2, 3)     # runs there

Importing this loads neither an HTTP library nor anything of the server.
"""

from builtins import breakpoint
from importlib import import_module
from typing import TYPE_CHECKING

from rayfaas.application import asgi
from rayfaas.artifact import Artifact
from rayfaas.artifacts import reads, writes
from rayfaas.batching import batched
from rayfaas.cls import Cls, cls
from rayfaas.context import CallContext, current_call
from rayfaas.errors import RayfaasError
from rayfaas.function import Function, function
from rayfaas.methods import enter, exit
from rayfaas.remote import RemoteFunction, get, get_call

if TYPE_CHECKING:
    from rayfaas.client import Client
    from rayfaas.deploy import Deployed
    from rayfaas.schedule import Cron, Period
    from rayfaas.spawned import SpawnedCall
    from rayfaas.stream import Stream
    from rayfaas.validation import Validation
    from rayfaas.wire.file import File

__all__ = [
    "Artifact",
    "CallContext",
    "Client",
    "Cls",
    "Cron",
    "Deployed",
    "File",
    "Function",
    "Period",
    "RayfaasError",
    "RemoteFunction",
    "SpawnedCall",
    "Stream",
    "Validation",
    "asgi",
    "batched",
    "breakpoint",
    "cls",
    "current_call",
    "enter",
    "exit",
    "function",
    "get",
    "get_call",
    "reads",
    "writes",
]

_LATER = {
    "Client": "rayfaas.client",
    "Cron": "rayfaas.schedule",
    "Deployed": "rayfaas.deploy",
    "File": "rayfaas.wire.file",
    "Period": "rayfaas.schedule",
    "SpawnedCall": "rayfaas.spawned",
    "Stream": "rayfaas.stream",
    "Validation": "rayfaas.validation",
    "load_ipython_extension": "rayfaas.notebook",
}


def __getattr__(name: str) -> object:
    # What speaks to a server brings asyncio and httpx, which cost as much as all the rest: loaded when first asked for.
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
