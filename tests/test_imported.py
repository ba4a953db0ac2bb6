"""Importing a file to see what it declares leaves this process as it was."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rayfaas.errors import ImportFailed
from rayfaas.imported import imported_functions
from rayfaas.project import Project


def look(tmp_path: Path, text: str) -> dict[str, float]:
    """Attribute → timeout of the functions in a file."""
    file = tmp_path / "looked_at.py"
    file.write_text(text)
    return {name: function.spec.timeout_s for name, function in imported_functions(Project(tmp_path), file).items()}


def test_functions_have_the_name_that_the_module_holds_them_under(tmp_path: Path) -> None:
    text = "import rayfaas\n@rayfaas.function(timeout_s=2)\ndef f(): ...\ng = f\nh = 3\n"
    assert look(tmp_path, text) == {"f": 2.0, "g": 2.0}


def test_functions_of_other_modules_are_not_the_files(tmp_path: Path) -> None:
    (tmp_path / "other_one.py").write_text("import rayfaas\n@rayfaas.function\ndef theirs(): ...\n")
    text = "import rayfaas\nfrom other_one import theirs\n@rayfaas.function\ndef mine(): ...\n"
    assert set(look(tmp_path, text)) == {"mine"}


def test_the_next_look_sees_the_files_as_they_are_then(tmp_path: Path) -> None:
    (tmp_path / "looked_settings.py").write_text("T = 1\n")
    text = "import rayfaas, looked_settings\n@rayfaas.function(timeout_s=looked_settings.T)\ndef f(): ...\n"
    assert look(tmp_path, text) == {"f": 1.0}
    (tmp_path / "looked_settings.py").write_text("T = 1 + 1\n")
    assert look(tmp_path, text) == {"f": 2.0}


def test_the_import_path_and_modules_are_put_back_whatever_happens(tmp_path: Path) -> None:
    (tmp_path / "looked_helper.py").write_text("")
    path = list(sys.path)
    for text in ("import looked_helper", "import looked_helper, sys\nsys.path.append('/x')\nraise ValueError"):
        try:
            look(tmp_path, text)
        except ImportFailed:
            pass
        assert sys.path == path
        assert not {"looked_at", "looked_helper"} & set(sys.modules)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import rayfaas\n@rayfaas.function\nclass C: ...", "BadRequest: .* decorates functions"),
        ("class E(BaseException): ...\nraise E('no')", "E: no"),
    ],
)
def test_whatever_an_import_raises_is_an_import_failure(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ImportFailed, match=message) as caught:
        look(tmp_path, text)
    assert "looked_at.py" in caught.value.extra["traceback"]


def test_ctrl_c_while_importing_is_no_failure_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        look(tmp_path, "raise KeyboardInterrupt")
    assert "looked_at" not in sys.modules
