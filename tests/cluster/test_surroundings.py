"""What passes is on a list; what is not on it does not pass, whatever it is called."""

from __future__ import annotations

from pathlib import Path

from rayfaas.cluster.surroundings import (
    building_environment,
    environment_of,
    own_scratch,
    ray_variables,
    user_environment,
)

NODE = {
    "PATH": "/bin",
    "LC_ALL": "C",
    "PYTHONPATH": "/server",
    "AWS_SECRET_ACCESS_KEY": "s",
    "UV_INDEX_URL": "https://user:password@e.org",
    "RAY_ADDRESS": "here",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "t",
    "RAYFAAS_TOKEN": "r",
    "HF_HOME": "/hf",
}


def test_functions_see_what_programs_need_and_what_the_operator_adds() -> None:
    assert user_environment(NODE) == {"PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "/server"}
    assert user_environment(NODE, ["HF_*"])["HF_HOME"] == "/hf"
    assert not {"RAYFAAS_TOKEN", "RAY_AUTH_TOKEN"} & user_environment(NODE, ["*"]).keys()


def test_functions_have_the_machines_temporary_directory_and_not_the_clusters() -> None:
    clusters = own_scratch({**NODE, "TMPDIR": "/fast", "LC_ALL": ""}, Path("/run/tmp"))
    assert clusters["TMPDIR"] == "/run/tmp"
    assert user_environment(clusters) == {"PATH": "/bin", "LC_ALL": "", "PYTHONPATH": "/server", "TMPDIR": "/fast"}
    assert "TMPDIR" not in building_environment(own_scratch(NODE, Path("/run/tmp")))


def test_an_environment_of_its_own_comes_first_in_the_path_and_has_nothing_of_the_servers() -> None:
    seen = environment_of(Path("/envs/a"), NODE)
    assert seen == {"PATH": "/envs/a/bin:/bin", "LC_ALL": "C", "VIRTUAL_ENV": "/envs/a"}


def test_builds_know_the_index_and_no_credentials_of_clouds() -> None:
    assert set(building_environment(NODE)) == {"PATH", "LC_ALL", "UV_INDEX_URL"}


def test_ray_is_joined_with_what_this_cluster_asks_for() -> None:
    joined = {"RAY_ADDRESS": "10.0.0.1:6379", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t"}
    assert ray_variables(NODE, "10.0.0.1:6379") == joined
    assert ray_variables(NODE, "") == {}
