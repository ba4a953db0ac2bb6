"""Where things are: from the environment if it says so, else of this user's own server."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from rayfaas.config import ClientConfig, Home, local_url


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def client_of(home: Home, **environ: str) -> tuple[str, str | None]:
    config = ClientConfig.from_env({"RAYFAAS_HOME": str(home.path), **environ})
    return config.url, config.token


def test_nothing_said_and_nothing_running_is_the_default_port_without_a_token(home: Home) -> None:
    assert client_of(home) == ("http://127.0.0.1:8700", None)


def test_the_running_server_of_this_user_is_found_with_its_admins_token(home: Home) -> None:
    home.server_file.write_text(json.dumps({"url": "http://127.0.0.1:1234", "pid": 1}))
    home.token_file.write_text("rf_admin\n")
    assert client_of(home) == ("http://127.0.0.1:1234", "rf_admin")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://gateway:8700", "http://gateway:8700"),
        ("http://gateway:8700/", "http://gateway:8700"),
        ("https://faas.example.org/team//", "https://faas.example.org/team"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_the_environment_names_another_server(home: Home, given: str, url: str) -> None:
    assert client_of(home, RAYFAAS_URL=given, RAYFAAS_TOKEN="rf_x") == (url, "rf_x")


def test_the_token_of_this_users_server_is_never_sent_to_another(home: Home) -> None:
    home.token_file.write_text("rf_admin")
    assert client_of(home, RAYFAAS_URL="http://elsewhere:80") == ("http://elsewhere:80", None)


def test_a_token_of_the_environment_wins_over_the_file(home: Home) -> None:
    home.token_file.write_text("rf_admin")
    assert client_of(home, RAYFAAS_TOKEN="rf_ci") == ("http://127.0.0.1:8700", "rf_ci")


def test_empty_variables_are_as_good_as_none(home: Home) -> None:
    home.token_file.write_text("rf_admin")
    assert client_of(home, RAYFAAS_URL="", RAYFAAS_TOKEN="") == ("http://127.0.0.1:8700", "rf_admin")


def test_an_empty_token_file_is_no_token(home: Home) -> None:
    home.token_file.write_text("\n")
    assert client_of(home) == ("http://127.0.0.1:8700", None)


def test_home_is_what_the_environment_says_as_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert Home.from_env({}).path == tmp_path / "me/.rayfaas"
    assert Home.from_env({"RAYFAAS_HOME": ""}).path == tmp_path / "me/.rayfaas"
    assert Home.from_env({"RAYFAAS_HOME": "state"}).path == tmp_path / "state"
    assert Home.from_env({"RAYFAAS_HOME": "~/state"}).path == tmp_path / "me/state"


def test_two_homes_share_no_path(tmp_path: Path) -> None:
    deep = "x" * 80
    homes = [Home(tmp_path / deep / name) for name in ("a", "b")] + [Home(Path("/h/a")), Home(Path("/h/b"))]
    assert len({home.run for home in homes}) == len(homes)
    assert len({home.gateway_socket(slot) for home in homes for slot in (0, 1)}) == 2 * len(homes)


@pytest.mark.parametrize("length", [1, 40, 60, 61, 90, 400])
def test_sockets_can_be_bound_however_long_the_path_of_the_home_is(length: int) -> None:
    home = Home(Path("/" + "é" * length))
    for path in (home.controller_socket, home.gateway_socket(999)):
        with socket.socket(socket.AF_UNIX) as unbound, pytest.raises(FileNotFoundError):
            unbound.connect(str(path))  # a path that is too long is another error


def test_the_same_home_has_the_same_sockets_in_every_process() -> None:
    long = Path("/" + "x" * 90)
    assert Home(long).run == Home(long).run
    assert Home(long).controller_address == f"unix:{Home(long).run}/controller.sock"


def test_a_cluster_is_written_down_with_its_dashboard_if_it_has_one(home: Home) -> None:
    home.write_cluster("local", "127.0.0.1:6379", 8265)
    assert json.loads(home.cluster_file.read_text())["dashboard"] == "http://127.0.0.1:8265"
    home.write_cluster("local", "127.0.0.1:6379", None)
    assert json.loads(home.cluster_file.read_text()) == {
        "name": "local",
        "address": "127.0.0.1:6379",
        "dashboard": None,
    }


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("gateway", "http://gateway:80"),
    ],
)
def test_a_server_that_listens_everywhere_is_reached_on_the_loopback(host: str, url: str) -> None:
    assert local_url(host, 80) == url


def test_the_team_that_requests_are_for_is_told_by_the_environment(home: Home) -> None:
    environ = {"RAYFAAS_HOME": str(home.path), "RAYFAAS_URL": "http://x:1"}
    assert ClientConfig.from_env(environ).team is None
    assert ClientConfig.from_env({**environ, "RAYFAAS_TEAM": "ads"}).team == "ads"
