"""The no-op as an API of LitServe:  python litserve_app.py PORT"""

import sys

import litserve  # type: ignore[import-not-found] # in an environment of its own


class Noop(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        pass

    def predict(self, x: dict[str, int]) -> dict[str, int]:
        return {"x": x["x"]}


if __name__ == "__main__":
    server = litserve.LitServer(Noop(), accelerator="cpu", workers_per_device=2, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
