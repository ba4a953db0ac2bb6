"""One deployment on a Ray cluster that is up:  python bare_serve.py ADDRESS PORT LIVE

LIVE is a file that is made when Serve says that it is live.
"""

import signal
import sys
from pathlib import Path
from typing import Any

import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(ray_actor_options={"num_cpus": 0})
class Noop:
    async def __call__(self, request: Request) -> Any:
        return await request.json()


if __name__ == "__main__":
    address, port, live = sys.argv[1:]
    ray.init(address, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    serve.run(Noop.bind())  # type: ignore[attr-defined]
    Path(live).touch()
    signal.pause()
