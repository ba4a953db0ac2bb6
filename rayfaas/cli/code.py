"""`rayfaas diff`, `source` and `pull`: the code of versions, as it was deployed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from rayfaas.archive import Archive
from rayfaas.changes import Change, FileChanges, changes
from rayfaas.cli.output import cell, json_option, show_json
from rayfaas.client import Client
from rayfaas.errors import NotFound
from rayfaas.names import LIVE, Target

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
# Under which name the text of a notebook's function is shown.
_NOTEBOOK = "(notebook)"


@click.command()
@click.argument("function")
@click.argument("before")
@click.argument("after", default=LIVE)
@json_option
def diff(function: str, before: str, after: str, as_json: bool) -> None:
    """Show what changed in FUNCTION from the version BEFORE to AFTER: source, settings, environment.

    Each is a number or an alias; without AFTER it is live: `rayfaas diff embed 3 5`, `rayfaas diff embed prod`.
    """
    with Client() as client:
        old, new = (client.version(function, _which(each)) for each in (before, after))
        same = old["bundle"] == new["bundle"]
        archives = [] if same else [client.archive(function, each["version"]) for each in (old, new)]
    files = _file_diffs(*archives) if archives else []
    settings, environment = changes(_settings(old), _settings(new)), changes(_environment(old), _environment(new))
    if as_json:
        told = {"files": files, "settings": _plain(settings), "environment": _plain(environment)}
        show_json({"before": old["version"], "after": new["version"], **told})
        return
    click.secho(f"{old['team']}/{old['name']}: {old['version']} → {new['version']}", bold=True)
    _show_changes("settings", settings)
    _show_changes("environment", environment)
    for each in files:
        _show_file(each)
    if not files and not settings and not environment:
        click.echo("nothing differs")


@click.command()
@click.argument("target")
@click.option("--file", "name", help="Another file of it.")
def source(target: str, name: str | None) -> None:
    """Print the file that TARGET is declared in, as deployed: `rayfaas source embed:3`, `embed@prod`, `embed`."""
    function, which = _parsed(target)
    with Client() as client:
        version = client.version(function, which)
        archive = client.archive(function, version["version"])
    if name is None and archive.is_pickle:
        text = archive.notebook_source()
        if text is None:
            raise NotFound(f"{target} was deployed from a notebook or shell that did not know its text.")
        click.echo(text, nl=False)
        return
    click.echo(archive.read(name or _entry_file(version, archive)), nl=False)


@click.command()
@click.argument("target")
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace files that are there with other content.")
@json_option
def pull(target: str, directory: Path | None, force: bool, as_json: bool) -> None:
    """Write the files of TARGET, as deployed, into DIRECTORY, which is called after it if you give none.

    Deployed from there again, they are the same version.
    """
    function, which = _parsed(target)
    with Client() as client:
        version = client.version(function, which)
        archive = client.archive(function, version["version"])
    directory = directory or Path(f"{version['name']}-{version['version']}")
    written = archive.unpack(directory, force)
    if as_json:
        show_json({"directory": str(directory), "files": list(archive.files), "written": written})
        return
    click.echo(
        f"{version['team']}/{version['name']}:{version['version']} is in {directory}: {len(archive.files)} files"
    )
    if archive.is_pickle:
        click.echo(
            "It was deployed from a notebook: these files are no program that could be deployed again.", err=True
        )


def _parsed(target: str) -> tuple[str, int | str]:
    """The function, and the number or alias of its version."""
    found = Target.parse(target)
    if found.method is not None:
        raise click.UsageError(f"{target} names a method; its class is what was deployed.")
    name = f"{found.team}/{found.name}" if found.team else found.name
    return name, found.version if found.version is not None else found.alias or LIVE


def _which(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _entry_file(version: dict[str, Any], archive: Archive) -> str:
    path = version["entry"]["module"].replace(".", "/")
    return next((name for name in (f"{path}.py", f"{path}/__init__.py") if name in archive.files), f"{path}.py")


def _settings(version: dict[str, Any]) -> dict[str, Any]:
    return {"entry": version["entry"], **version["spec"]}


def _environment(version: dict[str, Any]) -> dict[str, Any]:
    return {"environment": version["environment_digest"], "deployed_with_python": version["provenance"].get("python")}


def _plain(found: list[Change]) -> list[dict[str, Any]]:
    return [asdict(each) for each in found]


def _file_diffs(before: Archive, after: Archive) -> list[dict[str, Any]]:
    old, new = _contents(before), _contents(after)
    found = FileChanges.between(old, new)
    kinds = {"added": found.added, "removed": found.removed, "changed": found.changed}
    return [
        {"file": name, "change": kind, "diff": _diff(name, old.get(name), new.get(name))}
        for kind, names in kinds.items()
        for name in names
    ]


def _contents(archive: Archive) -> dict[str, bytes]:
    contents = {name: archive.read(name) for name in archive.files}
    if archive.is_pickle and (text := archive.notebook_source()) is not None:
        contents[_NOTEBOOK] = text.encode()
    return contents


def _diff(name: str, before: bytes | None, after: bytes | None) -> str | None:
    """As `diff -u` has it; None of files that hold no text."""
    try:
        old, new = (None if each is None else each.decode("utf-8").splitlines() for each in (before, after))
    except UnicodeDecodeError:
        return None
    names = ("/dev/null" if old is None else f"a/{name}", "/dev/null" if new is None else f"b/{name}")
    return "\n".join(difflib.unified_diff(old or [], new or [], *names, lineterm=""))


def _show_changes(what: str, found: list[Change]) -> None:
    for each in found:
        click.echo(f"{what}: {each.field} {cell(each.before) or 'none'} → {cell(each.after) or 'none'}")


def _show_file(found: dict[str, Any]) -> None:
    if found["diff"] is None:
        click.secho(f"{found['file']}: {found['change']}, and no text", bold=True)
        return
    for line in _lines(found["diff"]):
        click.echo(line)


def _lines(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines()):
        if number < 2:
            yield click.style(line, bold=True)
        else:
            yield click.style(line, fg=_COLOURS.get(line[:1]))
