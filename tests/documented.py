"""Does what a page of the docs says, in its order, as a program of any Python; ends with 1 where something differs.

    python documented.py docs/calling.md

A `python` block that begins with `# name.py` is that file; `pycon` blocks are typed into one Python, the commands of
`console` blocks into a shell. `…` in an answer stands for anything.
"""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_BLOCK = re.compile(r"^```(python|pycon|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def main(page: Path) -> int:
    text = page.read_text("utf-8").replace("…", "...")
    sys.path.insert(0, "")
    names: dict[str, Any] = {}
    failed = 0
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        failed += _DOERS[found[1]](found[2], names, f"{page.name}:{line}")
    return 1 if failed else 0


def _write(source: str, names: dict[str, Any], place: str) -> int:
    if first := re.match(r"# (\w+\.py)\n", source):
        Path(first[1]).write_text(source, "utf-8")
    return 0


def _type(session: str, names: dict[str, Any], place: str) -> int:
    test = doctest.DocTestParser().get_doctest(session, {}, place, place, 0)
    test.globs = names
    return doctest.DocTestRunner(optionflags=_FLAGS).run(test, clear_globs=False).failed


def _run(session: str, names: dict[str, Any], place: str) -> int:
    failed = 0
    for command, want in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE):
        done = subprocess.run(command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if not doctest.OutputChecker().check_output(want, done.stdout, _FLAGS):
            print(f"{place}: $ {command}\nexpected:\n{want}\ngot ({done.returncode}):\n{done.stdout}")
            failed += 1
    return failed


_DOERS = {"python": _write, "pycon": _type, "console": _run}

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
