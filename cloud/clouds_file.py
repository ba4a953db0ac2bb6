"""`clouds.toml`: the settings of providers, a table for each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rayfaas.errors import BadRequest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def settings_in(file: Path, provider: str) -> dict[str, Any]:
    """Empty where the file says nothing of it. Raises `BadRequest` where it can't be read."""
    try:
        found = tomllib.loads(file.read_text("utf-8")).get(provider, {})
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadRequest(f"{file} can't be read: {error}") from None
    if not isinstance(found, dict):
        raise BadRequest(f"{file}: write the settings of {provider} under [{provider}].")
    return found
