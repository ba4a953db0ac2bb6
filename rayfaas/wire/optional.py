"""Libraries that are not everybody's: imported when they are needed, and named where they are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from rayfaas.errors import RayfaasError

_EXTRAS = {"pyarrow": "arrow", "pyarrow.parquet": "arrow", "PIL.Image": "images"}


def library(module: str, error: type[RayfaasError]) -> ModuleType:
    """Raises `error` with what to install."""
    try:
        return import_module(module)
    except ImportError:
        extra = _EXTRAS[module]
        raise error(f"{module} is not installed here: pip install 'rayfaas[{extra}]'") from None
