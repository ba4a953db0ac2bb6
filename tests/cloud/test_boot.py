"""Boot scripts as shells run them: with what is installed already, and with what is installed then, by the real uv."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from rayfaas.cloud.boot import BootSettings, Newcomer, Versions, boot_script
from rayfaas.errors import BadRequest

NEWCOMER = Newcomer("attempt-1", "rfj_secret", ("--gpus", "1", "--resources", '{"accelerator_type:A10G": 1}'))
VERSIONS = Versions(".".join(map(str, sys.version_info[:3])), "0.1.0", "2.60.0")
GUARD = """
import json, os, sys
from pathlib import Path
told = {"arguments": sys.argv[1:], "join": os.environ.get("RAYFAAS_JOIN"), "python": sys.executable}
Path(os.environ["TOLD"]).write_text(json.dumps(told))
sys.exit(int(os.environ.get("CODE", "0")))
"""


def run(directory: Path, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """On a machine that has uv, and writes what its guard is told to `told`."""
    file = directory / "boot"
    file.write_text(script)
    programs = f"{Path(find_uv_bin()).parent}:{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"
    env = {"HOME": str(directory), "PATH": programs, "TOLD": str(directory / "told"), **environ}
    return subprocess.run(["sh", file], env=env, capture_output=True, text=True, check=False)


def text(settings: BootSettings, provider: str = "ssh", spot: bool = False) -> str:
    return boot_script(provider, spot, NEWCOMER, settings, VERSIONS)


def told(directory: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((directory / "told").read_text())
    return found


def python_with_guard(directory: Path) -> Path:
    """A Python that has rayfaas already, in which the guard only tells what it was given."""
    package = directory / "site" / "rayfaas" / "cluster"
    package.mkdir(parents=True)
    for each in (package.parent / "__init__.py", package / "__init__.py"):
        each.touch()
    (package / "guard.py").write_text(GUARD)
    python = directory / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(directory / "site"))} exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    return python


def wheel(directory: Path, name: str, version: str, files: dict[str, str]) -> Path:
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: server\n"
    contents = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{each},,\n" for each in [*contents, f"{info}/RECORD"])
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in {**contents, f"{info}/RECORD": record}.items():
            archive.writestr(each, content)
    return path


def index(directory: Path, *names: str) -> str:
    """A package index in a directory, of wheels that are there."""
    for name in names:
        page = directory / "simple" / name
        page.mkdir(parents=True)
        links = "".join(f'<a href="{each.as_uri()}">{each.name}</a>' for each in directory.glob(f"{name}-*.whl"))
        (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return (directory / "simple").as_uri()


def test_what_is_installed_already_is_used_and_the_token_is_in_no_argument(tmp_path: Path) -> None:
    done = run(tmp_path, text(BootSettings(python=str(python_with_guard(tmp_path)))))
    assert done.returncode == 0, done.stderr
    assert told(tmp_path)["join"] == "rfj_secret"
    directory = str(tmp_path / ".rayfaas" / "node")
    assert told(tmp_path)["arguments"] == ["--directory", directory, "--attempt", "attempt-1", *NEWCOMER.resources]


def test_the_versions_of_the_server_are_installed_once(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "ray", "2.60.0", {"ray.py": ""})
    wheel(wheels, "ray", "2.61.0", {"ray.py": ""})
    packages = {"rayfaas/__init__.py": "", "rayfaas/cluster/__init__.py": "", "rayfaas/cluster/guard.py": GUARD}
    ours = wheel(wheels, "rayfaas", "0.1.0", packages)
    script = text(BootSettings(wheel=str(ours), index=index(wheels, "ray")))
    environ = {"UV_CACHE_DIR": str(tmp_path / "cache")}
    done = run(tmp_path, script, **environ)
    assert done.returncode == 0, done.stderr
    python = Path(str(told(tmp_path)["python"]))
    assert tmp_path in python.parents
    assert list(python.parents[1].glob("lib/*/site-packages/ray-2.60.0.dist-info"))
    ours.unlink()  # so that it could not be installed again
    assert run(tmp_path, script, **environ).returncode == 0


def test_what_can_not_be_installed_starts_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, text(BootSettings(wheel="/nowhere/rayfaas-0.1.0-py3-none-any.whl", index=tmp_path.as_uri())))
    assert done.returncode != 0
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize(("code", "ended"), [("0", False), ("3", True)])
def test_the_machine_ends_when_its_guard_says_so(tmp_path: Path, code: str, ended: bool) -> None:
    python = str(python_with_guard(tmp_path))
    run(tmp_path, text(BootSettings(python=python, shutdown=f"touch {tmp_path}/off")), CODE=code)
    assert (tmp_path / "off").exists() == ended


def test_the_same_launch_has_the_same_script() -> None:
    assert text(BootSettings(), "aws") == text(BootSettings(), "aws")


def test_machines_of_clouds_boot_as_a_service_and_power_off() -> None:
    script = text(BootSettings(), "aws")
    assert "service=yes" in script
    assert "shutdown='systemctl poweroff'" in script
    assert len(script.encode()) < 16_000  # what AWS takes as user data


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_no_fault_in_the_service(tmp_path: Path) -> None:
    _, _, rest = text(BootSettings(), "aws").partition("rayfaas-node.service << 'END'\n")
    unit = tmp_path / "rayfaas-node.service"
    unit.write_text(rest.partition("\nEND\n")[0] + "\n")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_spot_machines_listen_for_notices() -> None:
    assert "--notices gcp --metadata http://m" in text(BootSettings(metadata="http://m"), "gcp", spot=True)
    assert "--notices" not in text(BootSettings(), "gcp")
    assert "--notices" not in text(BootSettings(), "ssh", spot=True)


def test_settings_of_one_provider_go_before_those_of_all() -> None:
    table = {"python": "python3", "index": "https://pypi.example", "aws": {"python": "/opt/bin/python"}}
    assert BootSettings.of(table, "aws") == BootSettings(python="/opt/bin/python", index="https://pypi.example")
    assert BootSettings.of(table, "ssh").python == "python3"


@pytest.mark.parametrize("table", [{"pyton": "x"}, {"python": 3}, {"aws": "x"}, {"aws": {"image": "x"}}])
def test_settings_that_do_not_fit_are_named(table: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match=r"clouds\.toml"):
        BootSettings.of(table, "aws")
