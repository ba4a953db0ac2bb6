"""`diff`, `source` and `pull` show and write what was deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfaas.bundle import Bundle, bundle_file
from tests.cli.terminal import Terminal
from tests.scripted_server import Reply, Request, routes

FUNCTION = "/v1/functions/nlp/embed"
OLD = "import rayfaas\n@rayfaas.function\ndef embed(x):\n    return 1\n"


def version(number: int, bundle: Bundle, timeout_s: float = 5.0) -> dict[str, Any]:
    entry = {"kind": "module", "module": bundle.entry.module, "name": "embed"}
    return {
        "team": "nlp",
        "name": "embed",
        "version": number,
        "bundle": bundle.digest,
        "entry": entry,
        "spec": {"timeout_s": timeout_s, "shape": {"cpus": 1.0}},
        "environment_digest": "e1",
        "provenance": {"python": "3.11.7"},
    }


@pytest.fixture(autouse=True)
def served(rayfaas: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "src" / "service.py"
    file.parent.mkdir()
    file.write_text(OLD)
    old = bundle_file(file, "embed")
    file.write_text(OLD.replace("1", "2") + "import near\n")
    (file.parent / "near.py").write_text("X = 1\n")
    new = bundle_file(file, "embed")
    aliases = [{"alias": "live", "version": 5}, {"alias": "prod", "version": 3}]
    rayfaas.serve(
        routes(
            {
                f"GET {FUNCTION}": {"aliases": aliases},
                f"GET {FUNCTION}/versions/3": version(3, old),
                f"GET {FUNCTION}/versions/5": version(5, new, timeout_s=6.0),
                f"GET {FUNCTION}/versions/3/bundle": sends(old),
                f"GET {FUNCTION}/versions/5/bundle": sends(new),
            }
        )
    )


def sends(bundle: Bundle) -> Any:
    async def handler(_: Request, reply: Reply) -> None:
        await reply.send(200, bundle.archive, {"Content-Type": "application/zip"})

    return handler


@pytest.mark.parametrize("which", [["3", "5"], ["prod", "live"], ["3"]])
def test_a_diff_has_source_and_settings(rayfaas: Terminal, which: list[str]) -> None:
    code, out, err = rayfaas("diff", "nlp/embed", *which)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["nlp/embed: 3 → 5", "settings: timeout_s 5 → 6"]
    assert {"--- /dev/null", "+++ b/near.py", "+X = 1", "--- a/service.py", "-    return 1", "+    return 2"} <= set(
        lines
    )
    assert "\x1b" not in out


def test_a_diff_is_there_for_programs(rayfaas: Terminal) -> None:
    found = rayfaas("diff", "nlp/embed", "3", "5", "--json").json
    assert (found["before"], found["after"], found["environment"]) == (3, 5, [])
    assert [(each["file"], each["change"]) for each in found["files"]] == [
        ("near.py", "added"),
        ("service.py", "changed"),
    ]
    assert found["settings"] == [{"field": "timeout_s", "before": 5.0, "after": 6.0}]


def test_a_version_and_itself_do_not_differ(rayfaas: Terminal) -> None:
    assert rayfaas("diff", "nlp/embed", "3", "prod").out == "nlp/embed: 3 → 3\nnothing differs\n"


def test_the_source_is_the_entrys_file_or_another(rayfaas: Terminal) -> None:
    assert rayfaas("source", "nlp/embed:3") == (0, OLD, "")
    assert rayfaas("source", "nlp/embed@prod").out == OLD
    assert "return 2" in rayfaas("source", "nlp/embed").out
    assert rayfaas("source", "nlp/embed:5", "--file", "near.py").out == "X = 1\n"
    code, out, err = rayfaas("source", "nlp/embed:5", "--file", "../x")
    assert (code, out, "There are: near.py, service.py" in err) == (3, "", True)


@pytest.mark.parametrize(
    ("target", "code"), [("nlp/embed:4", 3), ("nlp/embed@none", 3), ("nlp/embed.x", 2), ("a b", 1)]
)
def test_what_is_not_there_or_no_version_is_told(rayfaas: Terminal, target: str, code: int) -> None:
    assert (rayfaas("source", target).code, rayfaas("pull", target).code) == (code, code)


def test_a_pull_writes_the_files_as_deployed(
    rayfaas: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert rayfaas("pull", "nlp/embed:3") == (0, "nlp/embed:3 is in embed-3: 1 files\n", "")
    assert (tmp_path / "embed-3" / "service.py").read_text() == OLD
    assert rayfaas("pull", "nlp/embed", "there", "--json").json == {
        "directory": "there", "files": ["near.py", "service.py"], "written": ["near.py", "service.py"],
    }  # fmt: skip
    (tmp_path / "there" / "near.py").write_text("mine")
    refused = rayfaas("pull", "nlp/embed", "there")
    assert (refused.code, "--force" in refused.err) == (1, True)
    assert rayfaas("pull", "nlp/embed", "there", "--force", "--json").json["written"] == ["near.py"]
