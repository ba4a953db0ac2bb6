"""The queries that commands ask, each in a file beside this one."""

from __future__ import annotations

from importlib import resources


def statement(name: str) -> str:
    """The text of `name`.sql."""
    return resources.files("rayfaas.cli").joinpath(f"{name}.sql").read_text("utf-8")
