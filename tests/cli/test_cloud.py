from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from rayfaas.cli.commands import commands
from rayfaas.cluster.local import free_ports


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYFAAS_HOME", str(tmp_path))
    return tmp_path


def check(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(commands, ["cloud", "check", *arguments])
    return done.exit_code, done.output


def test_what_is_well_is_told(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        (home / "clouds.toml").write_text(f'[ray]\nclusters = {{ shared = "{address}" }}\n')
        code, output = check("ray")
    assert code == 0
    assert "reach shared" in output


def test_what_failed_comes_with_advice_and_an_exit_code(home: Path) -> None:
    clusters = json.dumps({"shared": f"127.0.0.1:{free_ports(1)[0]}"})
    code, output = check("ray", "--set", f"clusters={clusters}", "--json")
    assert code == 1
    (finding,) = json.loads(output)
    assert finding["result"] == "failed"
    assert "ray status" in finding["advice"]


def test_settings_that_are_missing_are_named(home: Path) -> None:
    code, output = check("ssh")
    assert code == 1
    assert "hosts" in output


def test_a_file_that_is_no_toml_is_named(home: Path) -> None:
    (home / "clouds.toml").write_text("[ray\n")
    code, output = check("ray")
    assert code == 1
    assert "clouds.toml" in output


def test_a_setting_without_a_value_is_wrong_usage(home: Path) -> None:
    code, output = check("ray", "--set", "clusters")
    assert code == 2
    assert "NAME=VALUE" in output
