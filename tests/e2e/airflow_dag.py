"""An Airflow DAG that calls deployed functions by name. `make airflow` runs it; the ordinary tests do not.

Airflow's own requirements do not fit beside those of a server, so it has an environment of its own: .venv-airflow.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import rayfaas
from tests.e2e.conftest import Server

AIRFLOW = Path(__file__).parents[2] / ".venv-airflow" / "bin"

DAG = """
from airflow.sdk import dag, task
import rayfaas

@task
def embed(text):
    once = rayfaas.get("dag_append").with_options(idempotency_key="auto")
    return [rayfaas.get("dag_label").remote(text), once.remote(text), once.remote(text)]

@dag(schedule=None)
def nightly_dag():
    embed.expand(text=["a", "b"])

nightly = nightly_dag()

if __name__ == "__main__":
    nightly.test()
"""

LABEL = """
import rayfaas

@rayfaas.function()
def dag_label(text: str) -> str:
    return "v1: " + text
"""

APPEND = """
from pathlib import Path
import rayfaas

@rayfaas.function()
def dag_append(text: str) -> None:
    with Path({path!r}).open("a") as file:
        file.write(text)
"""


def test_a_dag_calls_by_name_whatever_is_deployed_and_each_call_names_it(
    server: Server, write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    home = tmp_path / "airflow"
    environ = {
        **os.environ,
        "RAYFAAS_URL": server.url,
        "RAYFAAS_TOKEN": server.token,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    }
    (tmp_path / "dags").mkdir()
    dag = tmp_path / "dags" / "nightly.py"
    dag.write_text(DAG)

    def airflow(*command: str | Path) -> None:
        ran = subprocess.run([*map(str, command)], env=environ, capture_output=True, text=True, timeout=180)
        assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]

    airflow(AIRFLOW / "airflow", "db", "migrate")
    written = tmp_path / "written"
    label = write("dag_label.py", LABEL)
    with rayfaas.Client(server.url, server.token) as client:
        client.deploy_file(write("dag_append.py", APPEND.format(path=str(written))))
        client.deploy_file(label)
        airflow(AIRFLOW / "python", dag)
        label.write_text(LABEL.replace("v1", "v2"))
        client.deploy_file(label)
        airflow(AIRFLOW / "python", dag)
        rows = client.sql(
            "SELECT flow, task, version, context ->> '$.airflow.map_index', count(DISTINCT flow_run) FROM calls "
            "WHERE function = 'default/dag_label' GROUP BY ALL ORDER BY ALL"
        ).rows
    assert rows == tuple(("nightly_dag", "embed", version, index, 1) for version in (1, 2) for index in ("0", "1"))
    assert sorted(written.read_text()) == ["a", "a", "b", "b"], "each task of each run once, though it asked twice"
