"""What a call's program shows of where it comes from, and what stays the same when an orchestrator tries again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from rayfaas import origin
from rayfaas.context import MAX_CONTEXT, CallContext, enter_call
from rayfaas.origin import context_header, run_identity
from rayfaas.trace import trace_of


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program that nobody orchestrates, whose constants are asked for again."""
    for name in ("prefect.context", "airflow.sdk", "airflow.operators.python", "mlflow", "wandb", "ipykernel"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("AIRFLOW_CTX_DAG_ID", "GITHUB_ACTIONS", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    origin._constant.cache_clear()
    yield
    origin._constant.cache_clear()


def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(context_header() or "null")
    return found


def module(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """A module that the program has imported."""
    made = ModuleType(name)
    vars(made).update(members)
    monkeypatch.setitem(sys.modules, name, made)


@dataclass
class PrefectRun:
    """A flow run, and a task's run in it, as `prefect.context` holds them."""

    flow: Any = field(default_factory=lambda: SimpleNamespace(id="f1", name="calm-fox", run_count=1))
    task: Any = None

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        flow = self.flow and SimpleNamespace(flow=SimpleNamespace(name="nightly"), flow_run=self.flow)
        task = self.task and SimpleNamespace(task=SimpleNamespace(name="embed"), task_run=self.task)
        contexts = {"FlowRunContext": flow, "TaskRunContext": task}
        module(
            monkeypatch,
            "prefect.context",
            **{name: SimpleNamespace(get=lambda value=value: value) for name, value in contexts.items()},
        )


def task_run(**changes: Any) -> Any:
    fields = {"id": "t1", "name": "embed-0", "flow_run_id": "f1", "task_key": "k", "dynamic_key": "0", "run_count": 1}
    return SimpleNamespace(**{**fields, **changes})


def test_any_program_says_which_it_is_where_and_whose() -> None:
    assert {"program", "host"} <= told().keys()
    assert told()["program"] == sys.argv[0]
    assert not {"prefect", "airflow", "mlflow", "wandb", "github", "notebook"} & told().keys()


def test_nothing_is_imported_to_find_out() -> None:
    program = (
        "import sys; from rayfaas.origin import context_header; context_header(); "
        "print(*{name.partition('.')[0] for name in sys.modules} & {'prefect', 'airflow', 'mlflow', 'wandb', 'httpx'})"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"


def test_a_prefect_flow_and_task_are_named_with_their_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    PrefectRun().enter(monkeypatch)
    assert told()["prefect"] == {"flow": "nightly", "flow_run": "f1", "flow_run_name": "calm-fox", "try": 1}
    PrefectRun(task=task_run(run_count=2)).enter(monkeypatch)
    assert told()["prefect"] == {
        "flow": "nightly", "flow_run": "f1", "flow_run_name": "calm-fox",
        "task": "embed", "task_run": "t1", "task_run_name": "embed-0", "try": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"run_count": 2}, True),  # the task is tried again
        ({"id": "t2"}, True),  # the flow is tried again: its task runs are new ones
        ({"dynamic_key": "1"}, False),  # the flow's second run of this task
        ({"task_key": "other"}, False),
    ],
)
def test_a_retry_in_prefect_is_the_same_run(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], same: bool
) -> None:
    PrefectRun(task=task_run()).enter(monkeypatch)
    first = run_identity()
    PrefectRun(task=task_run(**changes)).enter(monkeypatch)
    assert first is not None
    assert (run_identity() == first) is same


def test_a_prefect_task_on_another_machine_knows_its_flow_run(monkeypatch: pytest.MonkeyPatch) -> None:
    PrefectRun(flow=None, task=task_run()).enter(monkeypatch)
    assert told()["prefect"]["flow_run"] == "f1"


def test_a_prefect_that_is_imported_and_runs_nothing_is_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    PrefectRun(flow=None).enter(monkeypatch)
    assert "prefect" not in told()
    assert run_identity() is None


def airflow(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    told = {"DAG_ID": "nightly", "DAG_RUN_ID": "manual__1", "TASK_ID": "embed", "TRY_NUMBER": "1", **changes}
    for name, value in told.items():
        monkeypatch.setenv(f"AIRFLOW_CTX_{name}", value)


def test_an_airflow_task_is_known_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow(monkeypatch)
    assert told()["airflow"] == {"dag": "nightly", "run": "manual__1", "task": "embed", "try": "1"}
    first = run_identity()
    airflow(monkeypatch, TRY_NUMBER="2")
    assert run_identity() == first is not None
    airflow(monkeypatch, TASK_ID="other")
    assert run_identity() != first


def test_a_mapped_airflow_task_is_known_with_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow(monkeypatch)
    identities = set()
    for index in (-1, 0, 1):
        context = {"ti": SimpleNamespace(try_number=3, map_index=index)}
        module(monkeypatch, "airflow.sdk", get_current_context=lambda context=context: context)
        identities.add(run_identity())
        assert told()["airflow"]["try"] == 3
        assert told()["airflow"].get("map_index", -1) == index
    assert len(identities) == 3


def test_runs_of_trackers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    info = SimpleNamespace(run_id="m1", run_name="bold", experiment_id="7")
    module(monkeypatch, "mlflow", active_run=lambda: SimpleNamespace(info=info))
    module(monkeypatch, "wandb", run=SimpleNamespace(id="w1", name="bold", project="p", entity=None))
    assert told()["mlflow"] == {"run": "m1", "run_name": "bold", "experiment": "7"}
    assert told()["wandb"] == {"run": "w1", "run_name": "bold", "project": "p"}


def test_the_current_span_of_opentelemetry_is_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"id": f"{'4bf9':0>32}", "span": f"{'f0':0>16}"}
    valid = SimpleNamespace(is_valid=True, trace_id=0x4BF9, span_id=0xF0)
    for span, told_of in ((valid, facts), (SimpleNamespace(is_valid=False), None)):
        current = SimpleNamespace(get_span_context=lambda span=span: span)
        module(monkeypatch, "opentelemetry.trace", get_current_span=lambda current=current: current)
        assert told().get("trace") == told_of
        assert trace_of(context_header()) == (told_of or {"id": ""})["id"]


def test_a_library_that_is_other_than_we_know_stops_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prefect.context", "mlflow", "wandb", "opentelemetry.trace"):
        module(monkeypatch, name)
    assert "host" in told()
    assert run_identity() is None


def test_a_job_of_github_and_a_notebook_are_known_by_their_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/repo")
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    module(monkeypatch, "ipykernel")
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ann/look.ipynb")
    assert told()["github"].items() >= {"repository": "team/repo", "sha": "c0ffee"}.items()
    assert told()["notebook"] == "/home/ann/look.ipynb"


def test_the_scripts_commit_is_told_and_whether_it_was_changed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from rayfaas.origin import context_header\nprint(context_header())\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)

    def git_of_script() -> Any:
        ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, cwd="/")
        return json.loads(ran.stdout)["git"]

    clean = git_of_script()
    script.write_text(script.read_text() + "# changed\n")
    assert len(clean["commit"]) == 40
    assert (clean["dirty"], git_of_script()) == (False, {**clean, "dirty": True})


def test_what_does_not_change_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = context_header()
    monkeypatch.setattr(origin, "commit_of", lambda *_: pytest.fail("asked again"))
    assert context_header() == first


@pytest.mark.parametrize("text", ["x" * 10_000, "\N{SNOWMAN}" * 10_000, '"\\\n' * 5_000])
def test_a_header_is_short_ascii_and_json_whatever_names_are(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    PrefectRun(
        flow=SimpleNamespace(id=text, name=text, run_count=1),
        task=task_run(id=text, name=text),
    ).enter(monkeypatch)
    info = SimpleNamespace(run_id=text, run_name=text, experiment_id=text)
    module(monkeypatch, "mlflow", active_run=lambda: SimpleNamespace(info=info))
    header = context_header() or ""
    assert len(header) <= MAX_CONTEXT
    assert header.isascii()
    assert header.isprintable()
    assert text.startswith(json.loads(header)["prefect"]["flow_run_name"])


def test_inside_of_a_call_that_calls_own_context_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow(monkeypatch)
    enter_call(CallContext("c", "c", None, "default/f", 1, "ann", "default", 4e9))
    try:
        assert (context_header(), run_identity()) == (None, None)
    finally:
        enter_call(None)
