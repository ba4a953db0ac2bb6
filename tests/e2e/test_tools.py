"""A model's client finds deployed functions as tools and calls them: as docs/tools.md says, with a token for one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import Server, eventually

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text()
EMBED = '''
import rayfaas

@rayfaas.function
def embed(text: str) -> dict[str, int]:
    """The embedding of a text."""
    if not text:
        raise ValueError("there is no text")
    return {"length": len(text)}
'''


def test_the_page_is_true(server: Server, write: Callable[[str, str], Path], tmp_path: Path) -> None:
    server.deploy(write("embeds.py", EMBED), "embed")
    (command,) = re.findall(r"^rayfaas (token create .*)$", PAGE, re.MULTILINE)
    made = json.loads(server.rayfaas(*command.split(), "--json").stdout)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    environment = {**os.environ, "RAYFAAS_URL": server.url, "RAYFAAS_TOKEN": made["token"]}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    tools, answer = done.stdout.splitlines()
    assert tools == "['embed']"
    assert '{"length":4}' in answer
    rows = eventually(lambda: server.sql("SELECT function, caller, state FROM calls WHERE caller = 'assistant'"))
    assert rows == [["default/embed", "assistant", "SUCCEEDED"]]
