"""The README's twenty lines, and files of the docs, as somebody would copy them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Server

ROOT = Path(__file__).parent.parent.parent


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_example_in_the_readme_works_as_it_stands(server: Server, tmp_path: Path) -> None:
    function, caller = blocks("README.md", "python")[:2]
    commands = blocks("README.md", "sh")
    (tmp_path / "iris.py").write_text(function)
    (tmp_path / "caller.py").write_text(caller)

    deploy = _sh(server, tmp_path, commands[0])
    assert deploy.splitlines()[0].startswith("default/species:1 is live")
    assert deploy.splitlines()[1] == '["setosa"]'
    assert _sh(server, tmp_path, commands[1]) == '["setosa"]'
    assert _sh(server, tmp_path, "python caller.py") == "['setosa']\n"
    assert re.search(r"default/species +1 +\w+ +3 ", _sh(server, tmp_path, commands[2]))


@pytest.mark.parametrize(
    ("page", "file", "answer"),
    [("functions.md", "sentiment.py", "1\n"), ("applications.md", "hello.py", "hello, ")],
)
def test_each_file_of_a_page_is_deployed_and_answers(
    server: Server, tmp_path: Path, page: str, file: str, answer: str
) -> None:
    (source,) = (block for block in blocks(f"docs/{page}", "python") if block.startswith(f"# {file}\n"))
    (tmp_path / file).write_text(source)
    (commands,) = (block for block in blocks(f"docs/{page}", "sh") if f"rayfaas deploy {file}" in block)
    assert answer in _sh(server, tmp_path, commands)


def _sh(server: Server, directory: Path, commands: str) -> str:
    environ = {**server.environ, "URL": server.url, "TOKEN": server.token}
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=directory, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
