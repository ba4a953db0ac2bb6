"""The README's twenty lines, as somebody would copy them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.e2e.conftest import Server

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def test_the_example_in_the_readme_works_as_it_stands(server: Server, tmp_path: Path) -> None:
    function, caller = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[:2]
    commands = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    (tmp_path / "iris.py").write_text(function)
    (tmp_path / "caller.py").write_text(caller)

    deploy = _sh(server, tmp_path, commands[0])
    assert deploy.splitlines()[0].startswith("default/species:1 is live")
    assert deploy.splitlines()[1] == '["setosa"]'
    assert _sh(server, tmp_path, commands[1]) == '["setosa"]'
    assert _sh(server, tmp_path, "python caller.py") == "['setosa']\n"
    assert re.search(r"default/species +1 +\w+ +3 ", _sh(server, tmp_path, commands[2]))


def _sh(server: Server, directory: Path, commands: str) -> str:
    environ = {**server.environ, "URL": server.url, "TOKEN": server.token}
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=directory, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
