"""What the page for a company's server tells is there: options of the unit, folders of a home, options for the disk."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from rayfaas.cli.server import up
from rayfaas.config import Home

PAGE = (Path(__file__).parent.parent / "docs" / "operating.md").read_text()
OPTIONS = {option for parameter in up.params for option in parameter.opts}


def test_the_unit_starts_the_server_with_options_that_there_are() -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", PAGE, re.MULTILINE)
    program, command, *arguments = shlex.split(line)
    assert (Path(program).name, command) == ("rayfaas", "up")
    up.make_context("up", list(arguments))
    assert "--foreground" in arguments


def test_what_limits_the_disk_are_options_of_the_server() -> None:
    table = PAGE.partition("## Disk")[2].partition("```")[0]
    assert set(re.findall(r"`(--[a-z-]+)", table)) <= OPTIONS


def test_folders_and_files_of_the_home_are_called_so() -> None:
    home = Home(Path("/home"))
    named = set(re.findall(r"^\| `([a-z.]+)`", PAGE.partition("## Disk")[2], re.MULTILINE))
    of_home = {value.name for each in vars(Home) if isinstance(value := getattr(home, each, None), Path)}
    assert named - of_home == set()
