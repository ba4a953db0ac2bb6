"""An environment is made again when its receipt does not say what is asked for. Nothing is installed here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import environments
from benchmarks.environments import Environment
from benchmarks.systems.all import SYSTEMS


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setattr(environments, "PEERS", tmp_path)
    return Environment("peer", ("litserve==0.2.19", "uvloop==0.22.1"))


def receipt(environment: Environment, requirements: list[str]) -> None:
    environment.path.mkdir()
    (environment.path / "requirements.json").write_text(json.dumps(requirements))


def test_without_a_receipt_it_is_not_installed(environment: Environment) -> None:
    environment.path.mkdir()
    assert not environment.is_installed


def test_with_the_receipt_of_its_requirements_it_is_installed(environment: Environment) -> None:
    receipt(environment, ["litserve==0.2.19", "uvloop==0.22.1"])
    assert environment.is_installed
    environment.install()  # does nothing


def test_with_another_receipt_it_is_not_installed(environment: Environment) -> None:
    receipt(environment, ["litserve==0.2.18", "uvloop==0.22.1"])
    assert not environment.is_installed


def test_its_version_is_the_pinned_one(environment: Environment) -> None:
    assert environment.version_of("litserve") == "0.2.19"


def test_every_peer_pins_what_it_is_named_for() -> None:
    for system in SYSTEMS:
        assert system.version
        if system.environment is not None:
            assert all(requirement.count("==") == 1 for requirement in system.environment.requirements)
