"""Where a call comes from, as far as its program shows without being asked: flow, DAG, run, job, notebook, commit.

Nothing is imported for it: who runs this program's code was imported by it before. What does not change is found once.
"""

from __future__ import annotations

import functools
import getpass
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayfaas.config import Surroundings
from rayfaas.context import MAX_CONTEXT, calling
from rayfaas.git import commit_of

_log = logging.getLogger("rayfaas.origin")

# Texts are cut to the first of these lengths with which the whole fits.
_LENGTHS = (256, 64, 16)
_GIT_S = 1.0
Facts = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What an orchestrator says of the code that it runs. `identity` stays the same when it tries again."""

    facts: Facts
    identity: tuple[str, ...]


def context_header() -> str | None:
    """The JSON of the header Rayfaas-Context; None inside of a call, whose own context holds for what it calls.

    >>> json.loads(context_header())["program"] == sys.argv[0]
    True
    """
    if calling() is not None:
        return None
    found: dict[str, Any] = {name: facts for name, find in _CHANGING.items() if (facts := _ask(find))}
    return _written({**found, **_constant()})


def run_identity() -> tuple[str, ...] | None:
    """Which run of an orchestrator's task this code belongs to, whatever the attempt; None outside of one."""
    if calling() is not None:
        return None
    run = _ask(_prefect) or _ask(_airflow)
    return run.identity if run is not None else None


def _ask(find: Callable[[], Any]) -> Any:
    try:
        return find()
    except Exception:  # noqa: BLE001 other people's objects, of any version: a call is made without what they hide
        _log.debug("%r tells nothing of where this call comes from", find, exc_info=True)
        return None


# Orchestrators, trackers of experiments, traces: asked for each call


def _prefect() -> Run | None:
    module = sys.modules.get("prefect.context")
    if module is None:
        return None
    flow, task = module.FlowRunContext.get(), module.TaskRunContext.get()
    flow_run: Any = getattr(flow, "flow_run", None)
    task_run: Any = getattr(task, "task_run", None)
    if flow_run is None and task_run is None:
        return None
    flow_run_id = str(flow_run.id if flow_run is not None else task_run.flow_run_id)
    facts = {
        "flow": getattr(getattr(flow, "flow", None), "name", None),
        "flow_run": flow_run_id,
        "flow_run_name": getattr(flow_run, "name", None),
        "task": getattr(getattr(task, "task", None), "name", None),
        "task_run": str(task_run.id) if task_run is not None else None,
        "task_run_name": getattr(task_run, "name", None),
        "try": (task_run or flow_run).run_count,
    }
    # A flow that is run again makes new task runs: which of its tasks it is, and which time, is the same.
    step = (task_run.task_key, str(task_run.dynamic_key)) if task_run is not None else ()
    return Run(_known(facts), ("prefect", flow_run_id, *step))


def _airflow() -> Run | None:
    told = Surroundings.airflow(os.environ)
    if not told:
        return None
    facts = {**told, **(_ask(_airflow_task) or {})}
    identity = (facts["dag"], facts["run"], facts["task"], str(facts.get("map_index", -1)))
    return Run(facts, ("airflow", *identity))


def _airflow_task() -> Facts:
    """Of the task instance, which a process that a task started does not see."""
    module = sys.modules.get("airflow.sdk") or sys.modules["airflow.operators.python"]
    task = module.get_current_context()["ti"]
    return {"try": task.try_number, **({"map_index": task.map_index} if task.map_index >= 0 else {})}


def _mlflow() -> Facts:
    run = sys.modules["mlflow"].active_run()
    return _known({"run": run.info.run_id, "run_name": run.info.run_name, "experiment": run.info.experiment_id})


def _wandb() -> Facts:
    run = sys.modules["wandb"].run
    return _known({"run": run.id, "run_name": run.name, "project": run.project, "entity": run.entity})


def _opentelemetry() -> Facts | None:
    """The span that is current."""
    span = sys.modules["opentelemetry.trace"].get_current_span().get_span_context()
    return {"id": f"{span.trace_id:032x}", "span": f"{span.span_id:016x}"} if span.is_valid else None


_CHANGING: dict[str, Callable[[], Facts | None]] = {
    "prefect": lambda: _facts(_prefect()),
    "airflow": lambda: _facts(_airflow()),
    "mlflow": _mlflow,
    "wandb": _wandb,
    "trace": _opentelemetry,
}


def _facts(run: Run | None) -> Facts | None:
    return run.facts if run is not None else None


# The program and its machine: asked once


@functools.cache
def _constant() -> Facts:
    return _known(
        {
            "github": Surroundings.github(os.environ) or None,
            "notebook": _notebook(),
            "git": _ask(_git),
            "program": sys.argv[0] if sys.argv else None,
            "host": socket.gethostname(),
            "user": _ask(getpass.getuser),
        }
    )


def _notebook() -> str | None:
    """Its path, where the environment tells, of a program that is a notebook's kernel."""
    return Surroundings.notebook(os.environ) or "untitled" if "ipykernel" in sys.modules else None


def _git() -> Facts | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    commit, is_dirty = commit_of(Path(file).absolute().parent if file else Path.cwd(), _GIT_S)
    return _known({"commit": commit, "dirty": is_dirty}) or None


# Writing


def _known(facts: Mapping[str, Any]) -> Facts:
    return {name: value for name, value in facts.items() if value is not None}


def _written(facts: Facts) -> str:
    text = ""
    for length in _LENGTHS:
        text = json.dumps(_cut(facts, length), separators=(",", ":"))
        if len(text) <= MAX_CONTEXT:
            break
    return text


def _cut(value: Any, length: int) -> Any:
    if isinstance(value, dict):
        return {name: _cut(each, length) for name, each in value.items()}
    return value if isinstance(value, bool | int) else str(value)[:length]
