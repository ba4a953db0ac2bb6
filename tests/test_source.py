"""What a file declares is read off its text; it is run only where the text does not tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfaas.errors import BadRequest, ImportFailed
from rayfaas.project import Project, SourceFile
from rayfaas.source import check_import, declared_functions

TRAP = "\nraise SystemExit('it was run')\n"


def declare(tmp_path: Path, text: str) -> dict[str, tuple[str, float]]:
    """Attribute → target and timeout of what a file declares."""
    file = tmp_path / "service.py"
    file.write_text(text)
    found = declared_functions(file)
    return {each.attribute: (each.declaration.target, each.declaration.spec.timeout_s) for each in found}


@pytest.mark.parametrize(
    "text",
    [
        "import rayfaas\n@rayfaas.function\ndef f(): ...",
        "import rayfaas\n@rayfaas.function()\nasync def f(): ...",
        "import rayfaas as rf\n@rf.function()\ndef f(): ...",
        "from rayfaas import function\n@function\ndef f(): ...",
        "from rayfaas import function as service\n@service()\ndef f(): ...",
        "import rayfaas\n@other\n@rayfaas.function\n@another(1)\ndef f(): ...",
        "if True:\n    import rayfaas\n@rayfaas.function\ndef f(): ...",
    ],
)
def test_a_decorated_function_is_found_without_running_the_file(tmp_path: Path, text: str) -> None:
    assert declare(tmp_path, text + TRAP) == {"f": ("f", 300.0)}


@pytest.mark.parametrize(
    "text",
    [
        "import rayfaas\n@rayfaas.cls\nclass f: ...",
        "import rayfaas as rf\n@rf.cls()\nclass f:\n    @rf.enter\n    def load(self): ...",
        "from rayfaas import cls as service\n@service\nclass f: ...",
    ],
)
def test_a_decorated_class_is_found_without_running_the_file(tmp_path: Path, text: str) -> None:
    assert declare(tmp_path, text + TRAP) == {"f": ("f", 300.0)}


def test_a_decorator_on_the_wrong_thing_is_told_of_by_running_the_file(tmp_path: Path) -> None:
    for text in ("@rayfaas.function\nclass f: ...", "@rayfaas.cls\ndef f(): ..."):
        with pytest.raises(ImportFailed, match=r"@rayfaas\.(function|cls) decorates"):
            declare(tmp_path, f"import rayfaas\n{text}")


def test_literal_options_are_read_off(tmp_path: Path) -> None:
    text = 'import rayfaas\n@rayfaas.function(name="embed", team="nlp", timeout_s=5)\ndef f(): ...\n'
    assert declare(tmp_path, text + TRAP) == {"f": ("nlp/embed", 5.0)}


def test_functions_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "import rayfaas\n" + "".join(f"@rayfaas.function\ndef {name}(): ...\n" for name in "zab")
    assert list(declare(tmp_path, text)) == ["z", "a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "T = 7\n@rayfaas.function(timeout_s=T)\ndef f(): ...",
        "options = {'timeout_s': 7}\n@rayfaas.function(**options)\ndef f(): ...",
        "@rayfaas.function(timeout_s=6 + 1)\ndef f(): ...",
        "def g(): ...\ng.__name__ = 'f'\nf = rayfaas.function(timeout_s=7)(g)\ndel g",
        "service = rayfaas.function(timeout_s=7)\n@service\ndef f(): ...",
        "if True:\n    @rayfaas.function(timeout_s=7)\n    def f(): ...",
    ],
)
def test_a_file_whose_text_does_not_tell_is_run(tmp_path: Path, text: str) -> None:
    assert declare(tmp_path, "import rayfaas\n" + text) == {"f": ("f", 7.0)}


def test_a_file_that_is_run_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("TIMEOUT = 9")
    text = "import rayfaas, settings\n@rayfaas.function(timeout_s=settings.TIMEOUT)\ndef f(): ..."
    assert declare(tmp_path, text) == {"f": ("f", 9.0)}


def test_a_file_without_functions_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"service\.py has no function that is decorated with @rayfaas\.function"):
        declare(tmp_path, "import rayfaas\ndef f(): ...")


def test_another_librarys_function_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="has no function"):
        declare(tmp_path, "import modal as rayfaas_\n@rayfaas_.function\ndef f(): ..." + TRAP)


def test_a_wrong_option_is_named_without_running_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"of f is not valid: timeout_s"):
        declare(tmp_path, "import rayfaas\n@rayfaas.function(timeout_s=0)\ndef f(): ..." + TRAP)
    with pytest.raises(BadRequest, match="has no option timeout"):
        declare(tmp_path, "import rayfaas\n@rayfaas.function(timeout=3)\ndef f(): ..." + TRAP)


def test_two_functions_with_one_target_are_refused_and_both_are_named(tmp_path: Path) -> None:
    text = 'import rayfaas\n@rayfaas.function(name="x")\ndef a(): ...\n@rayfaas.function(name="x")\ndef b(): ...\n'
    with pytest.raises(BadRequest, match="declares x more than once: a, b"):
        declare(tmp_path, text)


def test_one_name_in_two_teams_is_two_targets(tmp_path: Path) -> None:
    text = "".join(f'@rayfaas.function(name="x", team="{team}")\ndef {team}(): ...\n' for team in ("nlp", "vision"))
    found = declare(tmp_path, "import rayfaas\n" + text)
    assert [target for target, _ in found.values()] == ["nlp/x", "vision/x"]


def test_a_file_that_does_not_parse_tells_the_line(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match=r"service\.py:2 does not parse"):
        declare(tmp_path, "import rayfaas\n@rayfaas.function(\ndef f(): ...")


def test_a_file_that_fails_when_run_tells_the_users_traceback(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="ZeroDivisionError") as caught:
        declare(tmp_path, "import rayfaas\n@rayfaas.function(timeout_s=1 / 0)\ndef f(): ...")
    assert 'service.py", line 2' in caught.value.extra["traceback"]
    assert "importlib" not in caught.value.extra["traceback"]


def check(text: str) -> None:
    check_import(SourceFile("service.py", Path("/p/service.py"), f"import rayfaas\n{text}".encode()))


F = "@rayfaas.function\ndef f(): ...\n"


@pytest.mark.parametrize(
    "text",
    [
        "f.deploy()",
        "if True:\n    f.deploy()",
        "for alias in 'ab':\n    f.deploy(alias)",
        "try:\n    x = f.deploy().version\nexcept Exception:\n    pass",
        "with open('x') as log:\n    log.write(str(f.deploy()))",
        "class C:\n    version = f.deploy()",
        "if __name__ == '__main__':\n    pass\nelse:\n    f.deploy()",
        "if __name__ != '__main__':\n    f.deploy()",
    ],
)
def test_a_deploy_that_importing_would_repeat_is_refused_with_its_line(text: str) -> None:
    line = 4 + next(n for n, line in enumerate(text.splitlines()) if "f.deploy" in line)
    with pytest.raises(BadRequest, match=rf"/p/service\.py:{line} deploys f whenever the file is imported"):
        check(F + text)


@pytest.mark.parametrize(
    "text",
    [
        "if __name__ == '__main__':\n    f.deploy()",
        "if '__main__' == __name__:\n    f.deploy()",
        "def main():\n    f.deploy()",
        "later = lambda: f.deploy()",
        "other = object()\nprint(other.deploy)",
        "import fabric\nfabric.deploy()",
    ],
)
def test_a_deploy_that_importing_does_not_run_is_allowed(text: str) -> None:
    check(F + text)


def test_the_project_may_be_given(tmp_path: Path) -> None:
    (tmp_path / "ns").mkdir()
    file = tmp_path / "ns/service.py"
    file.write_text("import rayfaas, ns.settings\n@rayfaas.function(timeout_s=ns.settings.T)\ndef f(): ...")
    (tmp_path / "ns/settings.py").write_text("T = 4")
    assert declared_functions(file, Project(tmp_path))[0].declaration.spec.timeout_s == 4.0
