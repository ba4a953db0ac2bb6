"""Lineage through the real MLflow, huggingface_hub and h5py: `make libraries`, which has an environment of its own.

Their network is this machine: MLflow keeps its runs in a file, Hugging Face's hub is a server of the test.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import pytest

from rayfaas.touches import Touch
from tests.executor.replica import Replica

COMMIT = "0123456789abcdef0123456789abcdef01234567"

LOGS = """
    import mlflow
    def f(store):
        class Double(mlflow.pyfunc.PythonModel):
            def predict(self, context, model_input: list[int]) -> list[int]:
                return [2 * each for each in model_input]
        mlflow.set_tracking_uri(store)
        with mlflow.start_run():
            options = {"pip_requirements": [], "registered_model_name": "double"}
            return mlflow.pyfunc.log_model(name="model", python_model=Double(), **options).model_uri
"""
LOADS = """
    import mlflow
    def f(store, uri):
        mlflow.set_tracking_uri(store)
        return mlflow.pyfunc.load_model(uri).predict([3])
"""
DOWNLOADS = """
    import huggingface_hub, json
    def f(): return json.load(open(huggingface_hub.hf_hub_download("google/bert", "config.json")))
"""
HDF = """
    import h5py
    def f(folder):
        with h5py.File(folder + "/in.h5") as file: numbers = file["a"][:]
        with h5py.File(folder + "/out.h5", "w") as file: file["a"] = numbers
        with h5py.File(folder + "/more.h5", "a") as file: file["b"] = numbers
        with h5py.File(folder + "/new.h5", mode="a") as file: file["b"] = numbers
        with open(folder + "/in.h5", "rb") as bare, h5py.File(bare) as file: file["a"][:]
"""


class Hub(BaseHTTPRequestHandler):
    """Has one file in one commit, as https://huggingface.co says it."""

    def do_GET(self) -> None:
        self._head()
        self.wfile.write(b"{}")

    def do_HEAD(self) -> None:
        self._head()

    def _head(self) -> None:
        self.send_response(200 if self.path.startswith("/google/bert/resolve/") else 404)
        for name, value in (("X-Repo-Commit", COMMIT), ("ETag", '"e7a9"'), ("Content-Length", "2")):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def through(touches: list[Touch], how: str) -> list[tuple[str, str, str | None]]:
    return [(touch.mode, touch.uri, touch.version) for touch in touches if touch.how == how]


async def test_a_model_that_is_logged_and_loaded_again_is_one_artifact(replica: Replica, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/runs.db"
    logging = (await replica.deploy(LOGS, deadline_s=60)).call(store)
    uri = await logging.value()
    written = through(await logging.touches(), "mlflow")
    assert {each[:2] for each in written} == {("write", uri), ("write", "models:/double")}
    version = await replica.deploy(LOADS, deadline_s=60)
    for each in (uri, "models:/double/1"):
        loading = version.call(store, each)
        assert await loading.value() == [6]
        read = through(await loading.touches(), "mlflow")
        assert [each[0] for each in read] == ["read"] * len(read)
        assert {each[1:] for each in read} & {each[1:] for each in written if each[2] is not None}


async def test_a_file_of_the_hub_is_its_repository_in_its_commit(replica: Replica, hub: str, tmp_path: Path) -> None:
    env = {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hub")}
    version = await replica.deploy(DOWNLOADS, deadline_s=60, env=env)
    for _ in range(2):  # over the network, and out of the cache
        call = version.call()
        assert await call.value() == {}
        assert ("read", "hf://google/bert", COMMIT) in through(await call.touches(), "hf")


async def test_hdf_files_are_seen_though_c_opens_them(replica: Replica, tmp_path: Path) -> None:
    for name in ("in.h5", "more.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["a"] = [1]
        os.utime(tmp_path / name, (1, 1))
    call = (await replica.deploy(HDF, deadline_s=60)).call(str(tmp_path))
    await call.value()
    assert sorted((touch.mode, Path(touch.uri).name, touch.is_certain) for touch in await call.touches()) == [
        ("read", "in.h5", True),
        ("read", "more.h5", False),
        ("write", "more.h5", True),
        ("write", "new.h5", True),
        ("write", "out.h5", True),
    ]
