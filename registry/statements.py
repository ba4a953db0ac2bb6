"""The SQL of a module: statements by name, from the `.sql` file beside it."""

from __future__ import annotations

from importlib import resources

_MARK = "-- name: "


def load(file: str) -> dict[str, str]:
    """The statements of `file`, each headed by a line `-- name: <its name>`.

    >>> "add_bundle" in load("catalog.sql")
    True
    """
    text = resources.files("rayfaas.registry").joinpath(file).read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for part in text.split(_MARK)[1:]:
        name, _, statement = part.partition("\n")
        found[name.strip()] = statement.strip().rstrip(";")
    return found
