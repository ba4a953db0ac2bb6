"""A Ray Serve application under command:  python serve_session.py PORT RAY_DIRECTORY STEADY|SCALING

Lines on stdin are commands, each answered by a line `ANSWER …`: `run` runs predict_serve.py, which is beside this file,
as it is on disk now; `replicas` counts replicas in any state.
"""

import importlib
import sys

import predict_serve  # type: ignore[import-not-found] # it is copied beside this file
import ray
from ray import cloudpickle, serve


def run(name: str) -> str:
    importlib.reload(predict_serve)
    serve.run(getattr(predict_serve, name).bind())
    return "live"


def replicas() -> str:
    deployment = serve.status().applications["default"].deployments["Predict"]
    return str(sum(deployment.replica_states.values()))


if __name__ == "__main__":
    port, directory, name = sys.argv[1:]
    # The code goes along with each run: a worker that Ray keeps would have the old module.
    cloudpickle.register_pickle_by_value(predict_serve)  # type: ignore[no-untyped-call]
    ray.init("local", num_cpus=2, include_dashboard=False, _temp_dir=directory, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    for line in sys.stdin:
        print("ANSWER", run(name) if line.strip() == "run" else replicas(), flush=True)
