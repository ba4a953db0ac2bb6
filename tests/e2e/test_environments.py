"""Functions with packages of their own, and secrets, as their users have them: by the command line."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Server, eventually

Write = Callable[[str, str], Path]

OLD = """
import rayfaas

@rayfaas.function(packages=["iniconfig==1.1.1"], name="old_package")
def which() -> str:
    from importlib.metadata import version
    return version("iniconfig")
"""
DOCUMENTATION = (Path(__file__).parent.parent.parent / "docs" / "environments.md").read_text()
SECRET = "correct-horse-battery"
KNOWS = """
import os
import rayfaas

@rayfaas.function(secrets=["vendor"])
def keeps(fail: bool) -> int:
    print("the key is", os.environ["API_KEY"])
    if fail:
        raise ValueError(os.environ["API_KEY"])
    return len(os.environ["API_KEY"])
"""
OUTSIDE = """
import os
import rayfaas

@rayfaas.function()
def seen() -> list[str]:
    return sorted(os.environ)
"""
JOINS = """
import rayfaas

@rayfaas.function(ray=True)
def joins() -> list[int]:
    import ray
    ray.init(logging_level="ERROR", log_to_driver=False)
    double = ray.remote(num_cpus=0)(lambda x: 2 * x)
    return ray.get([double.remote(n) for n in range(3)])
"""


def test_each_function_has_its_own_version_of_a_package(server: Server, write: Write) -> None:
    file = write("old.py", OLD)
    first = server.rayfaas("deploy", file)
    assert first.returncode == 0, first.stderr
    assert "environment: an environment of its own" in first.stdout
    other = write("new.py", OLD.replace("1.1.1", "2.0.0").replace("old_package", "new_package"))
    assert server.rayfaas("deploy", other).returncode == 0
    assert server.call("old_package", {}) == "1.1.1"
    assert server.call("new_package", {}) == "2.0.0"
    file.write_text(OLD.replace("return", "return 'edited ' +"))
    assert "environment: hit" in server.rayfaas("deploy", file).stdout
    assert server.call("old_package", {}) == "edited 1.1.1"
    file.write_text(OLD.replace("1.1.1", "2.0.0"))
    assert "environment: iniconfig 1.1.1 → 2.0.0" in server.rayfaas("deploy", file).stdout
    assert server.call("old_package:1", {}) == "1.1.1"
    listed = json.loads(server.rayfaas("environments", "--json").stdout)
    assert {"iniconfig==1.1.1", "iniconfig==2.0.0"} <= {
        package for each in listed for package in each.get("packages", ())
    }


def test_the_examples_of_the_documentation_work_as_they_stand(server: Server, tmp_path: Path) -> None:
    for source in re.findall(r"```python\n(.*?)```", DOCUMENTATION, re.DOTALL):
        (tmp_path / source.split()[1]).write_text(source)
    packages, listing, secrets, deploy = re.findall(r"```sh\n(.*?)```", DOCUMENTATION, re.DOTALL)
    environ = {**server.environ, "API_KEY": SECRET}

    def answer(commands: str) -> str:
        done = subprocess.run(
            ["sh", "-e", "-c", commands], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert '"1.1.1"' in answer(packages)
    assert "server" in answer(listing)
    assert "API_KEY" in answer(secrets)
    assert answer(deploy).endswith(f"\n{len(SECRET)}\n")


def test_packages_that_do_not_exist_are_the_answer_to_the_deploy(server: Server, write: Write) -> None:
    file = write("none.py", OLD.replace("1.1.1", "99").replace("old_package", "no_package"))
    failed = server.rayfaas("deploy", file)
    assert failed.returncode == 1
    assert "there is no version of iniconfig==99" in failed.stderr


def test_a_secret_is_in_its_executor_and_nowhere_else(server: Server, write: Write) -> None:
    file = write("keeps.py", KNOWS)
    unknown = server.rayfaas("deploy", file)
    assert "rayfaas secrets set vendor" in unknown.stderr
    made = server.rayfaas("secrets", "set", "vendor", "--from-env", "API_KEY", environ={"API_KEY": SECRET})
    assert made.returncode == 0, made.stderr
    assert server.rayfaas("deploy", file).returncode == 0
    assert server.call("keeps", {"fail": False}) == len(SECRET)
    raised = server.http.post("/call/keeps", json={"fail": True})
    assert raised.json()["message"] == "***"
    assert SECRET not in raised.text
    logged = eventually(lambda: server.rayfaas("logs", "keeps").stdout)
    assert "the key is ***" in logged
    listed = server.rayfaas("secrets", "list", "--json").stdout
    assert ["API_KEY"] in [each["keys"] for each in json.loads(listed)]
    assert SECRET not in listed
    server.rayfaas("secrets", "set", "vendor", "--from-env", "API_KEY", "--restart", environ={"API_KEY": "another one"})
    eventually(lambda: server.call("keeps", {"fail": False}) == len("another one"))
    assert server.rayfaas("secrets", "delete", "vendor").returncode == 1
    holding = [path for path in server.home.path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holding == []
    audited = server.sql("SELECT subject FROM audit WHERE action = 'secret set'")
    assert ["default/vendor"] in audited


@pytest.mark.parametrize("name", ["RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAYFAAS_HOME", "AWS_SECRET_ACCESS_KEY"])
def test_a_function_sees_nothing_of_the_server(server: Server, write: Write, name: str) -> None:
    assert server.rayfaas("deploy", write("outside.py", OUTSIDE)).returncode == 0
    assert name not in server.call("seen", {})


def test_a_function_that_asks_for_it_joins_the_cluster(server: Server, write: Write) -> None:
    deployed = server.rayfaas("deploy", write("joins.py", JOINS))
    assert deployed.returncode == 0, deployed.stderr
    assert server.call("joins", {}) == [0, 2, 4]
