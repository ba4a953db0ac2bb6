"""The no-op as a deployment of Ray Serve:  python serve_app.py PORT RAY_DIRECTORY"""

import sys
import threading

import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=1000)
class Noop:
    async def __call__(self, request: Request) -> dict[str, int]:
        return {"x": (await request.json())["x"]}


if __name__ == "__main__":
    port, directory = sys.argv[1:]
    ray.init("local", num_cpus=2, include_dashboard=False, _temp_dir=directory, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    serve.run(Noop.bind())  # type: ignore[attr-defined]
    threading.Event().wait()
