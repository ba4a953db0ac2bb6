"""From an edit to its first answer: a function that imports numpy, pandas and scikit-learn is deployed anew.

Counted from the start of the deploy to the first answer of the new code; both wait for the deploy, then call.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import rayfaas
from benchmarks.endpoint import Caller, Endpoint
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, samples_table
from benchmarks.samples import Samples
from benchmarks.serve_session import ServeSession
from benchmarks.systems.rayfaas_server import start_server
from benchmarks.systems.system import APPS
from benchmarks.turn import Turn

_FIRST = "VERSION = 1\n"
_ANSWER_S = 60.0


def run(plan: Plan, directory: Path, say: Say) -> Section:
    with Turn(os.environ) as turn:
        ours = measure_rayfaas(turn, plan.edits)
    say(f"rayfaas: {ours}")
    with Turn(os.environ) as turn:
        theirs = measure_serve(turn, plan.redeploys)
    say(f"Ray Serve: {theirs}")
    table = samples_table({"rayfaas, `client.deploy`": ours, "Ray Serve, `serve.run`": theirs})
    text = (
        f"{table}\n\n"
        "A function that imports numpy, pandas and scikit-learn is edited; from the start of the deploy to the first "
        "answer of the new code over HTTP."
    )
    return Section.of_now("edit", "Edit to live", text, {"rayfaas": asdict(ours), "ray_serve": asdict(theirs)})


def measure_rayfaas(turn: Turn, edits: int) -> Samples:
    """The first deploy, which loads the packages, is not among the samples."""
    server = start_server(turn)
    code = Path(shutil.copy(APPS / "predict_rayfaas.py", turn.directory))
    module = import_file(code)
    with rayfaas.Client(url=server.url, token=server.token) as client:
        return measure_edits(code, lambda: client.deploy(module.predict), server.endpoint("predict"), edits)


def measure_serve(turn: Turn, edits: int) -> Samples:
    session = ServeSession(turn, "STEADY")
    return measure_edits(session.code, session.run, session.endpoint, edits)


def measure_edits(code: Path, deploy: Callable[[], object], endpoint: Endpoint, edits: int) -> Samples:
    """Deploy once, then edit, deploy and call so many times."""
    text = code.read_text()
    deploy()
    wait_for_version(endpoint, 1)
    seconds = []
    for version in range(2, edits + 2):
        code.write_text(edited(text, version))
        started = time.perf_counter()
        deploy()
        wait_for_version(endpoint, version)
        seconds.append(time.perf_counter() - started)
    return Samples.of_seconds(seconds)


def edited(text: str, version: int) -> str:
    """The code with another VERSION.

    >>> edited("VERSION = 1\\n", 2)
    'VERSION = 2\\n'
    """
    if _FIRST not in text:
        raise ValueError("the code has no line VERSION = 1")
    return text.replace(_FIRST, f"VERSION = {version}\n")


def wait_for_version(endpoint: Endpoint, version: int) -> None:
    """Call until that version answers. An answer that is no 200 is an error: an edit drops no call."""
    deadline = time.monotonic() + _ANSWER_S
    with Caller(endpoint) as caller:
        while time.monotonic() < deadline:
            answer = caller.post()
            if answer.status != 200:
                raise BenchmarkError(f"{endpoint.url} answered {answer}")
            if answer.json() == {"x": 1, "version": version}:
                return
    raise BenchmarkError(f"version {version} did not answer within {_ANSWER_S:.0f} s")


def import_file(path: Path) -> ModuleType:
    """The module in a file, under its stem's name, as a program that deploys its own functions has it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
