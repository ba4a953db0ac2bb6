"""`clouds.toml`: the settings of providers, a table for each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rayfaas.config import Home
from rayfaas.errors import BadRequest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def settings_of(home: Home, provider: str) -> dict[str, Any]:
    """Those of a provider's adapter for machines of a home. Raises `BadRequest` where they can't be read."""
    settings = settings_in(home.clouds_file, provider)
    return {"directory": str(home.machines), **settings} if provider == "local" else settings


def settings_in(file: Path, name: str) -> dict[str, Any]:
    """One of its tables; empty where it has none. Raises `BadRequest` where it can't be read."""
    found = _read(file).get(name, {})
    if not isinstance(found, dict):
        raise BadRequest(f"{file}: write the settings of {name} under [{name}].")
    return found


def providers_in(file: Path) -> list[str]:
    """The names of its tables."""
    return list(_read(file))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadRequest(f"{file} can't be read: {error}") from None
